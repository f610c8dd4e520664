// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptors on the host.
 *
 * All work is done by descriptor: an inode has up to one for each use, opened
 * when first needed from the name in its parent directory, and kept. So a path
 * has no length limit, renaming a directory disturbs nobody below it, and the
 * host resolves one component per call.
 *
 * A user of a descriptor pins the inode's. Those of inodes nobody pins are
 * kept on a list, oldest first, and closed when there are too many: an idle
 * inode can always be opened again by name. An inode that is about to lose its
 * name while somebody refers to it keeps a pin until the end.
 *
 * On a shared tree files are closed at once: an idle descriptor would keep the
 * host from executing a file that was written here, and from freeing one that
 * was removed there.
 *
 * Each costs memory of the host. Every machine has room for some; for more, as
 * much of its own is set aside. The last ones are kept for whoever comes in to
 * end a program that has opened all others.
 */

#include <linux/dcache.h>
#include <linux/fdtable.h>
#include <linux/minmax.h>
#include <linux/oom.h>
#include <linux/spinlock.h>
#include <asm/host_cost.h>
#include "hostfs_fs.h"

/* Beside those of inodes there are those of sessions and of the network. */
#define FDS_KEPT	512
/* For so many there is room without being charged; the rest is, by the step. */
#define FDS_FREE	16384
#define FDS_STEP	64
/* A file, inode and directory entry of the host's; 1.5 KiB were measured. */
#define FD_COST		1536

static LIST_HEAD(idle);			/* inodes with descriptors, unpinned */
static int nr_idle;
static int max_idle;
static int nr_fds;			/* of inodes, idle or not, and of readers */
static int max_fds;
static int nr_charged;			/* beyond FDS_FREE */
static DEFINE_SPINLOCK(fd_lock);	/* the list, and all fd[], pins, idle */

void __init hostfs_fd_init(void)
{
	int most = host_most_descriptors();

	max_fds = max(most - FDS_KEPT, most / 2);
	/* The other half may be needed for what is in use. */
	max_idle = min(most / 2, 16384);
}

/* Several may be the same one. */
static bool is_first(const int *fds, int use)
{
	for (int other = 0; other < use; other++)
		if (fds[other] == fds[use])
			return false;
	return fds[use] >= 0;
}

/* Takes the descriptors from an unpinned inode; fd_lock is held. */
static void take_fds(struct hostfs_inode *hi, int *fds)
{
	for (int use = 0; use < HOSTFS_READ_WRITE; use++) {
		fds[use] = hi->fd[use];
		hi->fd[use] = -1;
		nr_fds -= is_first(fds, use);
	}
	if (!list_empty(&hi->idle)) {
		list_del_init(&hi->idle);
		nr_idle--;
	}
}

/*
 * Sets memory aside before one more is opened. False where there is none. Two
 * at once may set aside too much, which goes when the next ones are closed; what
 * isn't charged yet is never given back.
 */
static bool charge_fd(void)
{
	bool enough;

	spin_lock(&fd_lock);
	enough = nr_fds + FDS_STEP / 2 <= FDS_FREE + nr_charged;
	spin_unlock(&fd_lock);
	if (enough)
		return true;
	if (um_host_charge(FDS_STEP * FD_COST, GFP_NOFS | __GFP_NOWARN |
					       __GFP_RETRY_MAYFAIL))
		return false;

	spin_lock(&fd_lock);
	nr_charged += FDS_STEP;
	spin_unlock(&fd_lock);
	return true;
}

/* After some were closed. */
static void uncharge_fds(void)
{
	bool less;

	spin_lock(&fd_lock);
	less = nr_charged && nr_fds + 2 * FDS_STEP < FDS_FREE + nr_charged;
	if (less)
		nr_charged -= FDS_STEP;
	spin_unlock(&fd_lock);
	if (less)
		um_host_uncharge(FDS_STEP * FD_COST);
}

/* With the last descriptor of a removed file the host frees what it held. */
static void close_taken(struct inode *inode, const int *fds)
{
	bool slow = !inode->i_nlink && hostfs_large(inode);

	for (int use = 0; use < HOSTFS_READ_WRITE; use++)
		if (is_first(fds, use))
			call_host_close(inode->i_sb, HOSTFS_AS_SELF, slow,
					fds[use]);
	uncharge_fds();
}

/* Of readers of directories so many more, or fewer, are open. */
void hostfs_count_fds(int more)
{
	spin_lock(&fd_lock);
	nr_fds += more;
	spin_unlock(&fd_lock);
	if (more < 0)
		uncharge_fds();
}

/* Closes what has been idle longest. False when nothing is. */
bool hostfs_spare_fds(void)
{
	int fds[HOSTFS_READ_WRITE];

	spin_lock(&fd_lock);
	if (list_empty(&idle)) {
		spin_unlock(&fd_lock);
		return false;
	}
	take_fds(list_first_entry(&idle, struct hostfs_inode, idle), fds);
	spin_unlock(&fd_lock);

	/* The inode may be gone by now. It had a name, so this is quick. */
	for (int use = 0; use < HOSTFS_READ_WRITE; use++)
		if (is_first(fds, use))
			host_close(fds[use]);
	uncharge_fds();
	return true;
}

/* In another process, in which none is open. */
void hostfs_forget_idle(void)
{
	int fds[HOSTFS_READ_WRITE];

	while (!list_empty(&idle))
		take_fds(list_first_entry(&idle, struct hostfs_inode, idle),
			 fds);
}

static int fd_for(const struct hostfs_inode *hi, enum hostfs_use use)
{
	if (use == HOSTFS_READ_WRITE)
		return hi->fd[HOSTFS_READ] < 0 ? -1 : hi->fd[HOSTFS_WRITE];
	if (use != HOSTFS_PLACE)
		return hi->fd[use];

	/* Any descriptor knows its place. */
	for (int any = 0; any < HOSTFS_READ_WRITE; any++)
		if (hi->fd[any] >= 0)
			return hi->fd[any];
	return -1;
}

/* A descriptor that is there already, pinned, or -1. */
static int pin_open(struct hostfs_inode *hi, enum hostfs_use use)
{
	int fd;

	spin_lock(&fd_lock);
	fd = fd_for(hi, use);
	if (fd >= 0) {
		hi->pins++;
		if (!list_empty(&hi->idle)) {
			list_del_init(&hi->idle);
			nr_idle--;
		}
	}
	spin_unlock(&fd_lock);
	return fd;
}

static void unpin(struct inode *inode, bool close)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);
	int fds[HOSTFS_READ_WRITE] = { -1, -1, -1 };
	bool many;

	spin_lock(&fd_lock);
	if (!--hi->pins) {
		if (close) {
			take_fds(hi, fds);
		} else {
			list_add_tail(&hi->idle, &idle);
			nr_idle++;
		}
	}
	many = nr_idle > max_idle;
	spin_unlock(&fd_lock);

	close_taken(inode, fds);
	if (many)
		hostfs_spare_fds();
}

void hostfs_unpin(struct inode *inode)
{
	unpin(inode, !HOSTFS_SB(inode->i_sb)->private && !S_ISDIR(inode->i_mode));
}

/*
 * Of a file just made, that its maker is about to open: the mode may forbid to
 * open it again.
 */
void hostfs_unpin_new(struct inode *inode)
{
	unpin(inode, false);
}

/* The inode takes over a descriptor just opened, and it is pinned. */
void hostfs_adopt_fd(struct inode *inode, int fd, enum hostfs_use use)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);
	int surplus = -1;

	spin_lock(&fd_lock);
	if (use == HOSTFS_READ_WRITE) {
		if (hi->fd[HOSTFS_READ] < 0)
			hi->fd[HOSTFS_READ] = fd;
		if (hi->fd[HOSTFS_WRITE] < 0)
			hi->fd[HOSTFS_WRITE] = fd;
		if (hi->fd[HOSTFS_READ] != fd && hi->fd[HOSTFS_WRITE] != fd)
			surplus = fd;
	} else if (hi->fd[use] < 0) {
		hi->fd[use] = fd;
	} else {
		surplus = fd;
	}
	nr_fds += surplus < 0;
	hi->pins++;
	if (!list_empty(&hi->idle)) {
		list_del_init(&hi->idle);
		nr_idle--;
	}
	spin_unlock(&fd_lock);

	if (surplus >= 0)
		host_close(surplus);
}

void hostfs_close_fds(struct inode *inode)
{
	int fds[HOSTFS_READ_WRITE];

	spin_lock(&fd_lock);
	take_fds(HOSTFS_I(inode), fds);
	spin_unlock(&fd_lock);
	close_taken(inode, fds);
}

/* Whoever has come in may have the last ones, and what a shell of theirs runs. */
static bool may_have_last(void)
{
	struct files_struct *files = current->files;
	bool few, let_in;

	rcu_read_lock();
	few = !files || files_fdtable(files)->max_fds <= NR_OPEN_DEFAULT;
	let_in = few && (oom_lets_in(current) ||
			 oom_lets_in(rcu_dereference(current->real_parent)));
	rcu_read_unlock();
	return let_in;
}

/* Whether one more may be opened, or what is idle must go first. */
bool hostfs_may_open(void)
{
	return (READ_ONCE(nr_fds) < max_fds && charge_fd()) || may_have_last();
}

/*
 * Opens @dentry by its name in @parent, which is open. On a shared tree the
 * name may have become another file's.
 */
static int open_child(struct dentry *parent, struct dentry *dentry, int dir,
		      enum hostfs_use use)
{
	struct super_block *sb = dentry->d_sb;
	struct name_snapshot name;
	struct hostfs_stat st;
	int fd, err;

	take_dentry_name_snapshot(&name, dentry);
	fd = hostfs_open_sparing(as_owner(sb, host_open, dir, name.name.name,
					  use));
	release_dentry_name_snapshot(&name);
	if (fd < 0 || HOSTFS_SB(sb)->private)
		return fd;

	err = as_self(sb, host_stat, fd, "", &st);
	if (!err && !hostfs_same_file(d_inode(dentry), &st))
		err = -ESTALE;
	if (err) {
		host_close(fd);
		return err;
	}
	return fd;
}

/*
 * Pins the place of the nearest ancestor of @dentry that has a descriptor (the
 * root always has), and returns it; *child is the step below it, on the way.
 */
static struct dentry *open_ancestor(struct dentry *dentry, int *dir,
				    struct dentry **child)
{
	struct dentry *parent;

	*child = dget(dentry);
	for (;;) {
		parent = dget_parent(*child);
		*dir = pin_open(HOSTFS_I(d_inode(parent)), HOSTFS_PLACE);
		if (*dir >= 0)
			return parent;
		dput(*child);
		*child = parent;
	}
}

/*
 * Opens @dentry, and before it every directory above that is not open. A
 * rename meanwhile may have led us astray: then once more.
 */
static int open_by_name(struct dentry *dentry, enum hostfs_use use)
{
	struct dentry *parent, *child;
	unsigned int seq;
	int dir, fd;
	bool there;

	do {
		seq = read_seqbegin(&rename_lock);
		parent = open_ancestor(dentry, &dir, &child);
		there = child == dentry;
		fd = open_child(parent, child, dir,
				there ? use : HOSTFS_PLACE);
		if (fd >= 0 && read_seqretry(&rename_lock, seq)) {
			host_close(fd);
			fd = -EAGAIN;
		} else if (fd < 0 && read_seqretry(&rename_lock, seq)) {
			fd = -EAGAIN;
		} else if (fd >= 0 && !there) {
			hostfs_adopt_fd(d_inode(child), fd, HOSTFS_PLACE);
			hostfs_unpin(d_inode(child));
			fd = -EAGAIN;
		}
		hostfs_unpin(d_inode(parent));
		dput(child);
		dput(parent);
	} while (fd == -EAGAIN);
	return fd;
}

static int open_again(struct inode *inode, int fd, enum hostfs_use use)
{
	return hostfs_open_sparing(as_owner(inode->i_sb, host_reopen, fd, use));
}

/*
 * A descriptor of @inode for @use, until hostfs_unpin(). @dentry is one of its
 * names, or NULL for any.
 */
int hostfs_pin(struct inode *inode, struct dentry *dentry, enum hostfs_use use)
{
	struct hostfs_inode *hi = HOSTFS_I(inode);
	struct dentry *alias = NULL;
	int place, fd;

	fd = pin_open(hi, use);
	if (fd >= 0)
		return fd;

	mutex_lock(&hi->fd_mutex);
	fd = pin_open(hi, use);
	if (fd >= 0)
		goto out;

	place = pin_open(hi, HOSTFS_PLACE);
	if (place >= 0) {
		fd = open_again(inode, place, use);
		hostfs_unpin(inode);
	} else {
		if (!dentry || d_unhashed(dentry)) {
			alias = d_find_alias(inode);
			dentry = alias;
		}
		fd = dentry ? open_by_name(dentry, use) : -ESTALE;
		dput(alias);
	}
	if (fd >= 0) {
		hostfs_adopt_fd(inode, fd, use);
		spin_lock(&fd_lock);
		fd = fd_for(hi, use);
		spin_unlock(&fd_lock);
	}
out:
	mutex_unlock(&hi->fd_mutex);
	return fd == -EMFILE ? -ENFILE : fd;
}

/*
 * @dentry is about to be removed. Whoever else refers to the inode must find
 * it without a name.
 */
void hostfs_keep_fd(struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct hostfs_inode *hi = HOSTFS_I(inode);

	if (hi->keep || d_count(dentry) <= 1)
		return;
	if (hostfs_pin(inode, dentry, HOSTFS_PLACE) >= 0)
		hi->keep = true;
}
