/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is watched, between notify.c, which looks at each, and notify_dir.c,
 * which looks at what a directory holds.
 */

#ifndef __HOSTFS_NOTIFY_H
#define __HOSTFS_NOTIFY_H

#include <linux/list.h>
#include "hostfs_fs.h"

#define NR_BUCKETS	32

/* What was seen of a file. */
struct look {
	u64 ino, size;
	struct hostfs_timespec mtime, ctime;
	unsigned int nlink, mode;
};

struct child;

struct watch {
	struct list_head list;
	struct inode *inode;		/* not referred to: see evict */
	struct look look;
	bool writing;
	unsigned long looked;		/* in jiffies */
	int nr_children;
	struct hlist_head children[];	/* NR_BUCKETS, of a directory */
};

/* notify.c */
void hostfs_remember(struct look *look, const struct hostfs_stat *st);
u32 hostfs_events_of(const struct look *before, const struct hostfs_stat *st);
bool hostfs_changed_here(struct inode *inode, unsigned long when);

/* notify_dir.c */
void hostfs_look_at_names(struct watch *watch, int place, bool first);
void hostfs_look_at_children(struct watch *watch, int place);
void hostfs_forget_children(struct watch *watch);

#endif
