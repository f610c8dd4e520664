// SPDX-License-Identifier: GPL-2.0
/*
 * Open files.
 *
 * While a file is open the inode's descriptors are pinned. On a private tree
 * the page cache outlives the file; on a shared one opening asks the host
 * whether the file is still what is cached of it.
 */

#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include "hostfs_fs.h"

static enum hostfs_use file_use(struct file *file)
{
	if (!(file->f_mode & FMODE_WRITE))
		return HOSTFS_READ;
	return file->f_mode & FMODE_READ ? HOSTFS_READ_WRITE : HOSTFS_WRITE;
}

static int hostfs_open(struct inode *inode, struct file *file)
{
	int fd, err;

	fd = hostfs_pin(inode, file_dentry(file), file_use(file));
	if (fd < 0)
		return fd;
	if (!HOSTFS_SB(inode->i_sb)->private) {
		err = hostfs_refresh(inode, NULL, false);
		if (err) {
			hostfs_unpin(inode);
			return err;
		}
	}
	file->f_mode |= FMODE_CAN_ODIRECT;
	return 0;
}

/*
 * Dirty through a mapping alone; afterwards there may be no descriptor but
 * that of pages on their way. On a shared tree others are to see them.
 */
static int hostfs_release(struct inode *inode, struct file *file)
{
	if (file->f_mode & FMODE_WRITE) {
		filemap_fdatawrite(inode->i_mapping);
		if (!HOSTFS_SB(inode->i_sb)->private)
			filemap_fdatawait_keep_errors(inode->i_mapping);
	}
	hostfs_unpin(inode);
	return 0;
}

static int hostfs_fsync(struct file *file, loff_t start, loff_t end,
			int datasync)
{
	int err = file_write_and_wait_range(file, start, end);

	/* Any descriptor will do, but one for its place alone. */
	return err ?: hostfs_sync(file_inode(file), file_dentry(file),
				  file_use(file),
				  datasync ? host_fdatasync : host_fsync);
}

static ssize_t hostfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	if (!hostfs_fresh(inode) && !HOSTFS_SB(inode->i_sb)->private)
		hostfs_refresh(inode, NULL, false);
	/* Not past the cache: it and the host's would have to agree. */
	iocb->ki_flags &= ~IOCB_DIRECT;
	return generic_file_read_iter(iocb, to);
}

static ssize_t hostfs_splice_read(struct file *file, loff_t *pos,
				  struct pipe_inode_info *pipe, size_t len,
				  unsigned int flags)
{
	struct inode *inode = file_inode(file);

	if (!hostfs_fresh(inode) && !HOSTFS_SB(inode->i_sb)->private)
		hostfs_refresh(inode, NULL, false);
	return filemap_splice_read(file, pos, pipe, len, flags);
}

static ssize_t hostfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	bool shared = !HOSTFS_SB(inode->i_sb)->private;
	ssize_t ret;

	inode_lock(inode);
	/* To know others' changes from ours, and the end from which to append. */
	if (shared)
		hostfs_refresh(inode, NULL, false);
	ret = generic_write_checks(iocb, from);
	if (ret > 0) {
		ret = file_remove_privs(iocb->ki_filp) ?:
		      hostfs_write_data(iocb, from);
		if (shared)
			hostfs_refresh(inode, NULL, true);
		/* What went where is not known, if others append as well. */
		if (shared && (iocb->ki_flags & IOCB_APPEND)) {
			invalidate_inode_pages2(inode->i_mapping);
			iocb->ki_pos = i_size_read(inode);
		}
	}
	inode_unlock(inode);
	return ret > 0 ? generic_write_sync(iocb, ret) : ret;
}

static loff_t hostfs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	loff_t pos;
	int fd;

	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		if (whence == SEEK_END && !HOSTFS_SB(inode->i_sb)->private)
			hostfs_refresh(inode, NULL, false);
		return generic_file_llseek(file, offset, whence);
	}

	inode_lock_shared(inode);
	filemap_write_and_wait(inode->i_mapping);
	fd = hostfs_pin(inode, file_dentry(file), file_use(file));
	pos = fd;
	if (fd >= 0) {
		pos = host_seek(fd, offset, whence);
		hostfs_unpin(inode);
	}
	inode_unlock_shared(inode);
	return pos < 0 ? pos : vfs_setpos(file, pos, inode->i_sb->s_maxbytes);
}

/* Drops from the cache what fallocate() is about to change on the host. */
static void drop_range(struct inode *inode, int mode, loff_t offset, loff_t len)
{
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		unmap_mapping_range(inode->i_mapping, round_down(offset, PAGE_SIZE),
				    0, 1);
		truncate_inode_pages(inode->i_mapping,
				     round_down(offset, PAGE_SIZE));
	} else if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		truncate_pagecache_range(inode, offset, offset + len - 1);
	}
}

static long hostfs_fallocate(struct file *file, int mode, loff_t offset,
			     loff_t len)
{
	struct inode *inode = file_inode(file);
	struct address_space *mapping = inode->i_mapping;
	struct hostfs_stat st;
	int fd, err;

	inode_lock(inode);
	err = inode_newsize_ok(inode, mode & FALLOC_FL_KEEP_SIZE ?
			       0 : offset + len);
	if (!err)
		err = file_remove_privs(file);
	if (err)
		goto unlock;
	fd = hostfs_pin(inode, file_dentry(file), HOSTFS_WRITE);
	err = fd;
	if (fd < 0)
		goto unlock;

	filemap_invalidate_lock(mapping);
	err = filemap_write_and_wait(mapping);
	hostfs_zero_tail(inode);
	if (!err)
		err = call_host_fallocate(inode->i_sb, HOSTFS_AS_SELF, true, fd,
					  mode, offset, len);
	if (!err) {
		drop_range(inode, mode, offset, len);
		err = as_self(inode->i_sb, host_stat, fd, "", &st);
	}
	if (!err)
		i_size_write(inode, st.size);
	filemap_invalidate_unlock(mapping);
	hostfs_data_changed(inode, fd);
	hostfs_unpin(inode);
unlock:
	inode_unlock(inode);
	return err;
}

/* The host can share extents instead of copying. */
static ssize_t hostfs_copy_file_range(struct file *in, loff_t from,
				      struct file *out, loff_t to,
				      size_t len, unsigned int flags)
{
	struct inode *src = file_inode(in), *dst = file_inode(out);
	int in_fd, out_fd;
	ssize_t ret;

	if (src->i_sb != dst->i_sb || src == dst)
		return splice_copy_file_range(in, from, out, to, len);

	ret = filemap_write_and_wait(src->i_mapping);
	if (ret)
		return ret;
	inode_lock(dst);
	ret = file_remove_privs(out);
	if (ret)
		goto unlock;
	in_fd = hostfs_pin(src, file_dentry(in), HOSTFS_READ);
	ret = in_fd;
	if (in_fd < 0)
		goto unlock;
	out_fd = hostfs_pin(dst, file_dentry(out), HOSTFS_WRITE);
	ret = out_fd;
	if (out_fd < 0)
		goto unpin;

	filemap_invalidate_lock(dst->i_mapping);
	ret = filemap_write_and_wait(dst->i_mapping);
	hostfs_zero_tail(dst);
	if (!ret)
		ret = call_host_copy_range(dst->i_sb, HOSTFS_AS_SELF, true,
					   in_fd, from, out_fd, to, len);
	if (ret > 0) {
		truncate_inode_pages_range(dst->i_mapping,
					   round_down(to, PAGE_SIZE),
					   round_up(to + ret, PAGE_SIZE) - 1);
		if (to + ret > i_size_read(dst))
			i_size_write(dst, to + ret);
	}
	filemap_invalidate_unlock(dst->i_mapping);
	hostfs_data_changed(dst, out_fd);
	hostfs_unpin(dst);
unpin:
	hostfs_unpin(src);
unlock:
	inode_unlock(dst);
	return ret;
}

const struct file_operations hostfs_file_fops = {
	.llseek		= hostfs_llseek,
	.read_iter	= hostfs_read_iter,
	.write_iter	= hostfs_write_iter,
	.mmap_prepare	= generic_file_mmap_prepare,
	.open		= hostfs_open,
	.release	= hostfs_release,
	.fsync		= hostfs_fsync,
	.setlease	= generic_setlease,
	.splice_read	= hostfs_splice_read,
	.splice_write	= iter_file_splice_write,
	.fallocate	= hostfs_fallocate,
	.copy_file_range = hostfs_copy_file_range,
};
