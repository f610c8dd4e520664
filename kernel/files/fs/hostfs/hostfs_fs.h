/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __UM_FS_HOSTFS_FS
#define __UM_FS_HOSTFS_FS

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/uidgid.h>
#include "call.h"
#include "hostfs.h"
#include "tree.h"

struct watch;

struct hostfs_sb {
	char *path;
	const struct hostfs_tree *tree;	/* NULL where no tree was given */
	/*
	 * Nobody but this machine changes the tree: what is known of it stays
	 * true. Otherwise all is asked again.
	 */
	bool private;
	bool flagged;			/* some files have flags, see flags.c */
	bool sides;			/* some have attributes beside, see side.c */
	struct mutex covered_mutex;	/* see covered.c: */
	char *covered;
	int covered_len;
	unsigned long covered_asked;	/* in jiffies */
	unsigned int dev_major, dev_minor;
	struct hostfs_calls calls;
};

struct hostfs_inode {
	struct inode vfs_inode;
	dev_t dev;
	struct hostfs_timespec btime;

	/* Descriptors on the host, see fd.c. Several may be the same one. */
	struct mutex fd_mutex;
	int fd[HOSTFS_READ_WRITE];
	unsigned int pins;
	bool keep;
	struct list_head idle;

	/* Under i_lock: */
	unsigned int changes;	/* made here, to tell an answer that is older */
	bool stale;		/* the host knows better */
	unsigned long asked;	/* in jiffies */
	unsigned long touched;	/* in jiffies, changed here */
	bool racy;		/* changed too recently for its time to tell */

	bool no_caps;		/* known to have no security.capability */
	struct watch *watch;	/* somebody does, see notify.c */
	unsigned int flags;	/* chattr(1)'s, see flags.c */
	bool marked;		/* a node that the host refused, see node.c */
	bool nodes_asked, has_nodes;	/* a directory that may hold such */
};

static inline struct hostfs_inode *HOSTFS_I(struct inode *inode)
{
	return container_of(inode, struct hostfs_inode, vfs_inode);
}

static inline struct hostfs_sb *HOSTFS_SB(struct super_block *sb)
{
	return sb->s_fs_info;
}

/* The tree, where it has an owner. */
static inline const struct hostfs_tree *hostfs_squash(struct super_block *sb)
{
	const struct hostfs_tree *tree = HOSTFS_SB(sb)->tree;

	return tree && tree->squash ? tree : NULL;
}

/*
 * Calls of the host that hardly ever wait for a disk, as the owner of @sb's tree
 * where it has one, and otherwise as the kernel. Reading and writing an open
 * descriptor needs no owner.
 */
#define as_owner(sb, name, ...) \
	call_##name(sb, HOSTFS_AS_OWNER, false, __VA_ARGS__)
#define as_self(sb, name, ...) \
	call_##name(sb, HOSTFS_AS_SELF, false, __VA_ARGS__)
/* What it makes belongs to the calling process, in a tree without an owner. */
#define as_caller(sb, name, ...) \
	call_##name(sb, HOSTFS_AS_CALLER, false, __VA_ARGS__)

/* What the host may need long to free, or to copy. */
static inline bool hostfs_large(struct inode *inode)
{
	return S_ISREG(inode->i_mode) && i_size_read(inode) >= SZ_16M;
}

/* fd.c */
void hostfs_fd_init(void);
int hostfs_pin(struct inode *inode, struct dentry *dentry, enum hostfs_use use);
void hostfs_unpin(struct inode *inode);
void hostfs_unpin_new(struct inode *inode);
void hostfs_adopt_fd(struct inode *inode, int fd, enum hostfs_use use);
void hostfs_keep_fd(struct dentry *dentry);
void hostfs_close_fds(struct inode *inode);
bool hostfs_spare_fds(void);
bool hostfs_may_open(void);
void hostfs_count_fds(int more);

/* Opens until it works or nothing is left that could be closed for it. */
#define hostfs_open_sparing(open) ({					\
	int got_;							\
									\
	do {								\
		got_ = hostfs_may_open() ? (open) : -ENFILE;		\
	} while ((got_ == -EMFILE || got_ == -ENFILE) &&		\
		 hostfs_spare_fds());					\
	got_;								\
})

void hostfs_forget_idle(void);

static inline bool hostfs_has_fds(struct inode *inode)
{
	const int *fd = HOSTFS_I(inode)->fd;

	return fd[HOSTFS_PLACE] >= 0 || fd[HOSTFS_READ] >= 0 ||
	       fd[HOSTFS_WRITE] >= 0;
}

/* image.c */
void hostfs_image_init(void);

/* inode.c */
extern const struct inode_operations hostfs_file_iops;
extern const struct inode_operations hostfs_link_iops;
struct inode *hostfs_iget(struct super_block *sb, const struct hostfs_stat *st);
bool hostfs_same_file(struct inode *inode, const struct hostfs_stat *st);
void hostfs_changed(struct inode *inode);
void hostfs_apply(struct inode *inode, const struct hostfs_stat *st,
		  unsigned int changes, bool ours);
int hostfs_refresh(struct inode *inode, struct dentry *dentry, bool ours);
bool hostfs_fresh(struct inode *inode);
int hostfs_permission(struct mnt_idmap *idmap, struct inode *inode, int mask);
int hostfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		   struct kstat *stat, u32 request_mask, unsigned int flags);
int hostfs_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		   struct iattr *attr);
int hostfs_update_time(struct inode *inode, enum fs_update_time type,
		       unsigned int flags);

/* export.c, covered.c */
extern const struct export_operations hostfs_export_ops;
bool hostfs_is_covered(struct inode *inode);

/* notify.c */
void hostfs_notify_init(void);
void hostfs_forget_watch(struct inode *inode);

/* flags.c */
int hostfs_read_flags(struct super_block *sb, int dir_fd, const char *name,
		      struct hostfs_stat *st);
int hostfs_read_root_flags(struct super_block *sb, int fd,
			   struct hostfs_stat *st);
void hostfs_apply_flags(struct inode *inode, unsigned int flags);
int hostfs_fileattr_get(struct dentry *dentry, struct file_kattr *fa);
int hostfs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
			struct file_kattr *fa);

/* hostfs_kern.c */
extern const struct inode_operations hostfs_dir_iops;
extern const struct dentry_operations hostfs_shared_dops;

/* sync.c */
int hostfs_sync(struct inode *inode, struct dentry *dentry, enum hostfs_use use,
		int (*sync)(int fd));

/* super.c */
extern struct file_system_type hostfs_type;

/* dir.c, file.c, data.c */
int hostfs_own_readers(void);
void hostfs_forget_readers(void);
extern const struct file_operations hostfs_dir_fops;
extern const struct file_operations hostfs_file_fops;
extern const struct address_space_operations hostfs_aops;
void hostfs_zero_tail(struct inode *inode);
void hostfs_data_changed(struct inode *inode, int fd);
ssize_t hostfs_write_data(struct kiocb *iocb, struct iov_iter *from);

#endif
