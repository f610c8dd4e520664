// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes and their attributes.
 *
 * The host stamps times and counts links; what it says is shown. On a private
 * tree it is asked once, and again only after a change made here, when
 * somebody looks. On a shared tree an answer is good for one clock tick.
 */

#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/writeback.h>
#include "hostfs_fs.h"
#include "xattr.h"

static dev_t host_dev(const struct hostfs_stat *st)
{
	return MKDEV(st->dev.maj, st->dev.min);
}

/*
 * Only one file system's inode numbers are unique, and a shared tree may hold
 * several: keep the others' apart, or tar and cp take files for hard links.
 */
static u64 inode_number(struct super_block *sb, const struct hostfs_stat *st)
{
	struct hostfs_sb *hsb = HOSTFS_SB(sb);

	if (st->dev.maj == hsb->dev_major && st->dev.min == hsb->dev_minor)
		return st->ino;
	return st->ino ^ ((u64)host_dev(st) << 40);
}

static struct timespec64 host_time(struct hostfs_timespec t)
{
	return (struct timespec64) { .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

bool hostfs_same_file(struct inode *inode, const struct hostfs_stat *st)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);

	/* The time of birth tells a number that is used again. */
	return inode->i_ino == inode_number(inode->i_sb, st) &&
	       hi->dev == host_dev(st) &&
	       (hi->marked || !((inode->i_mode ^ st->mode) & S_IFMT)) &&
	       hi->btime.tv_sec == st->btime.tv_sec &&
	       hi->btime.tv_nsec == st->btime.tv_nsec;
}

static void set_attributes(struct inode *inode, const struct hostfs_stat *st)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);

	if (hi->marked && !st->marked)
		inode->i_mode = hostfs_node_mode(inode->i_mode, st->mode);
	else
		inode->i_mode = st->mode;
	set_nlink(inode, st->nlink);
	i_uid_write(inode, st->uid);
	i_gid_write(inode, st->gid);
	inode_set_atime_to_ts(inode, host_time(st->atime));
	inode_set_mtime_to_ts(inode, host_time(st->mtime));
	inode_set_ctime_to_ts(inode, host_time(st->ctime));
	inode->i_blocks = st->blocks;
	hi->stale = false;
	hi->asked = jiffies;
}

static bool data_changed(struct inode *inode, const struct hostfs_stat *st)
{
	struct timespec64 mtime = inode_get_mtime(inode);
	struct timespec64 ctime = inode_get_ctime(inode);
	struct timespec64 host_mtime = host_time(st->mtime);
	struct timespec64 host_ctime = host_time(st->ctime);

	return S_ISREG(inode->i_mode) &&
	       (HOSTFS_I(inode)->racy || i_size_read(inode) != st->size ||
		!timespec64_equal(&mtime, &host_mtime) ||
		!timespec64_equal(&ctime, &host_ctime));
}

/*
 * The host's clock for files ticks every 10 ms at worst: what changes again in
 * the same tick bears the same time.
 */
static bool changed_just_now(const struct hostfs_stat *st)
{
	struct timespec64 now, mtime = host_time(st->mtime);

	ktime_get_real_ts64(&now);
	timespec64_add_ns(&mtime, 20 * NSEC_PER_MSEC);
	return timespec64_compare(&mtime, &now) > 0;
}

/*
 * Takes what the host said of @inode when @changes were made here, unless more
 * were made since. With @ours no one else can have made a difference.
 */
void hostfs_apply(struct inode *inode, const struct hostfs_stat *st,
		  unsigned int changes, bool ours)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);
	bool private = HOSTFS_SB(inode->i_sb)->private;
	bool foreign = false;

	spin_lock(&inode->i_lock);
	if (hi->changes == changes) {
		foreign = !private && !ours && data_changed(inode, st);
		/* The size of a private file changes by our hand alone. */
		if (!private || !S_ISREG(inode->i_mode))
			i_size_write(inode, st->size);
		set_attributes(inode, st);
		hi->racy = !private && changed_just_now(st);
	}
	spin_unlock(&inode->i_lock);

	if (foreign) {
		unmap_mapping_range(inode->i_mapping, 0, 0, 0);
		invalidate_inode_pages2(inode->i_mapping);
	}
}

/* Something was done to @inode on the host: its times are no longer known. */
void hostfs_changed(struct inode *inode)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);

	spin_lock(&inode->i_lock);
	hi->changes++;
	hi->stale = true;
	hi->touched = jiffies;
	spin_unlock(&inode->i_lock);
}

bool hostfs_fresh(struct inode *inode)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);

	if (READ_ONCE(hi->stale))
		return false;
	return HOSTFS_SB(inode->i_sb)->private ||
	       time_in_range(jiffies, hi->asked, hi->asked + 1);
}

int hostfs_refresh(struct inode *inode, struct dentry *dentry, bool ours)
{
	unsigned int changes = READ_ONCE(HOSTFS_I(inode)->changes);
	struct hostfs_stat st;
	int fd, err;

	fd = hostfs_pin(inode, dentry, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	err = as_owner(inode->i_sb, host_stat, fd, "", &st);
	hostfs_unpin(inode);
	if (!err)
		hostfs_apply(inode, &st, changes, ours);
	return err;
}

static int same_inode(struct inode *inode, void *st)
{
	return hostfs_same_file(inode, st);
}

static int set_inode(struct inode *inode, void *data)
{
	const struct hostfs_stat *st = data;
	struct hostfs_inode *hi = HOSTFS_I(inode);

	inode->i_ino = inode_number(inode->i_sb, st);
	hi->dev = host_dev(st);
	hi->btime = st->btime;
	hi->marked = st->marked;
	i_size_write(inode, st->size);
	set_attributes(inode, st);
	if (st->flags)
		hostfs_apply_flags(inode, st->flags);

	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &hostfs_file_iops;
		inode->i_fop = &hostfs_file_fops;
		inode->i_mapping->a_ops = &hostfs_aops;
		break;
	case S_IFDIR:
		inode->i_op = &hostfs_dir_iops;
		inode->i_fop = &hostfs_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &hostfs_link_iops;
		break;
	default:
		inode->i_op = &hostfs_file_iops;
		init_special_inode(inode, inode->i_mode,
				   MKDEV(st->rdev.maj, st->rdev.min));
	}
	return 0;
}

struct inode *hostfs_iget(struct super_block *sb, const struct hostfs_stat *st)
{
	struct inode *inode;

	inode = iget5_locked(sb, inode_number(sb, st), same_inode, set_inode,
			     (void *)st);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (inode_state_read_once(inode) & I_NEW)
		unlock_new_inode(inode);
	else if (!HOSTFS_SB(sb)->private)
		WRITE_ONCE(HOSTFS_I(inode)->stale, true);
	return inode;
}

/*
 * What the owner may do is told by the mode where the file is the owner's.
 * Otherwise groups, access control lists and whatever else the host has come
 * in, and the host has to be asked.
 */
static int owner_permission(struct inode *inode, int mask)
{
	const struct hostfs_tree *squash = hostfs_squash(inode->i_sb);
	int fd, err;

	mask &= MAY_READ | MAY_WRITE | MAY_EXEC;
	if (from_kuid(&init_user_ns, inode->i_uid) == squash->uid)
		return (inode->i_mode >> 6 & mask) == mask ? 0 : -EACCES;

	fd = hostfs_pin(inode, NULL, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	err = 0;
	if ((mask & MAY_EXEC) && S_ISREG(inode->i_mode)) {
		mask &= ~MAY_EXEC;
		err = as_owner(inode->i_sb, host_may_execute, fd, squash->uid,
			       squash->gid);
	}
	if (!err && mask)
		err = as_owner(inode->i_sb, host_access, fd, mask);
	hostfs_unpin(inode);
	return err;
}

/*
 * In a tree with an owner two walls stand: the machine's own, and what the
 * host lets the owner do, which binds the machine's root too.
 */
int hostfs_permission(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	const struct hostfs_tree *squash;
	int err;

	if (!hostfs_fresh(inode) && !HOSTFS_SB(inode->i_sb)->private) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		err = hostfs_refresh(inode, NULL, false);
		if (err)
			return err;
	}
	squash = hostfs_squash(inode->i_sb);
	/* Of groups and lists that let the owner in the host alone knows. */
	if (!squash || from_kuid(&init_user_ns, current_fsuid()) != squash->uid) {
		err = generic_permission(idmap, inode, mask);
		if (err || !squash)
			return err;
	}
	if (mask & MAY_NOT_BLOCK)
		return -ECHILD;
	if (hostfs_is_covered(inode))
		return -EACCES;
	return owner_permission(inode, mask);
}

int hostfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		   struct kstat *stat, u32 request_mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct hostfs_inode *hi = HOSTFS_I(inode);
	int err;

	/* Pages written through a mapping change times when they get there. */
	if (S_ISREG(inode->i_mode) && (request_mask & (STATX_MTIME | STATX_CTIME)))
		filemap_write_and_wait(inode->i_mapping);

	if (!hostfs_fresh(inode) || (flags & AT_STATX_FORCE_SYNC)) {
		err = hostfs_refresh(inode, path->dentry, false);
		/* What was removed behind our back is what we knew of it. */
		if (err && err != -ENOENT && err != -ESTALE)
			return err;
	}
	generic_fillattr(idmap, request_mask, inode, stat);
	if (hi->btime.tv_sec || hi->btime.tv_nsec) {
		stat->btime = host_time(hi->btime);
		stat->result_mask |= STATX_BTIME;
	}
	return 0;
}

static void host_attr(struct inode *inode, const struct iattr *attr,
		      struct hostfs_attr *to)
{
	*to = (struct hostfs_attr) { .uid = -1, .gid = -1 };

	if (attr->ia_valid & ATTR_UID) {
		to->set |= HOST_SET_OWNER;
		to->uid = from_kuid(&init_user_ns, attr->ia_uid);
	}
	if (attr->ia_valid & ATTR_GID) {
		to->set |= HOST_SET_OWNER;
		to->gid = from_kgid(&init_user_ns, attr->ia_gid);
	}
	if (attr->ia_valid & ATTR_MODE) {
		to->set |= HOST_SET_MODE;
		to->mode = attr->ia_mode & S_IALLUGO;
		if (HOSTFS_I(inode)->marked)
			to->mode |= HOSTFS_NODE_BIT;
	}
	if (attr->ia_valid & ATTR_SIZE) {
		to->set |= HOST_SET_SIZE;
		to->size = attr->ia_size;
	}
	if (attr->ia_valid & ATTR_ATIME) {
		to->set |= HOST_SET_ATIME;
		to->atime = (struct hostfs_timespec) {
			attr->ia_atime.tv_sec, attr->ia_atime.tv_nsec };
	}
	if (attr->ia_valid & ATTR_MTIME) {
		to->set |= HOST_SET_MTIME;
		to->mtime = (struct hostfs_timespec) {
			attr->ia_mtime.tv_sec, attr->ia_mtime.tv_nsec };
	}
}

/*
 * The file is about to get shorter. What is behind the new end must not be on
 * its way when it does: it would make the file longer again.
 */
static void shorten(struct inode *inode, loff_t size)
{
	filemap_write_and_wait_range(inode->i_mapping, size, LLONG_MAX);
	i_size_write(inode, size);	/* no page behind it is written now */
	filemap_fdatawait_range_keep_errors(inode->i_mapping, size, LLONG_MAX);
}

/* Locked against faults, which would bring back pages that are to go. */
static int set_size(struct inode *inode, int fd, const struct hostfs_attr *attr)
{
	loff_t old_size = i_size_read(inode);
	int err;

	filemap_invalidate_lock(inode->i_mapping);
	if (attr->size < old_size)
		shorten(inode, attr->size);
	err = call_host_set_attr(inode->i_sb, HOSTFS_AS_OWNER,
				 old_size - attr->size >= SZ_16M, fd, attr);
	if (!err) {
		if (attr->size > old_size)
			hostfs_zero_tail(inode);
		truncate_setsize(inode, attr->size);
	} else {
		i_size_write(inode, old_size);
	}
	if (!(attr->set & HOST_SET_MODE))
		hostfs_data_changed(inode, fd);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

int hostfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		   struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct hostfs_attr host;
	int fd, err;

	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;

	host_attr(inode, attr, &host);
	if (!host.set)
		return 0;
	/* Pages not yet written would set the time of their writing. */
	if (S_ISREG(inode->i_mode) && (host.set & HOST_SET_MTIME))
		filemap_write_and_wait(inode->i_mapping);

	fd = hostfs_pin(inode, dentry, host.set & HOST_SET_SIZE ?
			HOSTFS_WRITE : HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	if (host.set & HOST_SET_SIZE)
		err = set_size(inode, fd, &host);
	else
		err = as_owner(inode->i_sb, host_set_attr, fd, &host);
	if (!err && HOSTFS_I(inode)->marked && (host.set & HOST_SET_MODE))
		err = hostfs_set_node_mode(inode, fd, attr->ia_mode);
	hostfs_unpin(inode);

	/* To the host an id that it does not map is no id at all. */
	if (hostfs_squash(inode->i_sb) && (host.set & HOST_SET_OWNER) &&
	    (err == -EOVERFLOW || err == -EINVAL))
		err = -EPERM;
	if (!err)
		setattr_copy(idmap, inode, attr);
	hostfs_changed(inode);
	/* The host has made the access control list fit the mode. */
	if (!err && (attr->ia_valid & ATTR_MODE))
		forget_all_cached_acls(inode);
	if (!HOSTFS_SB(inode->i_sb)->private)
		hostfs_refresh(inode, dentry, true);
	return err;
}

/*
 * The host keeps the times of what is read and written there. Shown in the
 * meantime is our own clock.
 */
int hostfs_update_time(struct inode *inode, enum fs_update_time type,
		       unsigned int flags)
{
	inode_update_time(inode, type, 0);
	if (type == FS_UPD_CMTIME)
		hostfs_changed(inode);
	return 0;
}

static const char *hostfs_get_link(struct dentry *dentry, struct inode *inode,
				   struct delayed_call *done)
{
	char *link;
	int fd, n;

	if (!dentry)
		return ERR_PTR(-ECHILD);

	link = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!link)
		return ERR_PTR(-ENOMEM);
	fd = hostfs_pin(inode, dentry, HOSTFS_PLACE);
	n = fd;
	if (fd >= 0) {
		n = as_owner(inode->i_sb, host_readlink, fd, link, PATH_MAX);
		hostfs_unpin(inode);
	}
	if (n == PATH_MAX)
		n = -ENAMETOOLONG;
	if (n < 0) {
		kfree(link);
		return ERR_PTR(n);
	}
	link[n] = '\0';

	/* A symlink never changes: keep it, and path walk needs us no more. */
	if (HOSTFS_SB(inode->i_sb)->private) {
		char *kept = kstrdup(link, GFP_KERNEL);

		if (kept && cmpxchg_release(&inode->i_link, NULL, kept))
			kfree(kept);
	}
	set_delayed_call(done, kfree_link, link);
	return link;
}

const struct inode_operations hostfs_link_iops = {
	.get_link	= hostfs_get_link,
	.permission	= hostfs_permission,
	.getattr	= hostfs_getattr,
	.setattr	= hostfs_setattr,
	.listxattr	= hostfs_listxattr,
	.update_time	= hostfs_update_time,
};

const struct inode_operations hostfs_file_iops = {
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
