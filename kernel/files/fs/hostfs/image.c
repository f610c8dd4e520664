// SPDX-License-Identifier: GPL-2.0
/*
 * What an image of the machine can't hold: descriptors and helper threads.
 *
 * In what is made of an image, idle inodes have no descriptor: they are opened
 * by name when they are next needed, as always. The others get theirs back
 * under the same numbers, since somebody may sleep with one in hand. The device
 * numbers of what is there may have changed.
 *
 * A file of a private tree that is open and has lost its name is there under
 * another name while the image is taken, ".hostfs.image" and its number in the
 * root: whoever takes the image is expected to take the tree with it. Of a tree
 * that others see too an image could hold what others then change: it is
 * written back before, and what can't be opened by its name again is lost.
 */

#include <linux/backing-dev.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <image.h>
#include "hostfs_fs.h"

#define KEPT		".hostfs.image.%d"
#define KEPT_SIZE	32

static void sync_shared(struct super_block *sb, void *unused)
{
	if (!HOSTFS_SB(sb)->private && !sb_rdonly(sb))
		sync_filesystem(sb);
}

static int prepare(void)
{
	iterate_supers_type(&hostfs_type, sync_shared, NULL);
	return hostfs_hold_calls();
}

/* The machine stands still: nobody else changes the lists. */
static int each_open_inode(int (*act)(struct inode *inode))
{
	struct super_block *sb;
	struct inode *inode;
	int err = 0;

	hlist_for_each_entry(sb, &hostfs_type.fs_supers, s_instances)
		list_for_each_entry(inode, &sb->s_inodes, i_sb_list)
			if (!err && hostfs_has_fds(inode))
				err = act(inode);
	return err;
}

static bool has_lost_its_name(struct inode *inode)
{
	return !inode->i_nlink && S_ISREG(inode->i_mode) &&
	       HOSTFS_SB(inode->i_sb)->private && HOSTFS_I(inode)->pins;
}

static int own_inode(struct inode *inode)
{
	int err = 0;

	for (int use = 0; use < HOSTFS_READ_WRITE; use++)
		err = err ?: os_image_owned(HOSTFS_I(inode)->fd[use]);
	return err;
}

static int own(void)
{
	struct super_block *sb;

	hlist_for_each_entry(sb, &hostfs_type.fs_supers, s_instances)
		if (!HOSTFS_SB(sb)->private && bdi_has_dirty_io(sb->s_bdi))
			return -EAGAIN;
	return each_open_inode(own_inode) ?: hostfs_own_readers();
}

static int any_fd(struct inode *inode)
{
	for (int use = HOSTFS_READ_WRITE - 1; use >= 0; use--)
		if (HOSTFS_I(inode)->fd[use] >= 0)
			return HOSTFS_I(inode)->fd[use];
	return -1;
}

static int root_fd(struct super_block *sb)
{
	return HOSTFS_I(d_inode(sb->s_root))->fd[HOSTFS_PLACE];
}

static int keep_inode(struct inode *inode)
{
	char name[KEPT_SIZE];
	int fd = any_fd(inode);

	if (!has_lost_its_name(inode))
		return 0;
	snprintf(name, sizeof(name), KEPT, fd);
	return host_keep(fd, root_fd(inode->i_sb), name);
}

static int keep(void)
{
	return each_open_inode(keep_inode);
}

static int forget_inode(struct inode *inode)
{
	char name[KEPT_SIZE];

	if (has_lost_its_name(inode)) {
		snprintf(name, sizeof(name), KEPT, any_fd(inode));
		host_unlink(root_fd(inode->i_sb), name, 0);
	}
	return 0;
}

static void forget_kept(void)
{
	each_open_inode(forget_inode);
}

static int open_inode(struct inode *inode, enum hostfs_use use)
{
	static char buf[PATH_MAX];
	struct super_block *sb = inode->i_sb;
	char name[KEPT_SIZE], *path;
	struct dentry *alias;

	if (has_lost_its_name(inode)) {
		snprintf(name, sizeof(name), KEPT, any_fd(inode));
		return host_open(root_fd(sb), name, use);
	}
	alias = d_find_alias(inode);
	if (!alias)
		return -ESTALE;
	path = dentry_path_raw(alias, buf, sizeof(buf));
	dput(alias);
	if (IS_ERR(path))
		return PTR_ERR(path);
	return host_open_below(root_fd(sb), path, use);
}

static int open_again(struct inode *inode, enum hostfs_use use)
{
	const struct hostfs_tree *squash = hostfs_squash(inode->i_sb);
	struct hostfs_stat st;
	int fd = -EACCES;

	if (!squash)
		return open_inode(inode, use);
	if (hostfs_act_as_owner(squash->uid, squash->gid))
		fd = open_inode(inode, use);
	hostfs_stop_as_owner();
	if (fd >= 0 && (host_stat(fd, "", &st) || !hostfs_same_file(inode, &st))) {
		host_close(fd);
		fd = -ESTALE;
	}
	return fd;
}

static int put_back(struct inode *inode)
{
	int *fds = HOSTFS_I(inode)->fd;

	for (int use = 0; use < HOSTFS_READ_WRITE; use++) {
		enum hostfs_use wanted = use;
		bool there = false;
		int fd;

		for (int other = 0; other < use; other++)
			there |= fds[other] == fds[use];
		if (fds[use] < 0 || there ||
		    fds[use] == root_fd(inode->i_sb))
			continue;
		if (use == HOSTFS_READ && fds[HOSTFS_WRITE] == fds[use])
			wanted = HOSTFS_READ_WRITE;
		fd = open_again(inode, wanted);
		if (fd < 0) {
			pr_warn_ratelimited("hostfs: inode %llu can't be opened again: %d\n",
					    (u64)inode->i_ino, fd);
			os_lost_fd(fds[use]);
		} else {
			os_put_fd(fd, fds[use]);
		}
	}
	return 0;
}

static void root_again(struct super_block *sb)
{
	struct hostfs_sb *hsb = HOSTFS_SB(sb);
	dev_t then = MKDEV(hsb->dev_major, hsb->dev_minor);
	struct hostfs_stat st;
	struct inode *inode;

	os_put_fd(host_open_root(hsb->path), root_fd(sb));
	if (host_stat(root_fd(sb), "", &st))
		return;
	hsb->dev_major = st.dev.maj;
	hsb->dev_minor = st.dev.min;
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list)
		if (HOSTFS_I(inode)->dev == then)
			HOSTFS_I(inode)->dev = MKDEV(st.dev.maj, st.dev.min);
}

static void again(void)
{
	struct super_block *sb;

	host_most_descriptors();
	hostfs_forget_idle();
	hostfs_forget_readers();
	hlist_for_each_entry(sb, &hostfs_type.fs_supers, s_instances)
		root_again(sb);
	each_open_inode(put_back);
	forget_kept();
}

static void done(bool copy)
{
	if (!copy)
		forget_kept();
	hostfs_release_calls();
}

static struct um_image_user hostfs_image = {
	.name = "hostfs",
	.prepare = prepare,
	.own = own,
	.keep = keep,
	.again = again,
	.done = done,
};

void __init hostfs_image_init(void)
{
	um_image_register(&hostfs_image);
}
