// SPDX-License-Identifier: GPL-2.0
/*
 * Which thread makes a call of the host.
 *
 * All of this kernel is one thread of the host's: what blocks that thread stops
 * the machine. A call that may take long is therefore made by a helper thread,
 * while the process that wants it sleeps. That costs some 10 us, several times
 * what most calls take, so those that hardly ever wait for a disk are made at
 * once, by the kernel's own thread. Where they do wait after all (a cold
 * directory, a file system that commits or is frozen) the tree is slow: for a
 * while, and as long as a call of it is stuck, all its calls are left to the
 * helpers. A tree of a kind that is not known to be on this host is slow for
 * good.
 *
 * A helper makes one call at a time, and there are as many as calls under way,
 * started when first needed. A tree has a few at most, so that one that hangs
 * does not take others with it. Helpers run no code of this kernel but what is
 * reached from perform(): they get a call through a pipe and send it back
 * through another, which interrupts.
 */

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <irq_kern.h>
#include <os.h>
#include "hostfs_fs.h"

#define UNDER_WAY_MAX	4	/* calls of a tree */
#define HELPERS_MAX	64	/* of all */
#define LONG_NS		(2 * NSEC_PER_MSEC)
#define STUCK		msecs_to_jiffies(20)
#define SLOW_FOR	msecs_to_jiffies(200)

static struct workqueue_struct *after_calls;

static DEFINE_SPINLOCK(calls_lock);	/* all struct hostfs_calls, and: */
static int nr_under_way;

static DEFINE_MUTEX(start_lock);
static bool pipes_open;
static int pipes_irq;
static int nr_helpers;
static struct os_helper_thread *helpers[HELPERS_MAX];

/* While an image is taken: what was submitted, and has to wait. */
static bool holding;
static LIST_HEAD(held);

/* On a helper, or the kernel's own thread. */
static void perform(void *data)
{
	struct hostfs_call *call = data;

	switch (call->as) {
	case HOSTFS_AS_SELF:
		call->result = call->run(call);
		break;
	case HOSTFS_AS_OWNER:
		if (hostfs_act_as_owner(call->uid, call->gid))
			call->result = call->run(call);
		else
			call->result = -EACCES;
		hostfs_stop_as_owner();
		break;
	case HOSTFS_AS_CALLER:
		hostfs_act_as(call->uid, call->gid);
		call->result = call->run(call);
		hostfs_act_as_self(call->uid, call->gid);
		break;
	}
}

static void identify(struct super_block *sb, struct hostfs_call *call,
		     enum hostfs_as as)
{
	const struct hostfs_tree *squash = hostfs_squash(sb);

	call->as = as;
	if (as == HOSTFS_AS_SELF)
		return;
	if (squash) {
		call->as = HOSTFS_AS_OWNER;
		call->uid = squash->uid;
		call->gid = squash->gid;
	} else if (as == HOSTFS_AS_OWNER) {
		call->as = HOSTFS_AS_SELF;
	} else {
		call->uid = from_kuid(&init_user_ns, current_fsuid());
		call->gid = from_kgid(&init_user_ns, current_fsgid());
	}
}

static void hand_over(struct hostfs_call *call)
{
	call->since = jiffies;
	list_add_tail(&call->list, &call->calls->under_way);
	host_hand_over(call);
}

static irqreturn_t calls_done(int irq, void *unused)
{
	struct hostfs_call *call, *next;

	while ((call = host_take_back())) {
		struct hostfs_calls *calls = call->calls;

		spin_lock(&calls_lock);
		list_del(&call->list);
		next = list_first_entry_or_null(&calls->waiting,
						struct hostfs_call, list);
		if (next) {
			list_del(&next->list);
			hand_over(next);
		} else {
			calls->nr_under_way--;
			nr_under_way--;
		}
		spin_unlock(&calls_lock);
		call->done(call);
	}
	return IRQ_HANDLED;
}

/* Once, with the first call that may take long. */
static int start_pipes(void)
{
	int fd, err;

	if (pipes_open)
		return 0;
	if (!after_calls)
		after_calls = alloc_workqueue("hostfs",
					      WQ_MEM_RECLAIM | WQ_PERCPU, 0);
	if (!after_calls)
		return -ENOMEM;
	fd = host_open_pipes();
	if (fd < 0)
		return fd;
	err = um_request_irq(UM_IRQ_ALLOC, fd, IRQ_READ, calls_done, 0, "hostfs",
			     &nr_helpers);
	if (err < 0) {
		host_close_pipes();
		return err;
	}
	pipes_irq = err;
	pipes_open = true;
	return 0;
}

/* As many helpers as are needed, if the host lets us have them; at least one. */
static bool start_helpers(int needed)
{
	unsigned int nofs;
	int err;

	if (likely(READ_ONCE(nr_helpers) >= needed))
		return true;
	mutex_lock(&start_lock);
	nofs = memalloc_nofs_save();	/* this may be writeback */
	err = start_pipes();
	while (!err && nr_helpers < needed && nr_helpers < HELPERS_MAX) {
		err = host_start_helper(perform, &helpers[nr_helpers]);
		if (!err)
			WRITE_ONCE(nr_helpers, nr_helpers + 1);
	}
	memalloc_nofs_restore(nofs);
	mutex_unlock(&start_lock);
	if (err)
		pr_warn_once("hostfs: no thread for calls that take long: %d\n",
			     err);
	return nr_helpers;
}

/* Begins a call; @call->done says when it has been made. */
static void submit(struct hostfs_call *call)
{
	struct hostfs_calls *calls = call->calls;
	unsigned long flags;
	int needed;

	spin_lock_irqsave(&calls_lock, flags);
	if (holding) {
		list_add_tail(&call->list, &held);
		spin_unlock_irqrestore(&calls_lock, flags);
		return;
	}
	spin_unlock_irqrestore(&calls_lock, flags);
	if (!start_helpers(1)) {
		perform(call);
		local_irq_save(flags);
		call->done(call);
		local_irq_restore(flags);
		return;
	}

	spin_lock_irqsave(&calls_lock, flags);
	if (calls->nr_under_way < UNDER_WAY_MAX) {
		calls->nr_under_way++;
		nr_under_way++;
		hand_over(call);
	} else {
		list_add_tail(&call->list, &calls->waiting);
	}
	needed = nr_under_way;
	spin_unlock_irqrestore(&calls_lock, flags);
	start_helpers(needed);
}

void hostfs_submit(struct super_block *sb, struct hostfs_call *call)
{
	call->calls = &HOSTFS_SB(sb)->calls;
	submit(call);
}

/*
 * Lets no call be under way, nor a helper be there, until they are released.
 * -EAGAIN where one takes longer than anybody wants to wait.
 */
int hostfs_hold_calls(void)
{
	unsigned long until = jiffies + HZ;

	scoped_guard(spinlock_irqsave, &calls_lock)
		holding = true;
	mutex_lock(&start_lock);	/* no helper is being started */
	while (READ_ONCE(nr_under_way)) {
		if (time_after(jiffies, until)) {
			mutex_unlock(&start_lock);
			return -EAGAIN;
		}
		schedule_timeout_uninterruptible(1);
	}
	if (pipes_open) {
		host_end_helpers(helpers, nr_helpers);
		nr_helpers = 0;
		um_free_irq(pipes_irq, &nr_helpers);
		host_close_pipes();
		pipes_open = false;
	}
	mutex_unlock(&start_lock);
	return 0;
}

void hostfs_release_calls(void)
{
	struct hostfs_call *call, *next;
	LIST_HEAD(calls);

	scoped_guard(spinlock_irqsave, &calls_lock) {
		holding = false;
		list_splice_init(&held, &calls);
	}
	list_for_each_entry_safe(call, next, &calls, list)
		submit(call);
}

/* What has to be done after a call and can't be in the interrupt. */
void hostfs_later(struct work_struct *work)
{
	queue_work(after_calls ?: system_percpu_wq, work);
}

/* Would a call on the kernel's own thread be likely to stop the machine? */
static bool is_slow(struct hostfs_calls *calls)
{
	struct hostfs_call *oldest;
	unsigned long flags;
	bool stuck;

	if (calls->slow || time_before(jiffies, READ_ONCE(calls->slow_until)))
		return true;
	if (!READ_ONCE(calls->nr_under_way))
		return false;
	spin_lock_irqsave(&calls_lock, flags);
	oldest = list_first_entry_or_null(&calls->under_way,
					  struct hostfs_call, list);
	stuck = oldest && time_after(jiffies, oldest->since + STUCK);
	spin_unlock_irqrestore(&calls_lock, flags);
	return stuck;
}

static void wake_sleeper(struct hostfs_call *call)
{
	complete(call->sleeper);
}

/*
 * Did a call that took this long wait for the host, rather than for a turn on a
 * busy processor? Not sure if there was that much waiting for turns since the
 * last long call; then the next one will tell.
 */
static bool was_blocked(long long took)
{
	static long long last;
	long long turns = host_waited_for_turns();
	bool blocked = turns < 0 || turns - last < took / 2;

	last = turns;
	return blocked;
}

/* Makes a call, and returns its result. */
long hostfs_call(struct super_block *sb, struct hostfs_call *call,
		 enum hostfs_as as, bool slow)
{
	struct hostfs_calls *calls = &HOSTFS_SB(sb)->calls;
	DECLARE_COMPLETION_ONSTACK(done);
	long long took;

	identify(sb, call, as);
	if (!slow && !is_slow(calls)) {
		took = -os_nsecs();
		perform(call);
		took += os_nsecs();
		if (unlikely(took > LONG_NS) && was_blocked(took))
			WRITE_ONCE(calls->slow_until, jiffies + SLOW_FOR);
		return call->result;
	}
	call->done = wake_sleeper;
	call->sleeper = &done;
	hostfs_submit(sb, call);
	wait_for_completion_io(&done);
	return call->result;
}

void hostfs_calls_init(struct hostfs_calls *calls, bool slow)
{
	INIT_LIST_HEAD(&calls->under_way);
	INIT_LIST_HEAD(&calls->waiting);
	calls->slow = slow;
	calls->slow_until = jiffies;
}
