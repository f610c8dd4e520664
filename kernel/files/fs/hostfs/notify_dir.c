// SPDX-License-Identifier: GPL-2.0
/*
 * What the host changes in a directory that is watched here: names that come,
 * go and move, and what they name. Each child is remembered as it was seen
 * last; a file number that comes under a new name when it has left another one
 * was moved.
 */

#include <linux/fs.h>
#include <linux/dirent.h>
#include <linux/fsnotify.h>
#include <linux/list.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include "notify.h"

#define MAX_CHILDREN	4096		/* others are not seen */
#define READ_SIZE	4096

struct child {
	struct hlist_node node;
	struct look look;
	bool writing;			/* the end of that is still to be told */
	bool seen;
	char name[];
};

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
	hostfs_remember(&child->look, st);
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

	if (!hostfs_changed_here(dir, when))
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
		  hostfs_changed_here(d_inode(dentry), when);

	dput(dentry);
	return is;
}

static void look_at_child(struct watch *watch, struct child *child,
			  const struct hostfs_stat *st)
{
	struct inode *dir = watch->inode;
	u32 events = hostfs_events_of(&child->look, st);

	/* A directory's own times are of what it holds: nobody is told. */
	if (S_ISDIR(st->mode))
		events &= ~FS_MODIFY;
	if (events && child_is_ours(dir, child->name, watch->looked))
		events = 0;
	else if (!events && child->writing)
		events = FS_CLOSE_WRITE;
	hostfs_remember(&child->look, st);
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
void hostfs_look_at_names(struct watch *watch, int place, bool first)
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
void hostfs_look_at_children(struct watch *watch, int place)
{
	struct super_block *sb = watch->inode->i_sb;
	struct child *child;
	struct hostfs_stat st;

	for (int i = 0; i < NR_BUCKETS; i++)
		hlist_for_each_entry(child, &watch->children[i], node)
			if (!as_owner(sb, host_stat, place, child->name, &st))
				look_at_child(watch, child, &st);
}

void hostfs_forget_children(struct watch *watch)
{
	struct hlist_node *next;
	struct child *child;

	for (int i = 0; i < NR_BUCKETS; i++)
		hlist_for_each_entry_safe(child, next, &watch->children[i], node)
			drop_child(watch, child);
}
