// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes of what can have none on the host.
 *
 * The host lets nobody but its root put trusted.* and security.* on a symbolic
 * link, a FIFO or a socket, and user.* nobody. On a private tree they are put
 * on a file of their own, which lies in a directory of the tree's root and is
 * named by the inode's number and time of birth: so they stay where they are
 * when a name changes, and no later inode of that number takes them over. The
 * directory is not seen inside.
 */

#include <linux/fs.h>
#include <linux/stat.h>
#include "hostfs_fs.h"
#include "xattr.h"

#define NAME_SIZE 64

bool hostfs_needs_side(struct inode *inode)
{
	return HOSTFS_SB(inode->i_sb)->private && !HOSTFS_I(inode)->marked &&
	       !S_ISREG(inode->i_mode) && !S_ISDIR(inode->i_mode);
}

/* Is this the name of the directory, in the tree's root? */
bool hostfs_is_side(struct inode *dir, const char *name)
{
	return HOSTFS_SB(dir->i_sb)->private && dir == d_inode(dir->i_sb->s_root) &&
	       !strcmp(name, HOSTFS_SIDE);
}

static const char *side_name(struct inode *inode, char *name)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);

	snprintf(name, NAME_SIZE, "%llx.%llx.%llx",
		 (unsigned long long)inode->i_ino, hi->btime.tv_sec,
		 hi->btime.tv_nsec);
	return name;
}

/* The directory, for as long as the root is pinned; made if it is wanted. */
static int open_side(struct super_block *sb, bool make)
{
	struct inode *root = d_inode(sb->s_root);
	int root_fd, fd;

	root_fd = hostfs_pin(root, NULL, HOSTFS_PLACE);
	if (root_fd < 0)
		return root_fd;
	fd = as_self(sb, host_open, root_fd, HOSTFS_SIDE, HOSTFS_PLACE);
	if (fd == -ENOENT && make) {
		fd = as_self(sb, host_mkdir, root_fd, HOSTFS_SIDE, 0700);
		if (!fd || fd == -EEXIST)
			fd = as_self(sb, host_open, root_fd, HOSTFS_SIDE,
				     HOSTFS_PLACE);
	}
	hostfs_unpin(root);
	return fd;
}

/* The file that has the attributes of @inode; -ENODATA where there is none. */
int hostfs_open_side(struct inode *inode, bool make)
{
	struct super_block *sb = inode->i_sb;
	char name[NAME_SIZE];
	int dir, fd;

	dir = open_side(sb, make);
	if (dir < 0)
		return dir == -ENOENT ? -ENODATA : dir;
	side_name(inode, name);
	fd = as_self(sb, host_open, dir, name, HOSTFS_PLACE);
	if (fd == -ENOENT && make)
		fd = as_self(sb, host_create, dir, name, 0600);
	host_close(dir);
	if (fd >= 0)
		HOSTFS_SB(sb)->sides = true;
	return fd == -ENOENT ? -ENODATA : fd;
}

/* With its last name what was beside it goes. */
void hostfs_drop_side(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	char name[NAME_SIZE];
	int dir;

	if (!HOSTFS_SB(sb)->sides || !hostfs_needs_side(inode) || !sb->s_root)
		return;
	dir = open_side(sb, false);
	if (dir < 0)
		return;
	as_self(sb, host_unlink, dir, side_name(inode, name), 0);
	host_close(dir);
}
