// SPDX-License-Identifier: GPL-2.0
/*
 * Images of a running machine.
 *
 * All that a machine is, is the memory of one process: its physical memory, a
 * file, and what little the kernel has beside it. Programs' registers are in
 * there whenever the kernel runs. So the kernel stops, writes down its own
 * process (os-Linux/image.c), hands that out together with the memory, and goes
 * on when the other side has copied them. "restore=" makes a machine of the two
 * in another process (os-Linux/restore.c), which goes on from the same point.
 *
 * What that process lacks are the things it had on the host: descriptors,
 * timers, threads, the processes that programs ran in. Each has somebody here
 * who makes it again (struct um_image_user), under the same number. Descriptors
 * that the process inherited are given anew by whoever restores it. A program's
 * process is made again when that program runs next.
 *
 * For the machine it was a suspend: CLOCK_MONOTONIC stood still, the others
 * jump. Random numbers begin anew before anything else runs.
 */

#define pr_fmt(fmt) "image: " fmt

#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/timekeeping.h>
#include <as-layout.h>
#include <init.h>
#include <kern_util.h>
#include <os.h>
#include <skas.h>
#include <image.h>
#include "../../../kernel/time/timekeeping.h"

/* How long something may be under way that an image can't hold. */
#define TRIES		100
#define TRY_AGAIN_MS	5

static LIST_HEAD(users);
static int under_way;	/* a descriptor that nobody owns */
static DEFINE_MUTEX(image_lock);

void um_image_register(struct um_image_user *user)
{
	list_add_tail(&user->list, &users);
}

/* 0: all that this process has is somebody's. */
static int owned(int control)
{
	struct um_image_user *user;
	int err, stray;

	os_image_begin();
	for (int fd = 0; fd <= 2; fd++)
		os_image_owned(fd);
	os_image_owned(control);
	os_image_owned(um_physmem_fd());
	os_image_owned(os_stub_exe_fd());
	os_image_owned(os_epoll_fd());
	os_image_owned(os_idle_fd());
	err = um_stubs_own();
	list_for_each_entry(user, &users, list)
		if (!err && user->own)
			err = user->own();
	stray = err ? 0 : os_image_strays();
	if (stray > 0)
		under_way = stray;
	if (err || stray)
		return err ?: stray > 0 ? -EAGAIN : stray;
	list_for_each_entry(user, &users, list)
		if (!err && user->keep)
			err = user->keep();
	return err;
}

static void begin_anew(void)
{
	struct um_image_user *user;

	os_image_host_again();
	os_stub_exe_again();
	os_idle_again();
	os_timer_create();
	um_sched_clock_slept(os_nsecs() - os_image_clock());
	um_stubs_forget();
	list_for_each_entry(user, &users, list)
		if (user->again)
			user->again();
	um_irqs_again();
}

static void seed_anew(void)
{
	u8 seed[32];

	if (os_getrandom(seed, sizeof(seed), 0) == sizeof(seed))
		reseed_from_image(seed, sizeof(seed));
	memzero_explicit(seed, sizeof(seed));
}

struct taking {
	int control, result;
};

/* On the first thread's stack, with nothing else running. */
static void take(void *data)
{
	struct taking *taking = data;
	int err;

	taking->result = owned(taking->control);
	if (taking->result)
		return;
	timekeeping_suspend();
	err = os_image_take(taking->control, um_physmem_fd(), physmem_size);
	if (err == 1)
		begin_anew();
	timekeeping_resume();
	if (err == 1) {
		seed_anew();
		os_image_signals_again();
	}
	taking->result = err;
}

/**
 * um_image() - have an image taken
 * @control:	a connected socket of the host's; it is sent the word "image"
 *	with two descriptors, memory and state, and the machine stands still
 *	until it is answered with "g", or closed.
 *
 * Return: 0, 1 in what was made of the image, or an error.
 */
int um_image(int control)
{
	struct taking taking = { .control = control };
	struct um_image_user *user;
	int tries = TRIES, err;

	if (!using_seccomp)
		return -EOPNOTSUPP;
	guard(mutex)(&image_lock);
	for (;;) {
		err = 0;
		list_for_each_entry(user, &users, list)
			if (!err && user->prepare)
				err = user->prepare();
		if (!err) {
			initial_thread_cb(take, &taking);
			err = taking.result;
		}
		list_for_each_entry_reverse(user, &users, list)
			if (user->done)
				user->done(err == 1);
		if (err != -EAGAIN || !--tries)
			break;
		msleep(TRY_AGAIN_MS);
	}
	if (err == 1) {
		pr_info("goes on from an image\n");
		/* Something may have come, or gone, meanwhile. */
		send_sigio_to_self();
	} else if (err) {
		pr_err("not taken: %d, descriptor %d\n", err, under_way);
	}
	return err == -EAGAIN ? -EBUSY : err;
}

static int __init restore_setup(char *line, int *add)
{
	int memory, state;

	*add = 0;
	if (sscanf(line, "%d,%d", &memory, &state) != 2) {
		os_warn("restore=%s: two descriptors are needed\n", line);
		return 0;
	}
	os_restore(memory, state);
}

__uml_setup("restore=", restore_setup,
	    "restore=<memory>,<state>\n"
	    "    Go on from an image: two inherited descriptors, of files with what the\n"
	    "    mconsole command \"image\" has handed out. TMPDIR names the place for\n"
	    "    memory. Nothing else of the command line counts.\n\n"
);
