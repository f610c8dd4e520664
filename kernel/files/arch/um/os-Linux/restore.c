// SPDX-License-Identifier: GPL-2.0
/*
 * Restoring an image: this process, which has just been started, becomes the
 * one whose state was written. Whoever gives the image also gives, under the
 * same numbers, what that one was given by its parent; the rest of what it had
 * on the host is made again when it is back: see arch/um/kernel/image.c.
 *
 * Program and addresses are the same: the kernel is linked statically, and
 * started without randomization.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <as-layout.h>
#include <init.h>
#include <kern_util.h>
#include <os.h>
#include <image.h>
#include <sysdep/stub.h>
#include "image_format.h"
#include "internal.h"

/* Where nothing of this kernel's is, or ever will be, but for a moment. */
#define PLAN		0x200000000000UL
#define STACK_SIZE	(64 * 1024)

/* All that is needed while the rest of this process is replaced. */
struct plan {
	_Alignas(16) char stack[STACK_SIZE];
	struct image_header header;
	int fd, memory;
	struct image_mapping mappings[IMAGE_MAPPINGS];
	struct image_run runs[IMAGE_RUNS];
};

static _Noreturn void fail(const char *what, int error)
{
	os_warn("restore: %s%s%s\n", what, error ? ": " : "",
		error ? strerror(error) : "");
	exit(1);
}

/* Only what is there is written, so that the rest stays a hole. */
static void copy_memory(int from, int to, unsigned long long size)
{
	loff_t at = 0, end;
	ssize_t n;

	while (at < (loff_t)size) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break;
		if (at < 0)
			fail("no memory in it", errno);
		if (at >= (loff_t)size)
			break;
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || end > (loff_t)size)
			end = size;
		if (lseek(to, at, SEEK_SET) < 0)
			fail("cannot seek", errno);
		while (at < end) {
			n = sendfile(to, from, &at, end - at);
			if (n <= 0)
				fail("cannot copy its memory", n ? errno : EIO);
		}
	}
}

static void check(const struct image_header *header)
{
	struct image_header here;

	if (header->magic != IMAGE_MAGIC)
		fail("not an image", 0);
	image_describe_host(&here);
	if (memcmp(here.build, header->build, sizeof(here.build)))
		fail("of another kernel", 0);
	if (memcmp(here.cpu, header->cpu, sizeof(here.cpu)))
		fail("of another kind of processor", 0);
	if (here.vdso != header->vdso || here.vdso_sum != header->vdso_sum)
		fail("of a host with another kernel", 0);
	if (header->nr_mappings < 0 || header->nr_mappings > IMAGE_MAPPINGS ||
	    header->nr_runs < 0 || header->nr_runs > IMAGE_RUNS ||
	    header->memory_fd < 0 || header->memory_fd > header->last_fd)
		fail("damaged", 0);
}

static void get(int fd, void *to, unsigned long len, unsigned long long at)
{
	if (pread(fd, to, len, at) != (ssize_t)len)
		fail("ends early", 0);
}

static __always_inline void bad(void)
{
	stub_syscall1(__NR_exit_group, 3);
}

static __always_inline void put_in_place(const struct plan *p,
					 const struct image_mapping *m)
{
	unsigned long flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned long prot = PROT_READ | PROT_WRITE, got;
	long fd = -1;

	if (m->kind == IMAGE_PROGRAM) {
		if (!(m->prot & PROT_EXEC) &&
		    stub_syscall3(__NR_mprotect, m->start, m->end - m->start,
				  prot))
			bad();
		return;
	}
	if (m->kind == IMAGE_STACK)
		flags |= MAP_GROWSDOWN;
	if (m->kind == IMAGE_MEMORY) {
		flags = MAP_FIXED | MAP_SHARED;
		prot = m->prot;
		fd = p->memory;
	}
	got = stub_syscall6(STUB_MMAP_NR, m->start, m->end - m->start, prot,
			    flags, fd, m->offset);
	if (got != m->start)
		bad();
}

/* On the plan's stack, with nothing but system calls. */
static noinline _Noreturn void become(struct plan *p)
{
	unsigned long at = p->header.data_at;
	jmp_buf *context = &p->header.context;

	stub_syscall1(__NR_brk, p->header.brk);
	for (int i = 0; i < p->header.nr_mappings; i++)
		put_in_place(p, &p->mappings[i]);
	for (int i = 0; i < p->header.nr_runs; i++) {
		unsigned long to = p->runs[i].start, left = p->runs[i].len;

		while (left) {
			long n = stub_syscall4(__NR_pread64, p->fd, to, left,
					       at);

			if (n <= 0)
				bad();
			to += n;
			at += n;
			left -= n;
		}
	}
	for (int i = 0; i < p->header.nr_mappings; i++) {
		const struct image_mapping *m = &p->mappings[i];

		if (m->kind != IMAGE_MEMORY &&
		    (m->kind != IMAGE_PROGRAM || !(m->prot & PROT_EXEC)) &&
		    stub_syscall3(__NR_mprotect, m->start, m->end - m->start,
				  m->prot))
			bad();
	}
	stub_syscall2(__NR_arch_prctl, ARCH_SET_FS, p->header.fs_base);
	if (stub_syscall3(__NR_dup3, p->memory, p->header.memory_fd, O_CLOEXEC) < 0)
		bad();
	stub_syscall1(__NR_close, p->memory);
	stub_syscall1(__NR_close, p->fd);
	longjmp(*context, 1);
	__builtin_unreachable();
}

/* Out of the way of all that the image has. */
static int above(int fd, int last)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, last + 1);

	if (high < 0)
		fail("no descriptor left", errno);
	close(fd);
	return high;
}

static void let_descriptors_be_many(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* From two files: the machine's memory, with holes, and the state. */
void __init os_restore(int memory, int state)
{
	struct plan *p;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);

	p = mmap((void *)PLAN, sizeof(*p), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != (void *)PLAN)
		fail("no room", errno);
	get(state, &p->header, sizeof(p->header), 0);
	check(&p->header);
	get(state, p->mappings, p->header.nr_mappings * sizeof(*p->mappings),
	    sizeof(p->header));
	get(state, p->runs, p->header.nr_runs * sizeof(*p->runs),
	    p->header.runs_at);

	let_descriptors_be_many();
	p->fd = above(state, p->header.last_fd);
	p->memory = above(create_mem_file(p->header.memory_size),
			  p->header.last_fd);
	copy_memory(memory, p->memory, p->header.memory_size);
	close(memory);
	os_flush_stdout();

	asm volatile("movq %0, %%rsp\n\t"
		     "xorl %%ebp, %%ebp\n\t"
		     "call *%1"
		     : : "r"(p->stack + STACK_SIZE), "r"(become), "D"(p)
		     : "memory");
	__builtin_unreachable();
}

/* In the process that was. */
void os_restored(void)
{
	munmap((void *)PLAN, sizeof(struct plan));
}
