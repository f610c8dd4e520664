/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __UM_FS_HOSTFS
#define __UM_FS_HOSTFS

/*
 * What hostfs asks of the host. All calls return a negative errno where they
 * fail. A directory is an open descriptor, a name is one component, and an
 * empty name is the descriptor itself.
 */

#include <os.h>

struct iovec;

struct hostfs_timespec {
	long long tv_sec;
	long long tv_nsec;
};

struct hostfs_stat {
	unsigned long long ino;
	unsigned int mode;
	unsigned int nlink;
	unsigned int uid;
	unsigned int gid;
	unsigned long long size;
	struct hostfs_timespec atime, mtime, ctime, btime;
	unsigned long long blocks;
	struct {
		unsigned int maj;
		unsigned int min;
	} rdev, dev;
	int marked;		/* not what the host has there: see node.c */
	unsigned int flags;	/* chattr(1)'s, see flags.c */
};

/* What host_set_attr() is to change. */
#define HOST_SET_OWNER	1
#define HOST_SET_MODE	2
#define HOST_SET_SIZE	4
#define HOST_SET_ATIME	8
#define HOST_SET_MTIME	16

struct hostfs_attr {
	unsigned int set;
	unsigned int mode;
	unsigned int uid, gid;		/* -1: as it is */
	long long size;
	struct hostfs_timespec atime, mtime;
};

struct hostfs_statfs {
	long type;
	long bsize;
	long namelen;
	unsigned long long blocks, bfree, bavail, files, ffree;
	int fsid[2];
};

/* In bytes. */
struct hostfs_quota {
	unsigned long long limit, used;
};

/* What a descriptor is good for: more than a place needs the right to it. */
enum hostfs_use {
	HOSTFS_PLACE,			/* attributes, and names in a directory */
	HOSTFS_READ,
	HOSTFS_WRITE,
	HOSTFS_READ_WRITE,
};

/* names_user.c */
int host_open_root(const char *path);
int host_open(int dir, const char *name, enum hostfs_use use);
int host_reopen(int fd, enum hostfs_use use);
int host_stat(int dir, const char *name, struct hostfs_stat *st);
int host_access(int fd, int mode);
int host_create(int dir, const char *name, unsigned int mode);
int host_tmpfile(int dir, unsigned int mode);
int host_mkdir(int dir, const char *name, unsigned int mode);
int host_mknod(int dir, const char *name, unsigned int mode,
	       unsigned int major, unsigned int minor);
int host_symlink(int dir, const char *name, const char *target);
int host_link(int fd, int dir, const char *name);
int host_unlink(int dir, const char *name, int is_dir);
int host_rename(int dir, const char *name, int new_dir, const char *new_name,
		unsigned int flags);
int host_readlink(int fd, char *buf, int size);
int host_set_attr(int fd, const struct hostfs_attr *attr);
int host_read_dir(int fd, long long pos, void *buf, int size);
int host_statfs(int fd, struct hostfs_statfs *sf);
int host_read_quota(const char *path, struct hostfs_quota *quota);
int host_read_file(const char *path, char *buf, int size);
int host_is_local(const struct hostfs_statfs *sf);
int host_most_descriptors(void);
int host_close(int fd);

/* find_user.c */
int host_find(int root, unsigned long long ino, char *path, int size);

/* access_user.c */
void host_learn_groups(void);
int host_may_execute(int fd, unsigned int uid, unsigned int gid);
int host_open_below(int dir, const char *path, enum hostfs_use use);
int host_keep(int fd, int dir, const char *name);

/* data_user.c */
long host_read_cached(int fd, const struct iovec *iov, int count, long long pos);
long host_append(int fd, const struct iovec *iov, int count);
long host_transfer(int fd, struct iovec *iov, int count, long long pos,
		   int write);
int host_fsync(int fd);
int host_fdatasync(int fd);
int host_syncfs(int fd);
int host_fallocate(int fd, int mode, long long offset, long long len);
long long host_seek(int fd, long long offset, int whence);
long host_copy_range(int in, long long from, int out, long long to,
		     unsigned long len);

/* xattr_user.c */
long host_getxattr(int fd, const char *name, void *value, unsigned long size);
int host_setxattr(int fd, const char *name, const void *value,
		  unsigned long size, int flags);
int host_removexattr(int fd, const char *name);
long host_listxattr(int fd, char *list, unsigned long size);

/* helper_user.c */
int host_open_pipes(void);
void host_close_pipes(void);
int host_start_helper(void (*perform)(void *call),
		      struct os_helper_thread **thread);
void host_end_helpers(struct os_helper_thread **threads, int count);
void host_hand_over(void *call);
void *host_take_back(void);
long long host_waited_for_turns(void);

/* identity_user.c */
void hostfs_identity_init(void);
void hostfs_act_as(unsigned int uid, unsigned int gid);
void hostfs_act_as_self(unsigned int uid, unsigned int gid);
int hostfs_act_as_owner(unsigned int uid, unsigned int gid);
void hostfs_stop_as_owner(void);

#endif
