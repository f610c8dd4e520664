// SPDX-License-Identifier: GPL-2.0
/*
 * The page cache.
 *
 * write(2) writes through: the data is in the host's page cache when the call
 * returns, and the host decides when it goes to disk. So the host's errors (no
 * space, over quota) are the call's own, its times are the file's, nothing is
 * lost with the machine but what any crash loses, and on a shared tree others
 * see it at once. What is saved up is calls: one for as many pages as are at
 * hand. Only pages written through a mapping wait for writeback.
 */

#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include "hostfs_fs.h"

#define BATCH 64	/* pages a host call */
#define PIECE 8		/* pages, where the host waits for nothing */
#define LARGE_WRITE SZ_64K

/* As readahead_gfp_mask(), but for what is not a page of the cache. */
#define READ_AHEAD (GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN)

struct batch {
	struct folio *folio[BATCH];
	struct iovec iov[BATCH];
	int nr;
	loff_t pos;
	size_t len;
};

static void batch_add(struct batch *batch, struct folio *folio, size_t from,
		      size_t len)
{
	if (!batch->nr) {
		batch->pos = folio_pos(folio) + from;
		batch->len = 0;
	}
	batch->folio[batch->nr] = folio;
	batch->iov[batch->nr] = (struct iovec) {
		.iov_base = folio_address(folio) + from,
		.iov_len = len,
	};
	batch->len += len;
	batch->nr++;
}

/*
 * After the host changed the data. It takes the set-id bits away, unless the
 * writer has CAP_FSETID in its first user namespace; ours has not. Whether
 * they go is our decision (file_remove_privs()), and made already.
 */
void hostfs_data_changed(struct inode *inode, int fd)
{
	if (HOSTFS_SB(inode->i_sb)->private &&
	    (inode->i_mode & (S_ISUID | S_ISGID)))
		as_self(inode->i_sb, host_set_attr, fd, &(struct hostfs_attr) {
			.set = HOST_SET_MODE,
			.mode = inode->i_mode & S_IALLUGO,
		});
	hostfs_changed(inode);
}

/*
 * Pages on their way from or to the host. They are locked, or under writeback,
 * until they have arrived, and nobody waits for anything else.
 */
struct transfer {
	struct hostfs_call call;
	struct work_struct work;
	struct inode *inode;		/* pinned */
	int fd;
	bool write;
	int first;			/* of the batch that is still to come */
	size_t done;
	struct batch batch;
};

static void end_read(struct transfer *t, long n)
{
	struct batch *batch = &t->batch;

	hostfs_unpin(t->inode);
	for (int i = 0; i < batch->nr; i++) {
		struct folio *folio = batch->folio[i];
		long here = clamp_t(long, n - i * PAGE_SIZE, 0, PAGE_SIZE);

		if (n >= 0)
			folio_zero_segment(folio, here, PAGE_SIZE);
		folio_end_read(folio, n >= 0);
	}
	kfree(t);
}

static void end_write(struct transfer *t, long n)
{
	struct address_space *mapping = t->inode->i_mapping;
	struct batch *batch = &t->batch;

	hostfs_data_changed(t->inode, t->fd);
	hostfs_unpin(t->inode);
	if (n != batch->len)
		mapping_set_error(mapping, n < 0 ? n : -EIO);
	/* With the last of them the inode may go. */
	for (int i = 0; i < batch->nr; i++)
		folio_end_writeback(batch->folio[i]);
	kfree(t);
}

static void transfer_ends(struct work_struct *work)
{
	struct transfer *t = container_of(work, struct transfer, work);
	long n = t->call.result;

	if (t->write)
		end_write(t, n);
	else
		end_read(t, n < 0 ? n : t->done + n);
}

static void transfer_done(struct hostfs_call *call)
{
	struct transfer *t = container_of(call, struct transfer, call);

	hostfs_later(&t->work);
}

static long run_transfer(struct hostfs_call *call)
{
	struct transfer *t = container_of(call, struct transfer, call);
	struct batch *batch = &t->batch;

	return host_transfer(t->fd, batch->iov + t->first, batch->nr - t->first,
			     batch->pos + t->done, t->write);
}

static void submit_transfer(struct transfer *t)
{
	t->call.run = run_transfer;
	t->call.done = transfer_done;
	INIT_WORK(&t->work, transfer_ends);
	hostfs_submit(t->inode->i_sb, &t->call);
}

static struct transfer *new_transfer(struct inode *inode, bool write, gfp_t gfp)
{
	struct transfer *t = kmalloc(sizeof(*t), gfp);

	if (!t)
		return ERR_PTR(-ENOMEM);
	memset(t, 0, offsetof(struct transfer, batch));
	t->batch.nr = 0;
	t->inode = inode;
	t->write = write;
	t->fd = hostfs_pin(inode, NULL, write ? HOSTFS_WRITE : HOSTFS_READ);
	if (t->fd < 0) {
		int err = t->fd;

		kfree(t);
		return ERR_PTR(err);
	}
	return t;
}

/*
 * What the host has in memory, up to the first page that it has not. There is
 * no wait in it that would give way to who wakes up meanwhile.
 */
static size_t read_cached(struct transfer *t)
{
	struct batch *batch = &t->batch;
	size_t done = 0;

	for (int i = 0; i < batch->nr; i += PIECE) {
		long n = host_read_cached(t->fd, batch->iov + i,
					  min(PIECE, batch->nr - i),
					  batch->pos + done);

		done += max(n, 0);
		if (done < min((i + PIECE) * PAGE_SIZE, batch->len))
			break;
		if (!single_task_running())
			set_need_resched_current();
		cond_resched();
	}
	return done;
}

/* A helper waits for what the host has to fetch. */
static void start_read(struct transfer *t)
{
	struct batch *batch = &t->batch;

	t->done = read_cached(t);
	if (t->done == batch->len) {
		end_read(t, t->done);
		return;
	}
	t->first = t->done / PAGE_SIZE;
	batch->iov[t->first].iov_base += t->done % PAGE_SIZE;
	batch->iov[t->first].iov_len -= t->done % PAGE_SIZE;
	submit_transfer(t);
}

static void hostfs_readahead(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	loff_t size = i_size_read(inode);
	struct transfer *t = NULL;
	struct folio *folio;

	while ((folio = readahead_folio(rac))) {
		if (!t)
			t = new_transfer(inode, false, READ_AHEAD);
		if (IS_ERR(t)) {
			folio_unlock(folio);	/* ->read_folio() will say why */
			t = NULL;
			continue;
		}
		batch_add(&t->batch, folio, 0,
			  clamp_t(loff_t, size - folio_pos(folio), 0, PAGE_SIZE));
		if (t->batch.nr == BATCH) {
			start_read(t);
			t = NULL;
		}
	}
	if (t)
		start_read(t);
}

static int hostfs_read_folio(struct file *file, struct folio *folio)
{
	struct transfer *t = new_transfer(folio->mapping->host, false, GFP_NOFS);

	if (IS_ERR(t)) {
		folio_end_read(folio, false);
		return PTR_ERR(t);
	}
	batch_add(&t->batch, folio, 0, PAGE_SIZE);
	start_read(t);
	return 0;
}

static int hostfs_writepages(struct address_space *mapping,
			     struct writeback_control *wbc)
{
	struct inode *inode = mapping->host;
	struct transfer *t = NULL;
	struct folio *folio = NULL;
	int err = 0;

	while ((folio = writeback_iter(mapping, wbc, folio, &err))) {
		loff_t left = i_size_read(inode) - folio_pos(folio);

		if (left <= 0) {
			folio_unlock(folio);
			continue;
		}
		if (t && (t->batch.nr == BATCH ||
			  folio_pos(folio) != t->batch.pos + t->batch.len)) {
			submit_transfer(t);
			t = NULL;
		}
		if (!t)
			t = new_transfer(inode, true, GFP_NOFS | __GFP_NOFAIL);
		if (IS_ERR(t)) {
			err = PTR_ERR(t);
			t = NULL;
			mapping_set_error(mapping, err);
			folio_unlock(folio);
			continue;
		}
		if (left < PAGE_SIZE)
			folio_zero_segment(folio, left, PAGE_SIZE);
		batch_add(&t->batch, folio, 0, min_t(loff_t, left, PAGE_SIZE));
		folio_start_writeback(folio);
		folio_unlock(folio);
	}
	if (t)
		submit_transfer(t);
	return err;
}

/*
 * The file is about to get longer. What a mapping left behind the end of its
 * last page was never part of it.
 */
void hostfs_zero_tail(struct inode *inode)
{
	loff_t size = i_size_read(inode);
	struct folio *folio;

	if (!mapping_tagged(inode->i_mapping, PAGECACHE_TAG_DIRTY))
		return;
	folio = filemap_lock_folio(inode->i_mapping, size >> PAGE_SHIFT);
	if (IS_ERR(folio))
		return;
	/* The next store through the mapping faults, and finds the new end. */
	if (folio_mkclean(folio))
		folio_mark_dirty(folio);
	if (folio_test_uptodate(folio))
		folio_zero_segment(folio, offset_in_folio(folio, size), PAGE_SIZE);
	folio_unlock(folio);
	folio_put(folio);
}

/*
 * Copies what comes next into pages of the cache, locked, until the batch is
 * full or the source ends. A page that is not up to date holds nothing but
 * what is being written, and stays so: it will be read when it is wanted. Only
 * one that lies behind the end of the file is known to be zero elsewhere.
 */
static int fill_batch(struct address_space *mapping, struct iov_iter *from,
		      loff_t pos, struct batch *batch)
{
	loff_t size = i_size_read(mapping->host);

	while (batch->nr < BATCH && iov_iter_count(from)) {
		size_t in_page = offset_in_page(pos);
		size_t ready = min(BATCH * PAGE_SIZE, iov_iter_count(from));
		size_t want = min(PAGE_SIZE - in_page, iov_iter_count(from));
		struct folio *folio;
		size_t got;

		/* A page of our own batch may be the source: not while locked. */
		if (!batch->nr && fault_in_iov_iter_readable(from, ready) == ready)
			return -EFAULT;
		folio = __filemap_get_folio(mapping, pos >> PAGE_SHIFT,
					    FGP_WRITEBEGIN,
					    mapping_gfp_mask(mapping));
		if (IS_ERR(folio))
			return batch->nr ? 0 : PTR_ERR(folio);
		if (!folio_test_uptodate(folio) && folio_pos(folio) >= size)
			folio_zero_range(folio, 0, PAGE_SIZE);
		got = copy_folio_from_iter_atomic(folio, in_page, want, from);
		flush_dcache_folio(folio);
		if (!got) {
			folio_unlock(folio);
			folio_put(folio);
			return batch->nr ? 0 : -EAGAIN;
		}
		batch_add(batch, folio, in_page, got);
		pos += got;
		if (got < want)
			return 0;
	}
	return 0;
}

/*
 * The pages of a batch of which @done bytes reached the host. What did not get
 * there must not be seen: such a page is read again.
 */
static void end_batch(struct inode *inode, struct batch *batch, size_t done,
		      loff_t old_size)
{
	size_t before = 0;

	for (int i = 0; i < batch->nr; i++) {
		struct folio *folio = batch->folio[i];
		loff_t start = max(folio_pos(folio), batch->pos);
		loff_t end = min_t(loff_t, folio_pos(folio) + PAGE_SIZE,
				   batch->pos + batch->len);

		before += end - start;
		if (before <= done) {
			if (end - start == PAGE_SIZE ||
			    folio_pos(folio) >= old_size)
				folio_mark_uptodate(folio);
			folio_unlock(folio);
		} else if (folio_test_uptodate(folio) &&
			   !folio_test_dirty(folio)) {
			hostfs_read_folio(NULL, folio);	/* unlocks */
		} else {
			folio_unlock(folio);
		}
		folio_put(folio);
	}
}

static long write_batch(struct kiocb *iocb, struct inode *inode,
			struct batch *batch, int fd)
{
	loff_t old_size = i_size_read(inode);
	bool append = iocb->ki_flags & IOCB_APPEND &&
		      !HOSTFS_SB(inode->i_sb)->private;
	bool slow = batch->len >= LARGE_WRITE;
	long done;

	/* On a shared tree the end may have moved since we looked. */
	if (append)
		done = call_host_append(inode->i_sb, HOSTFS_AS_SELF, slow, fd,
					batch->iov, batch->nr);
	else
		done = call_host_transfer(inode->i_sb, HOSTFS_AS_SELF, slow, fd,
					  batch->iov, batch->nr, batch->pos, 1);
	end_batch(inode, batch, max(done, 0), old_size);
	if (done > 0 && batch->pos + done > old_size)
		i_size_write(inode, batch->pos + done);
	return done;
}

/* The inode is locked, the position checked. */
ssize_t hostfs_write_data(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct batch batch;
	ssize_t total = 0;
	size_t copied;
	long done = 0;
	int fd;

	fd = hostfs_pin(inode, NULL, HOSTFS_WRITE);
	if (fd < 0)
		return fd;
	if (iocb->ki_pos + iov_iter_count(from) > i_size_read(inode))
		hostfs_zero_tail(inode);
	while (iov_iter_count(from) && !fatal_signal_pending(current)) {
		batch.nr = 0;
		done = fill_batch(inode->i_mapping, from, iocb->ki_pos, &batch);
		if (done == -EAGAIN)
			continue;
		if (done < 0)
			break;
		copied = batch.len;
		done = write_batch(iocb, inode, &batch, fd);
		if (done > 0) {
			iocb->ki_pos += done;
			total += done;
		}
		if (done < (long)copied) {
			iov_iter_revert(from, copied - max(done, 0));
			break;
		}
		cond_resched();
	}
	hostfs_data_changed(inode, fd);
	hostfs_unpin(inode);
	return total ?: done ?: -EINTR;
}

const struct address_space_operations hostfs_aops = {
	.read_folio	= hostfs_read_folio,
	.readahead	= hostfs_readahead,
	.writepages	= hostfs_writepages,
	.dirty_folio	= filemap_dirty_folio,
	.migrate_folio	= filemap_migrate_folio,
};
