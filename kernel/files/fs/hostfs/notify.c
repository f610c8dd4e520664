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
#include <linux/dirent.h>
#include <linux/fsnotify.h>
#include <linux/fsnotify_watched.h>
#include <linux/list.h>
#include <linux/magic.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/workqueue.h>
#include "hostfs_fs.h"

#define MAX_WATCHES	4096
#define MAX_CHILDREN	4096		/* of a directory; others are not seen */
#define NR_BUCKETS	32
#define READ_SIZE	4096
#define SOON		(HZ / 4)	/* between rounds, at least */
#define REST		16		/* times what a round has taken */

struct look {
	u64 ino, size;
	struct hostfs_timespec mtime, ctime;
	unsigned int nlink, mode;
};

struct child {
	struct hlist_node node;
	struct look look;
	bool writing;			/* the end of that is still to be told */
	bool seen;
	char name[];
};

struct watch {
	struct list_head list;
	struct inode *inode;		/* not referred to: see evict */
	struct look look;
	bool writing;
	unsigned long looked;		/* in jiffies */
	int nr_children;
	struct hlist_head children[];	/* NR_BUCKETS, of a directory */
};

static LIST_HEAD(watches);
static int nr_watches;
static DEFINE_MUTEX(watch_mutex);	/* all watches */
static struct task_struct *holder;	/* of the mutex, while it looks */

static void look_around(struct work_struct *work);
static DECLARE_DELAYED_WORK(round, look_around);

static void remember(struct look *look, const struct hostfs_stat *st)
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
static u32 events_of(const struct look *before, const struct hostfs_stat *st)
{
	if (before->size != st->size || !same_time(before->mtime, st->mtime))
		return FS_MODIFY;
	if (before->nlink != st->nlink || before->mode != st->mode ||
	    !same_time(before->ctime, st->ctime))
		return FS_ATTRIB;
	return 0;
}

/* Was @inode changed here since @when? Then that was told. */
static bool ours(struct inode *inode, unsigned long when)
{
	unsigned long touched = READ_ONCE(HOSTFS_I(inode)->touched);

	return touched && time_after_eq(touched, when);
}

static struct hlist_head *bucket(struct watch *watch, const char *name)
{
	unsigned int hash = full_name_hash(NULL, name, strlen(name));

	return &watch->children[hash % NR_BUCKETS];
}

static struct child *find_child(struct watch *watch, const char *name)
{
	struct child *child;

	hlist_for_each_entry(child, bucket(watch, name), node)
		if (!strcmp(child->name, name))
			return child;
	return NULL;
}

static struct child *add_child(struct watch *watch, const char *name,
			       const struct hostfs_stat *st)
{
	struct child *child;

	if (watch->nr_children >= MAX_CHILDREN)
		return NULL;
	child = kzalloc(struct_size(child, name, strlen(name) + 1), GFP_NOFS);
	if (!child)
		return NULL;
	strscpy(child->name, name, strlen(name) + 1);
	remember(&child->look, st);
	child->seen = true;
	hlist_add_head(&child->node, bucket(watch, name));
	watch->nr_children++;
	return child;
}

static void drop_child(struct watch *watch, struct child *child)
{
	hlist_del(&child->node);
	watch->nr_children--;
	kfree(child);
}

static void tell_of_name(struct inode *dir, u32 mask, const char *name,
			 const struct look *look, u32 cookie)
{
	struct qstr qstr = QSTR(name);

	if (S_ISDIR(look->mode))
		mask |= FS_ISDIR;
	fsnotify(mask, dir, FSNOTIFY_EVENT_INODE, dir, &qstr, NULL, cookie);
}

/* Something that has no name in it: who watches the child hears of it, too. */
static void tell_of_child(struct inode *dir, u32 mask, const char *name,
			  const struct look *look)
{
	struct dentry *parent = d_find_any_alias(dir), *dentry;
	struct qstr qstr = QSTR(name);

	if (!parent)
		return;
	dentry = lookup_noperm_unlocked(&qstr, parent);
	if (!IS_ERR(dentry)) {
		struct inode *inode = d_inode(dentry);

		if (S_ISDIR(look->mode))
			mask |= FS_ISDIR;
		if (inode)
			fsnotify(mask | FS_EVENT_ON_CHILD, inode,
				 FSNOTIFY_EVENT_INODE, dir, &qstr, inode, 0);
		dput(dentry);
	}
	dput(parent);
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

/* What is known here of a name: NULL where it was not looked up. */
static struct dentry *known(struct inode *dir, const char *name)
{
	struct dentry *parent = d_find_any_alias(dir), *dentry = NULL;
	struct qstr qstr = QSTR(name);

	if (parent) {
		qstr.hash = full_name_hash(parent, qstr.name, qstr.len);
		dentry = d_lookup(parent, &qstr);
	}
	dput(parent);
	return dentry;
}

/* Has this process' own kernel made the name, or taken it away? */
static bool ours_by_name(struct inode *dir, const char *name, bool there,
			 unsigned long when)
{
	struct dentry *dentry;
	bool is;

	if (!ours(dir, when))
		return false;
	/* What was renamed here has left nothing behind under its old name. */
	dentry = known(dir, name);
	is = dentry ? d_is_positive(dentry) == there : !there;
	dput(dentry);
	return is;
}

static bool child_is_ours(struct inode *dir, const char *name,
			  unsigned long when)
{
	struct dentry *dentry = known(dir, name);
	bool is = dentry && d_is_positive(dentry) &&
		  ours(d_inode(dentry), when);

	dput(dentry);
	return is;
}

static void look_at_child(struct watch *watch, struct child *child,
			  const struct hostfs_stat *st)
{
	struct inode *dir = watch->inode;
	u32 events = events_of(&child->look, st);

	/* A directory's own times are of what it holds: nobody is told. */
	if (S_ISDIR(st->mode))
		events &= ~FS_MODIFY;
	if (events && child_is_ours(dir, child->name, watch->looked))
		events = 0;
	else if (!events && child->writing)
		events = FS_CLOSE_WRITE;
	remember(&child->look, st);
	child->writing = events & FS_MODIFY;
	if (events)
		tell_of_child(dir, events, child->name, &child->look);
}

/* A name that was not there: made, or moved from where it is no more. */
static void tell_of_new(struct watch *watch, struct child *child)
{
	struct inode *dir = watch->inode;
	struct child *old;
	u32 cookie;

	if (ours_by_name(dir, child->name, true, watch->looked))
		return;
	for (int i = 0; i < NR_BUCKETS; i++) {
		hlist_for_each_entry(old, &watch->children[i], node) {
			if (old->seen || old->look.ino != child->look.ino)
				continue;
			cookie = fsnotify_get_cookie();
			tell_of_name(dir, FS_MOVED_FROM, old->name, &old->look,
				     cookie);
			tell_of_name(dir, FS_MOVED_TO, child->name,
				     &child->look, cookie);
			drop_child(watch, old);
			return;
		}
	}
	tell_of_name(dir, FS_CREATE, child->name, &child->look, 0);
	if (S_ISREG(child->look.mode) && child->look.size)
		tell_of_child(dir, FS_MODIFY, child->name, &child->look);
	child->writing = S_ISREG(child->look.mode);
}

static void look_at_name(struct watch *watch, int fd, const char *name,
			 bool first, struct hlist_head *new)
{
	struct super_block *sb = watch->inode->i_sb;
	struct child *child;
	struct hostfs_stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") ||
	    as_owner(sb, host_stat, fd, name, &st))
		return;
	child = find_child(watch, name);
	if (child && child->look.ino == st.ino) {
		child->seen = true;
		look_at_child(watch, child, &st);
		return;
	}
	if (child)		/* another one of that name has come */
		child->seen = false;
	child = add_child(watch, name, &st);
	if (child && !first) {
		hlist_del(&child->node);
		hlist_add_head(&child->node, new);
	}
}

static void drop_unseen(struct watch *watch)
{
	struct hlist_node *next;
	struct child *child;

	for (int i = 0; i < NR_BUCKETS; i++) {
		hlist_for_each_entry_safe(child, next, &watch->children[i],
					  node) {
			if (child->seen)
				continue;
			if (!ours_by_name(watch->inode, child->name, false,
					  watch->looked))
				tell_of_name(watch->inode, FS_DELETE,
					     child->name, &child->look, 0);
			drop_child(watch, child);
		}
	}
}

/* All names of a directory. With @first nobody is told. */
static void look_at_names(struct watch *watch, int place, bool first)
{
	struct super_block *sb = watch->inode->i_sb;
	HLIST_HEAD(new);
	struct child *child;
	char *buf;
	int fd, n;
	loff_t pos = 0;

	buf = kmalloc(READ_SIZE, GFP_NOFS);
	fd = buf ? as_owner(sb, host_open, place, ".", HOSTFS_READ) : -ENOMEM;
	if (fd < 0)
		goto free;
	for (int i = 0; i < NR_BUCKETS; i++)
		hlist_for_each_entry(child, &watch->children[i], node)
			child->seen = false;
	while ((n = as_self(sb, host_read_dir, fd, pos, buf, READ_SIZE)) > 0) {
		struct linux_dirent64 *entry;

		for (int at = 0; at < n; at += entry->d_reclen) {
			entry = (void *)buf + at;
			look_at_name(watch, place, entry->d_name, first, &new);
		}
		pos = -1;
	}
	host_close(fd);
	while (new.first) {
		child = hlist_entry(new.first, struct child, node);
		hlist_del(&child->node);
		tell_of_new(watch, child);
		hlist_add_head(&child->node, bucket(watch, child->name));
	}
	if (n == 0)
		drop_unseen(watch);
free:
	kfree(buf);
}

/* Names that are as they were, yet what they name may not be. */
static void look_at_children(struct watch *watch, int place)
{
	struct super_block *sb = watch->inode->i_sb;
	struct child *child;
	struct hostfs_stat st;

	for (int i = 0; i < NR_BUCKETS; i++)
		hlist_for_each_entry(child, &watch->children[i], node)
			if (!as_owner(sb, host_stat, place, child->name, &st))
				look_at_child(watch, child, &st);
}

static void look_at_itself(struct watch *watch, const struct hostfs_stat *st)
{
	struct inode *inode = watch->inode;
	u32 events = events_of(&watch->look, st);

	if (events && ours(inode, watch->looked))
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
	struct hlist_node *next;
	struct child *child;

	list_del(&watch->list);
	nr_watches--;
	HOSTFS_I(watch->inode)->watch = NULL;
	for (int i = 0; S_ISDIR(watch->look.mode) && i < NR_BUCKETS; i++)
		hlist_for_each_entry_safe(child, next, &watch->children[i], node)
			drop_child(watch, child);
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
		remember(&watch->look, &st);
		if (S_ISDIR(st.mode) && names)
			look_at_names(watch, fd, first);
		else if (S_ISDIR(st.mode))
			look_at_children(watch, fd);
		watch->looked = now;
	}
	if (fd >= 0)
		hostfs_unpin(inode);
	if ((err == -ENOENT || err == -ESTALE) && !first) {
		forget(watch);
		/* Removed by the host, or another one has taken its name. */
		if (!ours(inode, now - HZ))
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
