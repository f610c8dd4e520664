// SPDX-License-Identifier: GPL-2.0
/*
 * Reading directories.
 *
 * Every open directory has a descriptor of its own on the host, opened when
 * first read: where a reader is, and which of the entries made meanwhile it
 * will see, is the host's to keep per reader.
 */

#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/dirent.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <image.h>
#include "hostfs_fs.h"
#include "xattr.h"

#define READ_SIZE 16384

struct reader {
	struct list_head list;
	int fd;		/* -1: it has to be opened again */
	loff_t pos;	/* where the next entry not yet given out is, or -1 */
	int at, end;	/* of the entries not yet given out */
	char entries[READ_SIZE];
};

static LIST_HEAD(readers);
static DEFINE_SPINLOCK(readers_lock);

static int open_reader(struct dentry *dentry, struct reader *reader)
{
	int fd, got;

	fd = hostfs_pin(d_inode(dentry), dentry, HOSTFS_PLACE);
	if (fd < 0)
		return fd;
	got = hostfs_open_sparing(as_owner(dentry->d_sb, host_open, fd, ".",
					   HOSTFS_READ));
	hostfs_unpin(d_inode(dentry));
	if (got < 0)
		return got;
	hostfs_count_fds(1);
	reader->fd = got;
	return 0;
}

static struct reader *start_reading(struct file *file)
{
	struct reader *reader = file->private_data;
	int err;

	if (reader) {
		/* It was, in the machine that this is a copy of. */
		err = reader->fd < 0 ? open_reader(file_dentry(file), reader) : 0;
		return err ? ERR_PTR(err) : reader;
	}

	reader = kmalloc_obj(*reader);
	if (!reader)
		return ERR_PTR(-ENOMEM);
	err = open_reader(file_dentry(file), reader);
	if (err) {
		kfree(reader);
		return ERR_PTR(err);
	}
	reader->pos = 0;
	reader->at = 0;
	reader->end = 0;
	spin_lock(&readers_lock);
	list_add(&reader->list, &readers);
	spin_unlock(&readers_lock);
	file->private_data = reader;
	return reader;
}

int hostfs_own_readers(void)
{
	struct reader *reader;
	int err = 0;

	list_for_each_entry(reader, &readers, list)
		err = err ?: os_image_owned(reader->fd);
	return err;
}

void hostfs_forget_readers(void)
{
	struct reader *reader;

	list_for_each_entry(reader, &readers, list) {
		if (reader->fd >= 0)
			hostfs_count_fds(-1);
		reader->fd = -1;
		reader->pos = -1;
		reader->at = 0;
		reader->end = 0;
	}
}

/* Returns what there is at @pos, NULL at the end. */
static struct linux_dirent64 *next_entry(struct super_block *sb,
					 struct reader *reader, loff_t pos)
{
	bool elsewhere = reader->pos != pos;
	int n;

	if (!elsewhere && reader->at < reader->end)
		return (void *)reader->entries + reader->at;

	n = as_self(sb, host_read_dir, reader->fd, elsewhere ? pos : -1,
		    reader->entries, READ_SIZE);
	if (n <= 0)
		return ERR_PTR(n);
	reader->pos = pos;
	reader->at = 0;
	reader->end = n;
	return (void *)reader->entries;
}

static bool emit(struct file *file, struct dir_context *ctx,
		 const struct linux_dirent64 *entry)
{
	struct inode *dir = file_inode(file);
	u64 ino = entry->d_ino;
	unsigned int type = entry->d_type;

	if (hostfs_is_side(dir, entry->d_name))
		return true;
	if (!strcmp(entry->d_name, ".."))
		ino = d_parent_ino(file_dentry(file));
	else if (!strcmp(entry->d_name, "."))
		ino = dir->i_ino;
	/* Some may be the marks of other things: see node.c. */
	if (type == DT_REG && hostfs_has_nodes(dir))
		type = DT_UNKNOWN;
	return dir_emit(ctx, entry->d_name, strlen(entry->d_name), ino, type);
}

static int hostfs_iterate(struct file *file, struct dir_context *ctx)
{
	struct reader *reader = start_reading(file);
	struct linux_dirent64 *entry;

	if (IS_ERR(reader))
		return PTR_ERR(reader);

	while ((entry = next_entry(file_inode(file)->i_sb, reader, ctx->pos))) {
		if (IS_ERR(entry))
			return PTR_ERR(entry);
		if (!emit(file, ctx, entry))
			break;
		reader->pos = entry->d_off;
		ctx->pos = entry->d_off;
		reader->at += entry->d_reclen;
	}
	return 0;
}

/* Whoever moves wants to see what is there now. */
static loff_t hostfs_dir_llseek(struct file *file, loff_t offset, int whence)
{
	struct reader *reader = file->private_data;
	loff_t pos = generic_file_llseek(file, offset, whence);

	if (reader && pos >= 0 && whence != SEEK_CUR)
		reader->pos = -1;
	return pos;
}

static int hostfs_dir_release(struct inode *inode, struct file *file)
{
	struct reader *reader = file->private_data;

	if (!reader)
		return 0;
	spin_lock(&readers_lock);
	list_del(&reader->list);
	spin_unlock(&readers_lock);
	if (reader->fd >= 0) {
		host_close(reader->fd);
		hostfs_count_fds(-1);
	}
	kfree(reader);
	return 0;
}

static int hostfs_dir_fsync(struct file *file, loff_t start, loff_t end,
			    int datasync)
{
	return hostfs_sync(file_inode(file), file_dentry(file), HOSTFS_READ,
			   datasync ? host_fdatasync : host_fsync);
}

const struct file_operations hostfs_dir_fops = {
	.llseek		= hostfs_dir_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= hostfs_iterate,
	.release	= hostfs_dir_release,
	.fsync		= hostfs_dir_fsync,
	.setlease	= generic_setlease,
};
