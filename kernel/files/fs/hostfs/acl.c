// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX access control lists of a private tree.
 *
 * They are the host's own, so that they are there for whoever looks at the
 * tree from outside, and the host lets new files inherit them.
 */

#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include "hostfs_fs.h"
#include "xattr.h"

static const char *acl_name(int type)
{
	return type == ACL_TYPE_ACCESS ? XATTR_NAME_POSIX_ACL_ACCESS :
					 XATTR_NAME_POSIX_ACL_DEFAULT;
}

struct posix_acl *hostfs_get_acl(struct inode *inode, int type, bool rcu)
{
	char small[256], *value = small;
	struct posix_acl *acl;
	ssize_t n;
	int fd;

	if (!IS_POSIXACL(inode))
		return NULL;
	if (rcu)
		return ERR_PTR(-ECHILD);

	fd = hostfs_pin(inode, NULL, HOSTFS_PLACE);
	if (fd < 0)
		return ERR_PTR(fd);
	n = as_self(inode->i_sb, host_getxattr, fd, acl_name(type), value,
		    sizeof(small));
	if (n == -ERANGE) {
		value = kvmalloc(XATTR_SIZE_MAX, GFP_KERNEL);
		n = -ENOMEM;
		if (value)
			n = as_self(inode->i_sb, host_getxattr, fd,
				    acl_name(type), value, XATTR_SIZE_MAX);
	}
	hostfs_unpin(inode);

	if (n == -ENODATA || n == -EOPNOTSUPP)
		acl = NULL;
	else if (n < 0)
		acl = ERR_PTR(n);
	else
		acl = posix_acl_from_xattr(&init_user_ns, value, n);
	if (value != small)
		kvfree(value);
	return acl;
}

static int store_acl(struct inode *inode, struct dentry *dentry,
		     struct posix_acl *acl, int type)
{
	size_t size = 0;
	void *value = NULL;
	int fd, err;

	if (acl) {
		value = posix_acl_to_xattr(&init_user_ns, acl, &size, GFP_KERNEL);
		if (!value)
			return -ENOMEM;
	}
	fd = hostfs_pin(inode, dentry, HOSTFS_PLACE);
	err = fd;
	if (fd >= 0) {
		if (value)
			err = as_self(inode->i_sb, host_setxattr, fd,
				      acl_name(type), value, size, 0);
		else
			err = as_self(inode->i_sb, host_removexattr, fd,
				      acl_name(type));
		hostfs_unpin(inode);
	}
	kfree(value);
	return !acl && err == -ENODATA ? 0 : err;
}

int hostfs_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		   struct posix_acl *acl, int type)
{
	struct inode *inode = d_inode(dentry);
	struct iattr attr = { .ia_valid = ATTR_MODE | ATTR_FORCE };
	umode_t mode = inode->i_mode;
	int err;

	if (!IS_POSIXACL(inode))
		return -EOPNOTSUPP;
	if (type == ACL_TYPE_ACCESS && acl) {
		err = posix_acl_update_mode(idmap, inode, &mode, &acl);
		if (err)
			return err;
	}
	err = store_acl(inode, dentry, acl, type);
	if (err)
		return err;
	set_cached_acl(inode, type, acl);
	hostfs_changed(inode);
	if (mode == inode->i_mode)
		return 0;
	attr.ia_mode = mode;
	return hostfs_setattr(idmap, dentry, &attr);
}

/*
 * The mode to make a file with. Where the directory has a default list the
 * host applies it; otherwise the caller's umask counts, which the VFS leaves
 * to file systems with lists.
 */
int hostfs_create_mode(struct inode *dir, umode_t *mode)
{
	struct posix_acl *acl;

	if (!IS_POSIXACL(dir))
		return 0;
	acl = get_inode_acl(dir, ACL_TYPE_DEFAULT);
	if (IS_ERR(acl))
		return PTR_ERR(acl);
	if (!acl)
		*mode &= ~current_umask();
	posix_acl_release(acl);
	return 0;
}
