// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the owner of a tree may execute a file on the host.
 *
 * Where the machine's trees are mounted noexec, which says that the kernel's
 * process may execute nothing, access(2) says no of every file. So the rights
 * are worked out from what the file tells of itself, as the host would.
 */

#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "hostfs.h"

#define LIST_XATTR "system.posix_acl_access"
#define MAX_GROUPS 1024
#define MAX_ENTRIES 128		/* of a list: the stacks of helpers are small */
#define UNMAPPED 65534		/* who has no name here */

static gid_t groups[MAX_GROUPS];
static int nr_groups;

struct list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entry[MAX_ENTRIES];
};

/* The process' own further groups, which stay what they are. */
void host_learn_groups(void)
{
	nr_groups = getgroups(MAX_GROUPS, groups);
	if (nr_groups < 0)
		nr_groups = 0;
}

static int in_group(gid_t gid, gid_t own)
{
	if (gid == own)
		return 1;
	for (int i = 0; i < nr_groups; i++)
		if (groups[i] == gid && gid != UNMAPPED)
			return 1;
	return 0;
}

/* As posix_acl_permission() has it, for one who is not the file's owner. */
static int list_allows(const struct list *list, int count, gid_t file_gid,
		       uid_t uid, gid_t gid)
{
	int mask = ACL_EXECUTE, other = 0, found = 0, granted = 0;

	for (int i = 0; i < count; i++) {
		const struct posix_acl_xattr_entry *entry = &list->entry[i];
		int allows = entry->e_perm & ACL_EXECUTE;
		gid_t group = entry->e_id;

		switch (entry->e_tag) {
		case ACL_MASK:
			mask = allows;
			break;
		case ACL_OTHER:
			other = allows;
			break;
		}
		if (entry->e_tag == ACL_GROUP_OBJ)
			group = file_gid;
		else if (entry->e_tag != ACL_GROUP)
			continue;
		if (in_group(group, gid)) {
			found = 1;
			granted |= allows;
		}
	}
	for (int i = 0; i < count; i++)
		if (list->entry[i].e_tag == ACL_USER && list->entry[i].e_id == uid)
			return list->entry[i].e_perm & mask & ACL_EXECUTE;
	return found ? granted & mask : other;
}

int host_may_execute(int fd, unsigned int uid, unsigned int gid)
{
	struct list list;
	struct stat st;
	char path[32];
	ssize_t n;
	int may;

	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = getxattr(path, LIST_XATTR, &list, sizeof(list));
	if (n > (ssize_t)sizeof(list.header)) {
		n = (n - sizeof(list.header)) / sizeof(list.entry[0]);
		may = list_allows(&list, n, st.st_gid, uid, gid);
	} else if (n >= 0 || errno == ENODATA || errno == EOPNOTSUPP) {
		may = st.st_mode & (in_group(st.st_gid, gid) ? 0010 : 0001);
	} else {
		may = 0;
	}
	return may ? 0 : -EACCES;
}
