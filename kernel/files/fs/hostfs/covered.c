// SPDX-License-Identifier: GPL-2.0
/*
 * Places of a shared tree that the host has mounted something over.
 *
 * The machine's view of the host's mounts is that of its start, and without
 * what lies below the tree. So it would see the directory underneath, and what
 * is written there would lie under the mount, where nobody looks for it. Only
 * whoever sees the host's mounts can tell: hostfs_covered= names a file that
 * has the places, each a path in the tree with a NUL behind it. They cannot be
 * entered, read, written or removed.
 */

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include "hostfs_fs.h"

#define LIST_MAX 16384

/* The file changes while the machine runs: looked at again after a tick. */
static void look_again(struct super_block *sb)
{
	struct hostfs_sb *hsb = HOSTFS_SB(sb);
	int n;

	if (hsb->covered && time_in_range(jiffies, hsb->covered_asked,
					  hsb->covered_asked + 1))
		return;
	if (!hsb->covered)
		hsb->covered = kmalloc(LIST_MAX, GFP_KERNEL);
	if (!hsb->covered)
		return;
	n = as_self(sb, host_read_file, hsb->tree->covered, hsb->covered,
		    LIST_MAX);
	hsb->covered_len = max(n, 0);
	hsb->covered_asked = jiffies;
}

static bool is_listed(const struct hostfs_sb *hsb, const char *path)
{
	const char *place = hsb->covered;
	const char *end = place + hsb->covered_len;

	while (place < end) {
		size_t len = strnlen(place, end - place);

		if (len == strlen(path) && !memcmp(place, path, len))
			return true;
		place += len + 1;
	}
	return false;
}

static bool is_covered_name(const struct hostfs_sb *hsb, struct dentry *dentry)
{
	char *buf, *path;
	bool found = false;

	buf = __getname();
	if (!buf)
		return true;
	path = dentry_path_raw(dentry, buf, PATH_MAX);
	if (!IS_ERR(path))
		found = is_listed(hsb, path + 1);
	__putname(buf);
	return found;
}

bool hostfs_is_covered(struct inode *inode)
{
	struct hostfs_sb *hsb = HOSTFS_SB(inode->i_sb);
	struct dentry *dentry;
	bool found = false;

	if (!hsb->tree || !hsb->tree->covered)
		return false;
	mutex_lock(&hsb->covered_mutex);
	look_again(inode->i_sb);
	if (hsb->covered_len) {
		dentry = d_find_alias(inode);
		if (dentry)
			found = is_covered_name(hsb, dentry);
		dput(dentry);
	}
	mutex_unlock(&hsb->covered_mutex);
	return found;
}
