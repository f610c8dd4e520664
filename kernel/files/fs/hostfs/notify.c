// SPDX-License-Identifier: GPL-2.0
/*
 * What the host changes in a shared tree, for those who watch: inotify(7) and
 * its kin.
 *
 * The host would tell of it, but counts who asks against its own root, of whom
 * every machine would take. So what is watched is looked at from time to time,
 * as long as anything is: files for their times and sizes, directories for
 * those of what they hold. The time from one round to the next is a multiple of
 * what a round takes. A change made here was told when it was made, and is not
 * told again.
 *
 * Who opens, reads or closes a file on the host is not seen. The end of writing
 * is taken to be the first round that finds nothing changed any more.
 */

#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/fsnotify_watched.h>
#include <linux/list.h>
#include <linux/magic.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "notify.h"

#define MAX_WATCHES	4096
#define SOON		(HZ / 4)	/* between rounds, at least */
#define REST		16		/* times what a round has taken */

static LIST_HEAD(watches);
static int nr_watches;
static DEFINE_MUTEX(watch_mutex);	/* all watches */
static struct task_struct *holder;	/* of the mutex, while it looks */

static void look_around(struct work_struct *work);
static DECLARE_DELAYED_WORK(round, look_around);

void hostfs_remember(struct look *look, const struct hostfs_stat *st)
{
	look->ino = st->ino;
	look->size = st->size;
	look->mtime = st->mtime;
	look->ctime = st->ctime;
	look->nlink = st->nlink;
	look->mode = st->mode;
}

static bool same_time(struct hostfs_timespec a, struct hostfs_timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What has happened to a file between two looks at it, as events. */
u32 hostfs_events_of(const struct look *before, const struct hostfs_stat *st)
{
	if (before->size != st->size || !same_time(before->mtime, st->mtime))
		return FS_MODIFY;
	if (before->nlink != st->nlink || before->mode != st->mode ||
	    !same_time(before->ctime, st->ctime))
		return FS_ATTRIB;
	return 0;
}

/* Was @inode changed here since @when? Then that was told. */
bool hostfs_changed_here(struct inode *inode, unsigned long when)
{
	unsigned long touched = READ_ONCE(HOSTFS_I(inode)->touched);

	return touched && time_after_eq(touched, when);
}

/* Is the directory watched, so that it tells of @inode, too? */
static bool told_by_parent(struct inode *inode)
{
	struct dentry *dentry = d_find_any_alias(inode), *parent;
	bool is;

	if (!dentry)
		return false;
	parent = dget_parent(dentry);
	is = parent != dentry && HOSTFS_I(d_inode(parent))->watch;
	dput(parent);
	dput(dentry);
	return is;
}

static void look_at_itself(struct watch *watch, const struct hostfs_stat *st)
{
	struct inode *inode = watch->inode;
	u32 events = hostfs_events_of(&watch->look, st);

	if (events && hostfs_changed_here(inode, watch->looked))
		events = 0;
	else if (!events && watch->writing)
		events = FS_CLOSE_WRITE;
	if (S_ISDIR(st->mode))
		events &= FS_ATTRIB;
	if (events & (FS_MODIFY | FS_ATTRIB))
		WRITE_ONCE(HOSTFS_I(inode)->stale, true);
	watch->writing = events & FS_MODIFY;
	if (S_ISDIR(st->mode))
		events |= FS_ISDIR;
	if ((events & ~FS_ISDIR) && !told_by_parent(inode))
		fsnotify(events, inode, FSNOTIFY_EVENT_INODE, NULL, NULL, inode,
			 0);
}

static void forget(struct watch *watch)
{
	list_del(&watch->list);
	nr_watches--;
	HOSTFS_I(watch->inode)->watch = NULL;
	if (S_ISDIR(watch->look.mode))
		hostfs_forget_children(watch);
	kfree(watch);
}

static void look_at(struct watch *watch, bool first)
{
	struct inode *inode = watch->inode;
	unsigned long now = jiffies;
	struct hostfs_stat st;
	bool names;
	int fd, err;

	fd = hostfs_pin(inode, NULL, HOSTFS_PLACE);
	err = fd < 0 ? fd : as_owner(inode->i_sb, host_stat, fd, "", &st);
	if (!err && !first && !st.nlink)
		err = -ENOENT;
	if (!err) {
		names = first || !same_time(watch->look.mtime, st.mtime);
		if (!first)
			look_at_itself(watch, &st);
		hostfs_remember(&watch->look, &st);
		if (S_ISDIR(st.mode) && names)
			hostfs_look_at_names(watch, fd, first);
		else if (S_ISDIR(st.mode))
			hostfs_look_at_children(watch, fd);
		watch->looked = now;
	}
	if (fd >= 0)
		hostfs_unpin(inode);
	if ((err == -ENOENT || err == -ESTALE) && !first) {
		forget(watch);
		/* Removed by the host, or another one has taken its name. */
		if (!hostfs_changed_here(inode, now - HZ))
			fsnotify_inoderemove(inode);
	}
}

static void look_around(struct work_struct *work)
{
	unsigned long began = jiffies;
	struct watch *watch, *next;
	bool more;

	mutex_lock(&watch_mutex);
	holder = current;
	list_for_each_entry_safe(watch, next, &watches, list) {
		if (watch->inode->i_fsnotify_mask)
			look_at(watch, false);
		else
			forget(watch);
	}
	more = !list_empty(&watches);
	holder = NULL;
	mutex_unlock(&watch_mutex);
	if (more)
		schedule_delayed_work(&round,
				      max(SOON, REST * (jiffies - began)));
}

/* Somebody has begun to watch @inode. */
static void watched(struct inode *inode)
{
	struct watch *watch;
	bool dir = S_ISDIR(inode->i_mode);

	if (inode->i_sb->s_magic != HOSTFS_SUPER_MAGIC ||
	    HOSTFS_SB(inode->i_sb)->private || (!dir && !S_ISREG(inode->i_mode)))
		return;
	mutex_lock(&watch_mutex);
	if (HOSTFS_I(inode)->watch || nr_watches >= MAX_WATCHES)
		goto unlock;
	watch = kzalloc(struct_size(watch, children, dir ? NR_BUCKETS : 0),
			GFP_NOFS);
	if (!watch)
		goto unlock;
	watch->inode = inode;
	watch->look.mode = inode->i_mode;
	HOSTFS_I(inode)->watch = watch;
	nr_watches++;
	list_add_tail(&watch->list, &watches);
	holder = current;
	look_at(watch, true);
	/* Whoever looks next sees what will not be told as a change. */
	WRITE_ONCE(HOSTFS_I(inode)->stale, true);
	holder = NULL;
	schedule_delayed_work(&round, SOON);
unlock:
	mutex_unlock(&watch_mutex);
}

/* @inode goes. A round may be what has let go of it. */
void hostfs_forget_watch(struct inode *inode)
{
	bool inside = READ_ONCE(holder) == current;

	if (!READ_ONCE(HOSTFS_I(inode)->watch))
		return;
	if (!inside)
		mutex_lock(&watch_mutex);
	if (HOSTFS_I(inode)->watch)
		forget(HOSTFS_I(inode)->watch);
	if (!inside)
		mutex_unlock(&watch_mutex);
}

void __init hostfs_notify_init(void)
{
	fsnotify_inode_watched = watched;
}
