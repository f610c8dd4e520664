/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __UM_FS_HOSTFS_CALL
#define __UM_FS_HOSTFS_CALL

#include <linux/args.h>
#include <linux/list.h>
#include <linux/types.h>
#include "hostfs.h"

struct completion;
struct super_block;
struct work_struct;

/* Whom the host is to take a call for. */
enum hostfs_as {
	HOSTFS_AS_SELF,		/* the kernel: for calls on an open descriptor */
	HOSTFS_AS_OWNER,	/* the tree's, where it has one, else the kernel */
	HOSTFS_AS_CALLER,	/* the tree's owner, else the calling process */
};

/* A call of the host on its way. Its arguments are in what surrounds it. */
struct hostfs_call {
	long (*run)(struct hostfs_call *call);	/* on whichever thread */
	void (*done)(struct hostfs_call *call);	/* in the interrupt */
	struct completion *sleeper;
	long result;

	enum hostfs_as as;
	unsigned int uid, gid;

	struct hostfs_calls *calls;
	struct list_head list;
	unsigned long since;			/* in jiffies */
};

/* The calls of a tree that helper threads make. */
struct hostfs_calls {
	struct list_head under_way;		/* oldest first */
	struct list_head waiting;
	int nr_under_way;
	bool slow;				/* any call may take long */
	unsigned long slow_until;		/* or may do so for now */
};

/* call.c */
void hostfs_calls_init(struct hostfs_calls *calls, bool slow);
void hostfs_later(struct work_struct *work);
int hostfs_hold_calls(void);
void hostfs_release_calls(void);
void hostfs_submit(struct super_block *sb, struct hostfs_call *call);
long hostfs_call(struct super_block *sb, struct hostfs_call *call,
		 enum hostfs_as as, bool slow);

/*
 * call_host_x(sb, as, slow, ...) makes the call host_x(...): by a helper thread
 * while this process sleeps if @slow or if the tree is, else at once.
 */
#define HOST_CALL(name, ...)						\
	CONCATENATE(HOST_CALL, COUNT_ARGS(__VA_ARGS__))(name, __VA_ARGS__)

#define HOST_CALL1(name, t1)						\
	__HOST_CALL(name, (t1 a1;), (, t1 a1), (c->a1), (, a1))
#define HOST_CALL2(name, t1, t2)					\
	__HOST_CALL(name, (t1 a1; t2 a2;), (, t1 a1, t2 a2),		\
		    (c->a1, c->a2), (, a1, a2))
#define HOST_CALL3(name, t1, t2, t3)					\
	__HOST_CALL(name, (t1 a1; t2 a2; t3 a3;),			\
		    (, t1 a1, t2 a2, t3 a3),				\
		    (c->a1, c->a2, c->a3), (, a1, a2, a3))
#define HOST_CALL4(name, t1, t2, t3, t4)				\
	__HOST_CALL(name, (t1 a1; t2 a2; t3 a3; t4 a4;),		\
		    (, t1 a1, t2 a2, t3 a3, t4 a4),			\
		    (c->a1, c->a2, c->a3, c->a4), (, a1, a2, a3, a4))
#define HOST_CALL5(name, t1, t2, t3, t4, t5)				\
	__HOST_CALL(name, (t1 a1; t2 a2; t3 a3; t4 a4; t5 a5;),		\
		    (, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5),		\
		    (c->a1, c->a2, c->a3, c->a4, c->a5),		\
		    (, a1, a2, a3, a4, a5))

#define __HOST_CALL(name, members, params, pass, take)			\
struct name##_call {							\
	struct hostfs_call call;					\
	__LIST members							\
};									\
									\
static inline long run_##name(struct hostfs_call *call)			\
{									\
	struct name##_call *c = container_of(call, struct name##_call, call); \
									\
	return name pass;						\
}									\
									\
static inline long call_##name(struct super_block *sb, enum hostfs_as as, \
			       bool slow __LIST params)			\
{									\
	struct name##_call c = { { .run = run_##name } __LIST take };	\
									\
	return hostfs_call(sb, &c.call, as, slow);			\
}

#define __LIST(...) __VA_ARGS__

HOST_CALL(host_open_root, const char *)
HOST_CALL(host_open, int, const char *, enum hostfs_use)
HOST_CALL(host_reopen, int, enum hostfs_use)
HOST_CALL(host_close, int)
HOST_CALL(host_stat, int, const char *, struct hostfs_stat *)
HOST_CALL(host_access, int, int)
HOST_CALL(host_may_execute, int, unsigned int, unsigned int)
HOST_CALL(host_create, int, const char *, unsigned int)
HOST_CALL(host_tmpfile, int, unsigned int)
HOST_CALL(host_mkdir, int, const char *, unsigned int)
HOST_CALL(host_mknod, int, const char *, unsigned int, unsigned int, unsigned int)
HOST_CALL(host_symlink, int, const char *, const char *)
HOST_CALL(host_link, int, int, const char *)
HOST_CALL(host_unlink, int, const char *, int)
HOST_CALL(host_rename, int, const char *, int, const char *, unsigned int)
HOST_CALL(host_readlink, int, char *, int)
HOST_CALL(host_set_attr, int, const struct hostfs_attr *)
HOST_CALL(host_read_dir, int, long long, void *, int)
HOST_CALL(host_statfs, int, struct hostfs_statfs *)
HOST_CALL(host_read_quota, const char *, struct hostfs_quota *)
HOST_CALL(host_read_file, const char *, char *, int)
HOST_CALL(host_find, int, unsigned long long, char *, int)
HOST_CALL(host_append, int, const struct iovec *, int)
HOST_CALL(host_transfer, int, struct iovec *, int, long long, int)
HOST_CALL(host_syncfs, int)
HOST_CALL(host_fallocate, int, int, long long, long long)
HOST_CALL(host_copy_range, int, long long, int, long long, unsigned long)
HOST_CALL(host_getxattr, int, const char *, void *, unsigned long)
HOST_CALL(host_setxattr, int, const char *, const void *, unsigned long, int)
HOST_CALL(host_removexattr, int, const char *)
HOST_CALL(host_listxattr, int, char *, unsigned long)

#endif
