/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Images of a running machine: what is taken to write one, and what makes a
 * machine of it again. See arch/um/kernel/image.c.
 */

#ifndef __UM_IMAGE_H
#define __UM_IMAGE_H

/* os-Linux/image.c */
int os_image_take(int control, int memory, unsigned long long size);
void os_image_begin(void);
int os_image_owned(int fd);
int os_image_strays(void);
void os_image_host_again(void);
void os_image_signals_again(void);
long long os_image_clock(void);
int os_put_fd(int fd, int at);
int os_lost_fd(int at);

/* The rest of os-Linux */
struct os_helper_thread;
void os_join_helper_thread(struct os_helper_thread *td);
int os_epoll_fd(void);
void os_epoll_again(void);
int os_idle_fd(void);
void os_idle_again(void);
void os_sigio_stop(void);
void os_sigio_go_on(void);
int os_sigio_fd(void);
int os_stub_exe_fd(void);
void os_stub_exe_again(void);
int os_umid_again(void);

/* The process of a stub that is started when it is next needed, see mmu.c */
#define UM_STUB_GONE	(-2)

struct mm_id;
int um_stub_again(struct mm_id *mm_id);

/* os-Linux/restore.c */
_Noreturn void os_restore(int memory, int state);
void os_restored(void);

#ifndef __UM_HOST__

#include <linux/list.h>
#include <linux/types.h>

/* drivers/char/random.c */
void reseed_from_image(const void *seed, size_t len);

/**
 * struct um_image_user - has state on the host that an image can't hold
 * @prepare: before the machine stops, and may sleep: let nothing be under way.
 * @own:	call os_image_owned() for each descriptor that @again makes again;
 *	the machine stands still. Not 0: it can't be now, later perhaps.
 * @keep:	all is owned, and the machine stands still: what may take longer.
 * @again:	in what was made of an image: make them again, under the same
 *	numbers. The machine stands still.
 * @done:	the machine runs again, whatever has become of the image; @copy if
 *	this is what was made of it.
 */
struct um_image_user {
	struct list_head list;
	const char *name;
	int (*prepare)(void);
	int (*own)(void);
	int (*keep)(void);
	void (*again)(void);
	void (*done)(bool copy);
};

void um_image_register(struct um_image_user *user);
int um_image(int control);

/* The current process' stub is being started again */
extern bool um_stub_starting;

/* Of others, in the order in which image.c calls them */
int um_physmem_fd(void);
void um_sched_clock_slept(long long ns);
int um_stubs_own(void);
void um_stubs_forget(void);
void um_irqs_again(void);

#endif
#endif
