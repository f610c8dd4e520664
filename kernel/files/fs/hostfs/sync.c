// SPDX-License-Identifier: GPL-2.0
/*
 * fsync(2).
 *
 * The longest of all calls: a process that waits for it can be killed, and
 * leaves what the call needs to whoever sees it end.
 */

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "hostfs_fs.h"

struct sync {
	struct hostfs_call call;
	struct work_struct work;
	struct completion done;
	atomic_t state;
	struct inode *inode;		/* referred to, and pinned */
	int fd;
	int (*sync)(int fd);
};

enum { UNDER_WAY, DONE, ABANDONED };

static void free_sync(struct sync *sync)
{
	struct inode *inode = sync->inode;
	struct super_block *sb = inode->i_sb;

	hostfs_unpin(inode);
	iput(inode);
	deactivate_super(sb);
	kfree(sync);
}

static void free_abandoned(struct work_struct *work)
{
	free_sync(container_of(work, struct sync, work));
}

static long run_sync(struct hostfs_call *call)
{
	struct sync *sync = container_of(call, struct sync, call);

	return sync->sync(sync->fd);
}

static void sync_done(struct hostfs_call *call)
{
	struct sync *sync = container_of(call, struct sync, call);

	if (atomic_cmpxchg(&sync->state, UNDER_WAY, DONE) == UNDER_WAY)
		complete(&sync->done);
	else
		hostfs_later(&sync->work);
}

/* Of an open file or directory, by this call of the host. */
int hostfs_sync(struct inode *inode, struct dentry *dentry, enum hostfs_use use,
		int (*host_sync)(int fd))
{
	struct sync *sync = kzalloc(sizeof(*sync), GFP_KERNEL);
	int err;

	if (!sync)
		return -ENOMEM;
	sync->fd = hostfs_pin(inode, dentry, use);
	if (sync->fd < 0) {
		err = sync->fd;
		kfree(sync);
		return err;
	}
	ihold(inode);
	atomic_inc(&inode->i_sb->s_active);
	sync->inode = inode;
	sync->sync = host_sync;
	sync->call.run = run_sync;
	sync->call.done = sync_done;
	init_completion(&sync->done);
	INIT_WORK(&sync->work, free_abandoned);

	hostfs_submit(inode->i_sb, &sync->call);
	if (wait_for_completion_killable(&sync->done)) {
		if (atomic_cmpxchg(&sync->state, UNDER_WAY, ABANDONED) ==
		    UNDER_WAY)
			return -EINTR;
		wait_for_completion(&sync->done);
	}
	err = sync->call.result;
	free_sync(sync);
	return err;
}
