// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (C) 2000 - 2007 Jeff Dike (jdike@{addtoit,linux.intel}.com)
 *
 * Ported the filesystem routines to 2.5.
 * 2003-02-10 Petr Baudis <pasky@ucw.cz>
 */

/*
 * Names: looking up, making, linking, removing, renaming.
 *
 * The VFS has locked the directory, so names hold still and are used as they
 * are, below the directory's descriptor. The dentries of a private tree are
 * right without asking; those of a shared one are good for a clock tick.
 */

#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>
#include "hostfs_fs.h"
#include "xattr.h"

static int pin_dir(struct inode *dir)
{
	return hostfs_pin(dir, NULL, HOSTFS_PLACE);
}

static int stat_name(struct inode *dir, int fd, const char *name,
		     struct hostfs_stat *st)
{
	int err;

	if (hostfs_is_side(dir, name))
		return -ENOENT;
	err = as_owner(dir->i_sb, host_stat, fd, name, st);
	if (err || !HOSTFS_SB(dir->i_sb)->private)
		return err;
	return hostfs_read_node(dir->i_sb, fd, name, st) ?:
	       hostfs_read_flags(dir->i_sb, fd, name, st);
}

static struct inode *get_name(struct inode *dir, int fd, const char *name)
{
	struct hostfs_stat st;
	int err = stat_name(dir, fd, name, &st);

	return err ? ERR_PTR(err) : hostfs_iget(dir->i_sb, &st);
}

/* @made is what making @dentry returned: on success, shows the new file. */
static int show_new(struct inode *dir, int dir_fd, struct dentry *dentry,
		    int made)
{
	struct inode *inode;

	/*
	 * On a shared tree somebody else was first. Look again: whether that
	 * is an error depends on what was asked for.
	 */
	if (made == -EEXIST && !HOSTFS_SB(dir->i_sb)->private)
		made = -ESTALE;
	if (made < 0)
		return made;

	hostfs_changed(dir);
	inode = get_name(dir, dir_fd, dentry->d_name.name);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	dentry->d_time = jiffies;
	d_instantiate(dentry, inode);
	return 0;
}

static int hostfs_create(struct mnt_idmap *idmap, struct inode *dir,
			 struct dentry *dentry, umode_t mode, bool excl)
{
	struct inode *inode;
	struct hostfs_stat st;
	int dir_fd, fd, err;

	err = hostfs_create_mode(dir, &mode);
	if (err)
		return err;
	dir_fd = pin_dir(dir);
	if (dir_fd < 0)
		return dir_fd;
	fd = hostfs_open_sparing(as_caller(dir->i_sb, host_create, dir_fd,
					   dentry->d_name.name,
					   mode & S_IALLUGO));
	hostfs_unpin(dir);
	if (fd == -EEXIST && !HOSTFS_SB(dir->i_sb)->private)
		return -ESTALE;
	if (fd < 0)
		return fd;

	hostfs_changed(dir);
	err = as_self(dir->i_sb, host_stat, fd, "", &st);
	inode = err ? ERR_PTR(err) : hostfs_iget(dir->i_sb, &st);
	if (IS_ERR(inode)) {
		host_close(fd);
		return PTR_ERR(inode);
	}
	hostfs_adopt_fd(inode, fd, HOSTFS_READ_WRITE);
	HOSTFS_I(inode)->no_caps = true;
	hostfs_unpin_new(inode);
	dentry->d_time = jiffies;
	d_instantiate(dentry, inode);
	return 0;
}

static int hostfs_tmpfile(struct mnt_idmap *idmap, struct inode *dir,
			  struct file *file, umode_t mode)
{
	struct hostfs_stat st;
	struct inode *inode;
	int dir_fd, fd, err;

	err = hostfs_create_mode(dir, &mode);
	if (err)
		return err;
	dir_fd = pin_dir(dir);
	if (dir_fd < 0)
		return dir_fd;
	fd = hostfs_open_sparing(as_caller(dir->i_sb, host_tmpfile, dir_fd,
					   mode & S_IALLUGO));
	hostfs_unpin(dir);
	if (fd < 0)
		return fd;

	err = as_self(dir->i_sb, host_stat, fd, "", &st);
	inode = err ? ERR_PTR(err) : hostfs_iget(dir->i_sb, &st);
	if (IS_ERR(inode)) {
		host_close(fd);
		return PTR_ERR(inode);
	}
	/* The pin stays: there is no name to open it by again. */
	hostfs_adopt_fd(inode, fd, HOSTFS_READ_WRITE);
	HOSTFS_I(inode)->no_caps = true;
	HOSTFS_I(inode)->keep = true;
	set_nlink(inode, 1);
	d_tmpfile(file, inode);
	return finish_open_simple(file, 0);
}

static struct dentry *hostfs_lookup(struct inode *dir, struct dentry *dentry,
				    unsigned int flags)
{
	struct inode *inode;
	int fd = pin_dir(dir);

	if (fd < 0)
		return ERR_PTR(fd);
	inode = get_name(dir, fd, dentry->d_name.name);
	hostfs_unpin(dir);
	if (inode == ERR_PTR(-ENOENT))
		inode = NULL;
	dentry->d_time = jiffies;
	return d_splice_alias(inode, dentry);
}

static int hostfs_link(struct dentry *old, struct inode *dir,
		       struct dentry *dentry)
{
	struct inode *inode = d_inode(old);
	int dir_fd, fd, err;

	fd = hostfs_pin(inode, old, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	dir_fd = pin_dir(dir);
	err = dir_fd;
	if (dir_fd >= 0) {
		err = hostfs_node_moves(inode, dir, dir_fd) ?:
		      as_owner(dir->i_sb, host_link, fd, dir_fd,
			       dentry->d_name.name);
		hostfs_unpin(dir);
	}
	hostfs_unpin(inode);
	if (err)
		return err;

	inc_nlink(inode);
	hostfs_changed(inode);
	hostfs_changed(dir);
	ihold(inode);
	dentry->d_time = jiffies;
	d_instantiate(dentry, inode);
	return 0;
}

static void one_name_less(struct inode *inode)
{
	if (S_ISDIR(inode->i_mode))
		clear_nlink(inode);
	else if (inode->i_nlink)
		drop_nlink(inode);
	hostfs_changed(inode);
}

static int remove_name(struct inode *dir, struct dentry *dentry, int is_dir)
{
	int fd, err;

	/* The host would take away what is mounted there. */
	if (hostfs_is_covered(d_inode(dentry)))
		return -EBUSY;
	hostfs_keep_fd(dentry);
	fd = pin_dir(dir);
	if (fd < 0)
		return fd;
	err = call_host_unlink(dir->i_sb, HOSTFS_AS_OWNER,
			       hostfs_large(d_inode(dentry)), fd,
			       dentry->d_name.name, is_dir);
	hostfs_unpin(dir);
	if (err)
		return err;

	one_name_less(d_inode(dentry));
	hostfs_changed(dir);
	dentry->d_time = jiffies;
	return 0;
}

static int hostfs_unlink(struct inode *dir, struct dentry *dentry)
{
	return remove_name(dir, dentry, 0);
}

static int hostfs_rmdir(struct inode *dir, struct dentry *dentry)
{
	return remove_name(dir, dentry, 1);
}

static int hostfs_symlink(struct mnt_idmap *idmap, struct inode *dir,
			  struct dentry *dentry, const char *target)
{
	int fd = pin_dir(dir);
	int err;

	if (fd < 0)
		return fd;
	err = as_caller(dir->i_sb, host_symlink, fd, dentry->d_name.name, target);
	err = show_new(dir, fd, dentry, err);
	hostfs_unpin(dir);
	return err;
}

static struct dentry *hostfs_mkdir(struct mnt_idmap *idmap, struct inode *dir,
				   struct dentry *dentry, umode_t mode)
{
	int fd, err;

	err = hostfs_create_mode(dir, &mode);
	if (err)
		return ERR_PTR(err);
	fd = pin_dir(dir);
	if (fd < 0)
		return ERR_PTR(fd);
	err = as_caller(dir->i_sb, host_mkdir, fd, dentry->d_name.name,
			mode & S_IALLUGO);
	err = show_new(dir, fd, dentry, err);
	hostfs_unpin(dir);
	return ERR_PTR(err);
}

static int hostfs_mknod(struct mnt_idmap *idmap, struct inode *dir,
			struct dentry *dentry, umode_t mode, dev_t rdev)
{
	int fd, err;

	err = hostfs_create_mode(dir, &mode);
	if (err)
		return err;
	fd = pin_dir(dir);
	if (fd < 0)
		return fd;
	err = hostfs_make_node(dir, fd, dentry->d_name.name, mode, rdev);
	err = show_new(dir, fd, dentry, err);
	hostfs_unpin(dir);
	return err;
}

static int hostfs_rename2(struct mnt_idmap *idmap,
			  struct inode *old_dir, struct dentry *old_dentry,
			  struct inode *new_dir, struct dentry *new_dentry,
			  unsigned int flags)
{
	struct inode *target = d_inode(new_dentry);
	int fd, new_fd, err;

	if (hostfs_is_covered(d_inode(old_dentry)) ||
	    (target && hostfs_is_covered(target)))
		return -EBUSY;
	if (target && !(flags & RENAME_EXCHANGE))
		hostfs_keep_fd(new_dentry);

	fd = pin_dir(old_dir);
	if (fd < 0)
		return fd;
	new_fd = pin_dir(new_dir);
	err = new_fd;
	if (new_fd >= 0) {
		err = hostfs_node_moves(d_inode(old_dentry), new_dir, new_fd) ?:
		      call_host_rename(old_dir->i_sb, HOSTFS_AS_CALLER,
				       target && hostfs_large(target), fd,
				       old_dentry->d_name.name, new_fd,
				       new_dentry->d_name.name, flags);
		hostfs_unpin(new_dir);
	}
	hostfs_unpin(old_dir);
	if (err)
		return err;

	if (target && (flags & RENAME_EXCHANGE))
		hostfs_changed(target);
	else if (target)
		one_name_less(target);
	hostfs_changed(d_inode(old_dentry));
	hostfs_changed(old_dir);
	hostfs_changed(new_dir);
	return 0;
}

const struct inode_operations hostfs_dir_iops = {
	.create		= hostfs_create,
	.tmpfile	= hostfs_tmpfile,
	.lookup		= hostfs_lookup,
	.link		= hostfs_link,
	.unlink		= hostfs_unlink,
	.symlink	= hostfs_symlink,
	.mkdir		= hostfs_mkdir,
	.rmdir		= hostfs_rmdir,
	.mknod		= hostfs_mknod,
	.rename		= hostfs_rename2,
	.permission	= hostfs_permission,
	.getattr	= hostfs_getattr,
	.setattr	= hostfs_setattr,
	.listxattr	= hostfs_listxattr,
	.get_inode_acl	= hostfs_get_acl,
	.set_acl	= hostfs_set_acl,
	.update_time	= hostfs_update_time,
	.fileattr_get	= hostfs_fileattr_get,
	.fileattr_set	= hostfs_fileattr_set,
};

/* Is the name on the host what it was? Only asked of a shared tree. */
static int hostfs_revalidate(struct inode *dir, const struct qstr *name,
			     struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = d_inode_rcu(dentry);
	char own[NAME_MAX + 1];
	struct hostfs_stat st;
	unsigned int changes;
	int fd, err;

	/* What will be made or replaced had better not be a memory. */
	if (time_in_range(jiffies, dentry->d_time, dentry->d_time + 1) &&
	    !(flags & (LOOKUP_CREATE | LOOKUP_RENAME_TARGET | LOOKUP_REVAL)))
		return 1;
	if (flags & LOOKUP_RCU)
		return -ECHILD;

	/* What follows the name is the rest of the path. */
	if (name->len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(own, name->name, name->len);
	own[name->len] = 0;

	changes = inode ? READ_ONCE(HOSTFS_I(inode)->changes) : 0;
	fd = pin_dir(dir);
	if (fd < 0)
		return fd;
	err = as_owner(dir->i_sb, host_stat, fd, own, &st);
	hostfs_unpin(dir);

	dentry->d_time = jiffies;
	if (err)
		return err == -ENOENT ? !inode : err;
	if (!inode || !hostfs_same_file(inode, &st))
		return 0;
	hostfs_apply(inode, &st, changes, false);
	return 1;
}

const struct dentry_operations hostfs_shared_dops = {
	.d_revalidate	= hostfs_revalidate,
};
