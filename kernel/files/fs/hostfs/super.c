// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks and mounting.
 */

#include <linux/backing-dev.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/magic.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <init.h>
#include "hostfs_fs.h"
#include "xattr.h"

static struct kmem_cache *hostfs_inode_cache;

/* Changed in hostfs_args before the kernel starts running */
static char *root_ino = "";

static int __init hostfs_args(char *options, int *add)
{
	*add = 0;
	if (*options)
		root_ino = options;
	return 0;
}

__uml_setup("hostfs=", hostfs_args,
	    "hostfs=<root dir>\n"
	    "    This is used to set hostfs parameters.  The root directory argument\n"
	    "    is used to confine all hostfs mounts to within the specified directory\n"
	    "    tree on the host.  If this isn't specified, then a user inside UML can\n"
	    "    mount anything on the host that's accessible to the user that's running\n"
	    "    it.\n\n"
);

/* Of the host's file system the tree may only have a part. */
static void apply_quota(struct super_block *sb, struct kstatfs *sf)
{
	const struct hostfs_tree *tree = HOSTFS_SB(sb)->tree;
	struct hostfs_quota quota;
	u64 limit, used;

	if (!tree || !tree->quota || as_self(sb, host_read_quota, tree->quota, &quota))
		return;
	limit = div_u64(quota.limit, sf->f_bsize);
	used = DIV_ROUND_UP_ULL(quota.used, sf->f_bsize);
	sf->f_blocks = limit;
	sf->f_bfree = limit > used ? limit - used : 0;
	sf->f_bavail = min(sf->f_bavail, sf->f_bfree);
}

static int hostfs_statfs(struct dentry *dentry, struct kstatfs *sf)
{
	struct inode *root = d_inode(dentry->d_sb->s_root);
	struct hostfs_statfs host;
	int fd, err;

	fd = hostfs_pin(root, NULL, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	err = as_owner(dentry->d_sb, host_statfs, fd, &host);
	hostfs_unpin(root);
	if (err)
		return err;

	sf->f_bsize = host.bsize;
	sf->f_blocks = host.blocks;
	sf->f_bfree = host.bfree;
	sf->f_bavail = host.bavail;
	sf->f_files = host.files;
	sf->f_ffree = host.ffree;
	sf->f_fsid.val[0] = host.fsid[0];
	sf->f_fsid.val[1] = host.fsid[1];
	sf->f_namelen = host.namelen;
	sf->f_type = HOSTFS_SUPER_MAGIC;
	apply_quota(dentry->d_sb, sf);
	return 0;
}

static struct inode *hostfs_alloc_inode(struct super_block *sb)
{
	struct hostfs_inode *hi;

	hi = alloc_inode_sb(sb, hostfs_inode_cache, GFP_KERNEL_ACCOUNT);
	if (!hi)
		return NULL;
	memset(hi, 0, sizeof(*hi));
	for (int use = 0; use < HOSTFS_READ_WRITE; use++)
		hi->fd[use] = -1;
	mutex_init(&hi->fd_mutex);
	INIT_LIST_HEAD(&hi->idle);
	inode_init_once(&hi->vfs_inode);
	return &hi->vfs_inode;
}

static void hostfs_evict_inode(struct inode *inode)
{
	hostfs_forget_watch(inode);
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (!inode->i_nlink)
		hostfs_drop_side(inode);
	hostfs_close_fds(inode);
}

static void hostfs_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(hostfs_inode_cache, HOSTFS_I(inode));
}

static int hostfs_sync_fs(struct super_block *sb, int wait)
{
	int fd, err;

	/* No root is left at the end of an unmount, which synced before. */
	if (!wait || sb_rdonly(sb) || !sb->s_root)
		return 0;
	fd = hostfs_pin(d_inode(sb->s_root), NULL, HOSTFS_READ);
	if (fd < 0)
		return fd;
	err = call_host_syncfs(sb, HOSTFS_AS_SELF, true, fd);
	hostfs_unpin(d_inode(sb->s_root));
	return err;
}

static int hostfs_show_options(struct seq_file *seq, struct dentry *root)
{
	struct hostfs_sb *hsb = HOSTFS_SB(root->d_sb);
	size_t offset = strlen(root_ino) + 1;

	if (!hsb->tree && strlen(hsb->path) > offset)
		seq_show_option(seq, hsb->path + offset, NULL);
	return 0;
}

static const struct super_operations hostfs_sbops = {
	.alloc_inode	= hostfs_alloc_inode,
	.free_inode	= hostfs_free_inode,
	.evict_inode	= hostfs_evict_inode,
	.sync_fs	= hostfs_sync_fs,
	.statfs		= hostfs_statfs,
	.show_options	= hostfs_show_options,
};

static int hostfs_root(struct super_block *sb)
{
	struct hostfs_sb *hsb = HOSTFS_SB(sb);
	struct hostfs_statfs sf;
	struct hostfs_stat st;
	struct inode *inode;
	int fd, err;

	hostfs_calls_init(&hsb->calls, hsb->tree && hsb->tree->slow);
	fd = as_owner(sb, host_open_root, hsb->path);
	if (fd < 0)
		return fd;
	err = as_owner(sb, host_statfs, fd, &sf);
	if (!err && !host_is_local(&sf))
		hsb->calls.slow = true;
	err = err ?: as_owner(sb, host_stat, fd, "", &st);
	if (!err && hsb->private)
		err = hostfs_read_root_flags(sb, fd, &st);
	if (err)
		goto close;
	hsb->dev_major = st.dev.maj;
	hsb->dev_minor = st.dev.min;

	inode = hostfs_iget(sb, &st);
	err = PTR_ERR_OR_ZERO(inode);
	if (err)
		goto close;
	/* Pinned for good: the way to all others starts here. */
	hostfs_adopt_fd(inode, fd, HOSTFS_PLACE);
	sb->s_root = d_make_root(inode);
	return sb->s_root ? 0 : -ENOMEM;

close:
	host_close(fd);
	return err;
}

static int hostfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct hostfs_sb *hsb = HOSTFS_SB(sb);
	int err;

	mutex_init(&hsb->covered_mutex);
	hsb->private = hsb->tree && !hsb->tree->ro && !hsb->tree->squash;

	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = HOSTFS_SUPER_MAGIC;
	sb->s_op = &hostfs_sbops;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_time_gran = 1;
	if (hsb->private) {
		/* VFS: umask and ACLs are ours; set-id bits don't come unseen. */
		sb->s_flags |= SB_POSIXACL | SB_NOSEC;
		sb->s_xattr = hostfs_private_xattrs;
		sb->s_export_op = &hostfs_export_ops;
	} else {
		sb->s_xattr = hostfs_shared_xattrs;
		set_default_d_op(sb, &hostfs_shared_dops);
	}
	err = super_setup_bdi(sb);
	if (err)
		return err;
	sb->s_bdi->ra_pages = SZ_512K / PAGE_SIZE;
	sb->s_bdi->io_pages = SZ_512K / PAGE_SIZE;
	return hostfs_root(sb);
}

enum hostfs_param {
	OPT_HOSTFS,
};

static const struct fs_parameter_spec hostfs_param_specs[] = {
	fsparam_string_empty("hostfs",		OPT_HOSTFS),
	{}
};

static int add_to_path(struct hostfs_sb *hsb, const char *path)
{
	char *longer = kasprintf(GFP_KERNEL, "%s%s", hsb->path, path);

	if (!longer)
		return -ENOMEM;
	kfree(hsb->path);
	hsb->path = longer;
	return 0;
}

static int hostfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct fs_parse_result result;
	int opt;

	opt = fs_parse(fc, hostfs_param_specs, param, &result);
	if (opt == -ENOPARAM && hostfs_trees_only() &&
	    strcmp(param->key, "source"))
		return -EPERM;
	if (opt < 0)
		return opt;
	return add_to_path(fc->s_fs_info, param->string);
}

static int hostfs_parse_monolithic(struct fs_context *fc, void *data)
{
	return data ? add_to_path(fc->s_fs_info, data) : 0;
}

static int hostfs_same_tree(struct super_block *sb, struct fs_context *fc)
{
	struct hostfs_sb *wanted = fc->s_fs_info;

	return HOSTFS_SB(sb)->tree == wanted->tree;
}

/*
 * A tree has one superblock, however often it is mounted: two would each
 * cache it and not see the other's changes.
 */
static int hostfs_get_named_tree(struct fs_context *fc)
{
	struct hostfs_sb *hsb = fc->s_fs_info;
	struct super_block *sb;
	int err;

	hsb->tree = fc->source ? hostfs_find_tree(fc->source) : NULL;
	if (!hsb->tree || *hsb->path)
		return -EPERM;
	err = add_to_path(hsb, hsb->tree->path);
	if (err)
		return err;

	if (hsb->tree->ro)
		fc->sb_flags |= SB_RDONLY;
	sb = sget_fc(fc, hostfs_same_tree, set_anon_super_fc);
	if (IS_ERR(sb))
		return PTR_ERR(sb);

	if (!sb->s_root) {
		err = hostfs_fill_super(sb, fc);
		if (err) {
			deactivate_locked_super(sb);
			return err;
		}
		sb->s_flags |= SB_ACTIVE;
	}
	fc->root = dget(sb->s_root);
	return 0;
}

static int hostfs_fc_get_tree(struct fs_context *fc)
{
	if (hostfs_trees_only())
		return hostfs_get_named_tree(fc);
	return get_tree_nodev(fc, hostfs_fill_super);
}

static int hostfs_reconfigure(struct fs_context *fc)
{
	struct hostfs_sb *hsb = HOSTFS_SB(fc->root->d_sb);

	sync_filesystem(fc->root->d_sb);
	if (hsb->tree && hsb->tree->ro && !(fc->sb_flags & SB_RDONLY))
		return -EROFS;
	return 0;
}

static void hostfs_free_sb(struct hostfs_sb *hsb)
{
	if (hsb) {
		kfree(hsb->path);
		kfree(hsb->covered);
	}
	kfree(hsb);
}

static void hostfs_fc_free(struct fs_context *fc)
{
	hostfs_free_sb(fc->s_fs_info);
}

static const struct fs_context_operations hostfs_context_ops = {
	.parse_monolithic = hostfs_parse_monolithic,
	.parse_param	= hostfs_parse_param,
	.get_tree	= hostfs_fc_get_tree,
	.reconfigure	= hostfs_reconfigure,
	.free		= hostfs_fc_free,
};

static int hostfs_init_fs_context(struct fs_context *fc)
{
	struct hostfs_sb *hsb = kzalloc(sizeof(*hsb), GFP_KERNEL);

	if (!hsb)
		return -ENOMEM;
	/* What options add to the path of a tree is seen, and refused. */
	if (hostfs_trees_only())
		hsb->path = kstrdup("", GFP_KERNEL);
	else
		hsb->path = kasprintf(GFP_KERNEL, "%s/", root_ino);
	if (!hsb->path) {
		kfree(hsb);
		return -ENOMEM;
	}
	fc->s_fs_info = hsb;
	fc->ops = &hostfs_context_ops;
	return 0;
}

static void hostfs_kill_sb(struct super_block *sb)
{
	struct hostfs_sb *hsb = sb->s_fs_info;

	/* While there is a root by which to name the tree to the host. */
	if (sb->s_root)
		sync_filesystem(sb);
	kill_anon_super(sb);
	hostfs_free_sb(hsb);
}

struct file_system_type hostfs_type = {
	.owner			= THIS_MODULE,
	.name			= "hostfs",
	.init_fs_context	= hostfs_init_fs_context,
	.kill_sb		= hostfs_kill_sb,
};

static int __init init_hostfs(void)
{
	hostfs_identity_init();
	host_learn_groups();
	hostfs_fd_init();
	hostfs_notify_init();
	hostfs_image_init();
	hostfs_inode_cache = KMEM_CACHE(hostfs_inode, SLAB_RECLAIM_ACCOUNT);
	if (!hostfs_inode_cache)
		return -ENOMEM;
	return register_filesystem(&hostfs_type);
}
fs_initcall(init_hostfs);
