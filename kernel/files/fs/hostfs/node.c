// SPDX-License-Identifier: GPL-2.0
/*
 * Device nodes.
 *
 * The host makes none for a user namespace. In place of one lies an empty
 * regular file, sticky, with the node's type and number in an attribute that
 * is not seen inside. The sticky bit, which means nothing on a regular file,
 * keeps the attribute from being asked for on every other empty file; the
 * node's own is in the attribute. The directory has a mark too, as reading it
 * would tell the wrong type.
 *
 * FIFOs, sockets and the whiteouts of overlayfs the host makes for anybody.
 */

#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/xattr.h>
#include "hostfs_fs.h"
#include "xattr.h"

#define NODE_XATTR HOSTFS_HIDDEN "node"		/* "c 1:3", sticky: "c 1:3 t" */
#define NODES_XATTR HOSTFS_HIDDEN "nodes"	/* on the directory */

umode_t hostfs_node_mode(umode_t known, umode_t host)
{
	return (known & (S_IFMT | HOSTFS_NODE_BIT)) |
	       (host & S_IALLUGO & ~HOSTFS_NODE_BIT);
}

static int mark(struct super_block *sb, int fd, umode_t mode, dev_t rdev)
{
	char value[32];
	int len = snprintf(value, sizeof(value), "%c %u:%u%s",
			   S_ISBLK(mode) ? 'b' : 'c', MAJOR(rdev), MINOR(rdev),
			   mode & HOSTFS_NODE_BIT ? " t" : "");

	return as_self(sb, host_setxattr, fd, NODE_XATTR, value, len, 0);
}

/* The mark first, the name last: half a node is never seen. */
static int make_marked(struct inode *dir, int dir_fd, const char *name,
		       umode_t mode, dev_t rdev)
{
	struct super_block *sb = dir->i_sb;
	int fd, err;

	err = as_self(sb, host_setxattr, dir_fd, NODES_XATTR, "", 0, 0);
	if (err)
		return err;
	HOSTFS_I(dir)->nodes_asked = true;
	HOSTFS_I(dir)->has_nodes = true;

	/* Born without the bits that say more than the rights do. */
	fd = as_caller(sb, host_tmpfile, dir_fd, mode & 0777);
	if (fd < 0)
		return fd;
	err = mark(sb, fd, mode, rdev);
	if (!err)
		err = as_self(sb, host_set_attr, fd, &(struct hostfs_attr) {
			.set = HOST_SET_MODE,
			.mode = (mode & S_IALLUGO) | HOSTFS_NODE_BIT,
		});
	if (!err)
		err = as_self(sb, host_link, fd, dir_fd, name);
	host_close(fd);
	return err;
}

int hostfs_make_node(struct inode *dir, int dir_fd, const char *name,
		     umode_t mode, dev_t rdev)
{
	int err = as_caller(dir->i_sb, host_mknod, dir_fd, name, mode,
			    MAJOR(rdev), MINOR(rdev));

	if (err != -EPERM || !(S_ISCHR(mode) || S_ISBLK(mode)) ||
	    !HOSTFS_SB(dir->i_sb)->private)
		return err;
	return make_marked(dir, dir_fd, name, mode, rdev);
}

/* If @name is the mark of a node, makes @st the node's. */
int hostfs_read_node(struct super_block *sb, int dir_fd, const char *name,
		     struct hostfs_stat *st)
{
	char value[32], type;
	unsigned int major, minor;
	umode_t known;
	int fd, n, end;

	if (!S_ISREG(st->mode) || st->size || !(st->mode & HOSTFS_NODE_BIT))
		return 0;
	fd = as_self(sb, host_open, dir_fd, name, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	n = as_self(sb, host_getxattr, fd, NODE_XATTR, value,
		    sizeof(value) - 1);
	host_close(fd);
	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n < 0)
		return n;
	value[n] = '\0';
	if (sscanf(value, "%c %u:%u%n", &type, &major, &minor, &end) != 3)
		return -EIO;
	known = type == 'b' ? S_IFBLK : S_IFCHR;
	if (!strcmp(value + end, " t"))
		known |= HOSTFS_NODE_BIT;
	st->mode = hostfs_node_mode(known, st->mode);
	st->rdev.maj = major;
	st->rdev.min = minor;
	st->marked = 1;
	return 0;
}

/* The sticky bit of a node is not the one that its mark has on the host. */
int hostfs_set_node_mode(struct inode *node, int fd, umode_t mode)
{
	if (!((mode ^ node->i_mode) & HOSTFS_NODE_BIT))
		return 0;
	mode = (node->i_mode & S_IFMT) | (mode & HOSTFS_NODE_BIT);
	return mark(node->i_sb, fd, mode, node->i_rdev);
}

/* Whether regular files in @dir, as the host tells their type, may be nodes. */
bool hostfs_has_nodes(struct inode *dir)
{
	struct hostfs_inode *hi = HOSTFS_I(dir);
	int fd;

	if (!HOSTFS_SB(dir->i_sb)->private)
		return false;
	if (!hi->nodes_asked) {
		fd = hostfs_pin(dir, NULL, HOSTFS_PLACE);
		if (fd < 0)
			return true;
		hi->has_nodes = as_self(dir->i_sb, host_getxattr, fd,
					NODES_XATTR, NULL, 0) >= 0;
		hi->nodes_asked = true;
		hostfs_unpin(dir);
	}
	return hi->has_nodes;
}

/* A node gets a further name in @dir. */
int hostfs_node_moves(struct inode *node, struct inode *dir, int dir_fd)
{
	int err;

	if (!HOSTFS_I(node)->marked || hostfs_has_nodes(dir))
		return 0;
	err = as_self(dir->i_sb, host_setxattr, dir_fd, NODES_XATTR, "", 0, 0);
	if (!err)
		HOSTFS_I(dir)->has_nodes = true;
	return err;
}
