// SPDX-License-Identifier: GPL-2.0
/*
 * Flags of files, as chattr(1) sets them.
 *
 * The host keeps the immutable and the append-only flag for its own root, and
 * the host's kernel need not know of them: what they forbid is forbidden here.
 * On a private tree they are an attribute of the file, not seen inside. Asking
 * for it with every file would cost more than it is worth, so the tree's root
 * has another one once any file had flags.
 */

#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/kstrtox.h>
#include "hostfs_fs.h"
#include "xattr.h"

#define FLAGS_XATTR HOSTFS_HIDDEN "flags"	/* "0x30" */
#define FLAGGED_XATTR HOSTFS_HIDDEN "flagged"	/* on the tree's root */

#define KEPT_FLAGS (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL |	\
		    FS_NOATIME_FL | FS_SYNC_FL | FS_DIRSYNC_FL)

static bool may_have_flags(umode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

/* Of the file that @fd, a descriptor for no more than its place, is of. */
static int read_flags(struct super_block *sb, int fd, unsigned int *flags)
{
	char value[16];
	long n = as_self(sb, host_getxattr, fd, FLAGS_XATTR, value,
			 sizeof(value) - 1);

	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n < 0)
		return n;
	value[n] = '\0';
	if (kstrtouint(value, 0, flags))
		return -EIO;
	*flags &= KEPT_FLAGS;
	return 0;
}

/* For what is about to become an inode. */
int hostfs_read_flags(struct super_block *sb, int dir_fd, const char *name,
		      struct hostfs_stat *st)
{
	int fd, err;

	if (!HOSTFS_SB(sb)->flagged || !may_have_flags(st->mode))
		return 0;
	fd = as_self(sb, host_open, dir_fd, name, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	err = read_flags(sb, fd, &st->flags);
	host_close(fd);
	return err;
}

/* The root's, and whether any file has some, or attributes beside it. */
int hostfs_read_root_flags(struct super_block *sb, int fd,
			   struct hostfs_stat *st)
{
	struct hostfs_sb *hsb = HOSTFS_SB(sb);
	int side = as_self(sb, host_open, fd, HOSTFS_SIDE, HOSTFS_PLACE);

	hsb->sides = side >= 0;
	if (hsb->sides)
		host_close(side);
	hsb->flagged = as_self(sb, host_getxattr, fd, FLAGGED_XATTR, NULL,
			       0) >= 0;
	return hsb->flagged ? read_flags(sb, fd, &st->flags) : 0;
}

void hostfs_apply_flags(struct inode *inode, unsigned int flags)
{
	unsigned int set = 0;

	HOSTFS_I(inode)->flags = flags;
	if (flags & FS_IMMUTABLE_FL)
		set |= S_IMMUTABLE;
	if (flags & FS_APPEND_FL)
		set |= S_APPEND;
	if (flags & FS_NOATIME_FL)
		set |= S_NOATIME;
	if (flags & FS_SYNC_FL)
		set |= S_SYNC;
	if (flags & FS_DIRSYNC_FL)
		set |= S_DIRSYNC;
	inode_set_flags(inode, set, S_IMMUTABLE | S_APPEND | S_NOATIME |
				    S_SYNC | S_DIRSYNC);
}

static int write_flags(struct inode *inode, int fd, unsigned int flags)
{
	char value[16];
	int len = snprintf(value, sizeof(value), "0x%x", flags);
	int err;

	if (flags)
		return as_self(inode->i_sb, host_setxattr, fd, FLAGS_XATTR,
			       value, len, 0);
	err = as_self(inode->i_sb, host_removexattr, fd, FLAGS_XATTR);
	return err == -ENODATA ? 0 : err;
}

/* Before the first flag, so that no flag is ever overlooked. */
static int mark_tree(struct super_block *sb)
{
	struct inode *root = d_inode(sb->s_root);
	int fd, err;

	if (HOSTFS_SB(sb)->flagged)
		return 0;
	fd = hostfs_pin(root, NULL, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	err = as_self(sb, host_setxattr, fd, FLAGGED_XATTR, "", 0, 0);
	hostfs_unpin(root);
	if (!err)
		HOSTFS_SB(sb)->flagged = true;
	return err;
}

int hostfs_fileattr_get(struct dentry *dentry, struct file_kattr *fa)
{
	struct inode *inode = d_inode(dentry);

	if (!HOSTFS_SB(inode->i_sb)->private || !may_have_flags(inode->i_mode))
		return -EOPNOTSUPP;
	fileattr_fill_flags(fa, HOSTFS_I(inode)->flags);
	return 0;
}

int hostfs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
			struct file_kattr *fa)
{
	struct inode *inode = d_inode(dentry);
	int fd, err;

	if (!HOSTFS_SB(inode->i_sb)->private || !may_have_flags(inode->i_mode) ||
	    fileattr_has_fsx(fa) || (fa->flags & ~KEPT_FLAGS))
		return -EOPNOTSUPP;
	if ((fa->flags & FS_DIRSYNC_FL) && !S_ISDIR(inode->i_mode))
		return -EINVAL;

	err = mark_tree(inode->i_sb);
	if (err)
		return err;
	fd = hostfs_pin(inode, dentry, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	err = write_flags(inode, fd, fa->flags);
	hostfs_unpin(inode);
	if (err)
		return err;
	hostfs_apply_flags(inode, fa->flags);
	hostfs_changed(inode);
	return 0;
}
