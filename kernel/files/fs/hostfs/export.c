// SPDX-License-Identifier: GPL-2.0
/*
 * Handles of files: name_to_handle_at(2), fanotify by file id, an NFS server.
 *
 * A handle is an inode's number and its time of birth. What is in memory is
 * found at once. The host opens nothing by number for a user namespace, so for
 * what is not, the names of the tree are gone through until one has it: slow,
 * yet a handle is good until its file is gone, over a restart, too. overlayfs,
 * which asks for each file that it shows, and knows how to do without an
 * answer, does not make anybody wait for that.
 */

#include <linux/cred.h>
#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include "hostfs_fs.h"

#define FILEID_HOSTFS 0x47	/* known to nobody else */
#define WORDS 6

struct handle {
	u64 ino;
	s64 born;
	u32 born_nsec;
	u32 dev;
} __packed;

static_assert(sizeof(struct handle) == WORDS * sizeof(u32));

static int encode_fh(struct inode *inode, u32 *fh, int *max_len,
		     struct inode *parent)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);
	struct handle handle = {
		.ino = inode->i_ino,
		.born = hi->btime.tv_sec,
		.born_nsec = hi->btime.tv_nsec,
		.dev = new_encode_dev(hi->dev),
	};

	if (*max_len < WORDS) {
		*max_len = WORDS;
		return FILEID_INVALID;
	}
	*max_len = WORDS;
	memcpy(fh, &handle, sizeof(handle));
	return FILEID_HOSTFS;
}

static bool is_handle_of(struct inode *inode, const struct handle *handle)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);

	return inode->i_ino == handle->ino && hi->btime.tv_sec == handle->born &&
	       hi->btime.tv_nsec == handle->born_nsec &&
	       new_encode_dev(hi->dev) == handle->dev;
}

static int is_inode(struct inode *inode, void *handle)
{
	return is_handle_of(inode, handle);
}

/* The inode by way of @path, a name after the other from the root. */
static struct dentry *walk(struct super_block *sb, char *path)
{
	struct dentry *at = dget(sb->s_root), *next;
	char *name;

	while ((name = strsep(&path, "/"))) {
		struct qstr part = QSTR(name);

		next = lookup_noperm_unlocked(&part, at);
		dput(at);
		if (IS_ERR(next))
			return next;
		at = next;
		if (d_is_negative(at)) {
			dput(at);
			return ERR_PTR(-ESTALE);
		}
	}
	return at;
}

static DEFINE_MUTEX(search_mutex);

static struct dentry *search(struct super_block *sb, const struct handle *handle)
{
	struct inode *root = d_inode(sb->s_root);
	struct dentry *dentry = ERR_PTR(-ESTALE);
	char *path;
	int fd, n;

	path = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!path)
		return ERR_PTR(-ENOMEM);
	fd = hostfs_pin(root, NULL, HOSTFS_PLACE);
	n = fd;
	if (fd >= 0) {
		mutex_lock(&search_mutex);
		n = call_host_find(sb, HOSTFS_AS_SELF, true, fd, handle->ino,
				   path, PATH_MAX);
		mutex_unlock(&search_mutex);
		hostfs_unpin(root);
	}
	if (!n)
		dentry = walk(sb, path);
	kfree(path);
	if (IS_ERR(dentry) || is_handle_of(d_inode(dentry), handle))
		return dentry;
	dput(dentry);
	return ERR_PTR(-ESTALE);
}

static struct dentry *fh_to_dentry(struct super_block *sb, struct fid *fid,
				   int len, int type)
{
	struct dentry *dentry;
	struct handle handle;
	struct inode *inode;
	bool gone;

	if (type != FILEID_HOSTFS || len < WORDS)
		return NULL;
	memcpy(&handle, fid->raw, sizeof(handle));
	inode = ilookup5(sb, handle.ino, is_inode, &handle);
	if (inode) {
		/* One without a name would have no way from the root. */
		dentry = d_find_alias(inode);
		gone = !inode->i_nlink;
		iput(inode);
		if (dentry || gone)
			return dentry ?: ERR_PTR(-ESTALE);
	}
	/* overlayfs asks in the name of who has mounted it. */
	if (current_cred() != current_real_cred() &&
	    !(current->flags & PF_KTHREAD))
		return ERR_PTR(-ESTALE);
	return search(sb, &handle);
}

const struct export_operations hostfs_export_ops = {
	.encode_fh	= encode_fh,
	.fh_to_dentry	= fh_to_dentry,
};
