// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes.
 *
 * The host lets a user namespace have user.* and access control lists, and
 * keeps trusted.* and security.* to itself. On a private tree those are kept
 * as user.hostfs.trusted.* and user.hostfs.security.*, a part of user.* that
 * is not seen inside. A security.capability that the tree came with is the
 * host's own; it can be read, and where it cannot be removed an empty one of
 * ours hides it. Links, FIFOs and sockets have theirs beside them, see side.c.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/xattr.h>
#include "hostfs_fs.h"
#include "xattr.h"

static bool is_hidden(const char *name)
{
	return str_has_prefix(name, HOSTFS_HIDDEN);
}

/* What has the attributes of @inode on the host. */
static int open_attributes(struct dentry *dentry, struct inode *inode, bool make)
{
	if (hostfs_needs_side(inode))
		return hostfs_open_side(inode, make);
	return hostfs_pin(inode, dentry, HOSTFS_PLACE);
}

static void close_attributes(struct inode *inode, int fd)
{
	if (hostfs_needs_side(inode))
		host_close(fd);
	else
		hostfs_unpin(inode);
}

static ssize_t get_by_name(struct dentry *dentry, struct inode *inode,
			   const char *name, void *value, size_t size)
{
	int fd = open_attributes(dentry, inode, false);
	ssize_t n = fd;

	if (fd >= 0) {
		n = as_owner(inode->i_sb, host_getxattr, fd, name, value, size);
		close_attributes(inode, fd);
	}
	return n;
}

static int set_by_name(struct dentry *dentry, struct inode *inode,
		       const char *name, const void *value, size_t size,
		       int flags)
{
	int fd = open_attributes(dentry, inode, value);
	int err = fd;

	if (fd >= 0) {
		if (value)
			err = as_owner(inode->i_sb, host_setxattr, fd, name,
				       value, size, flags);
		else
			err = as_owner(inode->i_sb, host_removexattr, fd, name);
		close_attributes(inode, fd);
		hostfs_changed(inode);
	}
	return err;
}

static int user_get(const struct xattr_handler *handler, struct dentry *dentry,
		    struct inode *inode, const char *name, void *value,
		    size_t size)
{
	name = xattr_full_name(handler, name);
	if (is_hidden(name))
		return -ENODATA;
	return get_by_name(dentry, inode, name, value, size);
}

static int user_set(const struct xattr_handler *handler, struct mnt_idmap *idmap,
		    struct dentry *dentry, struct inode *inode,
		    const char *name, const void *value, size_t size, int flags)
{
	name = xattr_full_name(handler, name);
	if (is_hidden(name))
		return -EPERM;
	return set_by_name(dentry, inode, name, value, size, flags);
}

/* No attribute at all, as most files have. */
static bool has_none(struct dentry *dentry, struct inode *inode)
{
	int fd = open_attributes(dentry, inode, false);
	long n = fd;

	if (fd >= 0) {
		n = as_self(inode->i_sb, host_listxattr, fd, NULL, 0);
		close_attributes(inode, fd);
	}
	return n == 0;
}

static bool is_capability(const char *name)
{
	return !strcmp(name, XATTR_NAME_CAPS);
}

static int hidden_get(const struct xattr_handler *handler, struct dentry *dentry,
		      struct inode *inode, const char *name, void *value,
		      size_t size)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);
	char ours[XATTR_NAME_MAX + 1];
	bool caps;
	int n;

	name = xattr_full_name(handler, name);
	caps = is_capability(name);
	/* Every exec and the first write to every file ask for this. */
	if (caps && READ_ONCE(hi->no_caps))
		return -ENODATA;
	if (snprintf(ours, sizeof(ours), HOSTFS_HIDDEN "%s", name) >= sizeof(ours))
		return -ENODATA;

	if (caps && has_none(dentry, inode)) {
		WRITE_ONCE(hi->no_caps, true);
		return -ENODATA;
	}
	n = get_by_name(dentry, inode, ours, value, size);
	if (caps && n == -ENODATA)
		n = get_by_name(dentry, inode, name, value, size);
	else if (caps && n == 0)
		n = -ENODATA;
	if (caps && n == -ENODATA)
		WRITE_ONCE(hi->no_caps, true);
	return n;
}

static int hidden_set(const struct xattr_handler *handler,
		      struct mnt_idmap *idmap, struct dentry *dentry,
		      struct inode *inode, const char *name, const void *value,
		      size_t size, int flags)
{
	char ours[XATTR_NAME_MAX + 1];
	int err;

	name = xattr_full_name(handler, name);
	if (snprintf(ours, sizeof(ours), HOSTFS_HIDDEN "%s", name) >= sizeof(ours))
		return -ERANGE;
	if (!is_capability(name))
		return set_by_name(dentry, inode, ours, value, size, flags);

	if (value || get_by_name(dentry, inode, name, NULL, 0) < 0)
		err = set_by_name(dentry, inode, ours, value, size, flags);
	else
		err = set_by_name(dentry, inode, ours, "", 0, 0);
	WRITE_ONCE(HOSTFS_I(inode)->no_caps, false);
	return err;
}

static const struct xattr_handler user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.get	= user_get,
	.set	= user_set,
};

static const struct xattr_handler trusted_handler = {
	.prefix	= XATTR_TRUSTED_PREFIX,
	.get	= hidden_get,
	.set	= hidden_set,
};

static const struct xattr_handler security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.get	= hidden_get,
	.set	= hidden_set,
};

const struct xattr_handler * const hostfs_private_xattrs[] = {
	&user_handler, &trusted_handler, &security_handler, NULL
};

const struct xattr_handler * const hostfs_shared_xattrs[] = {
	&user_handler, NULL
};

/* What the host's @name is called inside, or NULL where it is not seen. */
static const char *inside_name(struct dentry *dentry, const char *name)
{
	struct inode *inode = d_inode(dentry);

	if (!HOSTFS_SB(inode->i_sb)->private)
		return str_has_prefix(name, XATTR_USER_PREFIX) &&
		       !is_hidden(name) ? name : NULL;
	if (is_hidden(name)) {
		name += strlen(HOSTFS_HIDDEN);
		if (is_capability(name))
			return hidden_get(&security_handler, dentry, inode,
					  name + XATTR_SECURITY_PREFIX_LEN,
					  NULL, 0) >= 0 ? name : NULL;
		if (str_has_prefix(name, XATTR_TRUSTED_PREFIX))
			return capable(CAP_SYS_ADMIN) ? name : NULL;
		return str_has_prefix(name, XATTR_SECURITY_PREFIX) ? name : NULL;
	}
	if (is_capability(name))
		return get_by_name(dentry, inode, HOSTFS_HIDDEN XATTR_NAME_CAPS,
				   NULL, 0) == -ENODATA ? name : NULL;
	if (str_has_prefix(name, XATTR_USER_PREFIX) ||
	    !strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) ||
	    !strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT))
		return name;
	return NULL;
}

ssize_t hostfs_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	char *host, *name;
	ssize_t n, used = 0;
	int fd;

	host = kvmalloc(XATTR_LIST_MAX, GFP_KERNEL);
	if (!host)
		return -ENOMEM;
	fd = open_attributes(dentry, inode, false);
	n = fd;
	if (fd >= 0) {
		n = as_owner(inode->i_sb, host_listxattr, fd, host,
			     XATTR_LIST_MAX);
		close_attributes(inode, fd);
	}
	for (name = host; n > 0 && name < host + n; name += strlen(name) + 1) {
		const char *inside = inside_name(dentry, name);
		size_t len;

		if (!inside)
			continue;
		len = strlen(inside) + 1;
		if (size && used + len > size) {
			n = -ERANGE;
			break;
		}
		if (size)
			memcpy(list + used, inside, len);
		used += len;
	}
	kvfree(host);
	return n == -EOPNOTSUPP || n == -ENODATA ? 0 : n < 0 ? n : used;
}
