// SPDX-License-Identifier: GPL-2.0
/*
 * The host's side of taking an image: the state of this process, and the way
 * out for it and for the machine's memory. See arch/um/kernel/image.c.
 */

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <as-layout.h>
#include <kern_util.h>
#include <os.h>
#include <image.h>
#include "image_format.h"
#include "internal.h"

/* Where nothing of this kernel's is, or ever will be, but for a moment. */
#define SCRATCH		0x100000000000UL
#define TEXT_SIZE	(512 * 1024)
#define BATCH		512		/* pages asked about at once */

#define PAGE_PRESENT	0xc000000000000000ULL	/* or swapped out */
#define PAGE_OF_FILE	0x2000000000000000ULL

struct scratch {
	struct image_header header;
	struct image_mapping mappings[IMAGE_MAPPINGS];
	struct image_run runs[IMAGE_RUNS];
	unsigned long long pages[BATCH];
	char text[TEXT_SIZE];
};

/* Of this process, as they are in the image. */
static jmp_buf context;
static struct sigaction actions[_NSIG];
static stack_t signal_stack;
static sigset_t signal_mask;
static long long clock_then;

/* Descriptors that somebody will make again. */
#define MAX_FDS		65536
static unsigned char owned[MAX_FDS / 8];

static int last_fd;

/* Consoles have /dev/null; there is nothing about it to remember. */
#define MAX_NULLS	32
static int nulls[MAX_NULLS], nr_nulls;

void os_image_begin(void)
{
	memset(owned, 0, sizeof(owned));
	last_fd = 0;
	nr_nulls = 0;
}

int os_image_owned(int fd)
{
	if (fd >= MAX_FDS)
		return -EMFILE;
	if (fd >= 0)
		owned[fd / 8] |= 1 << fd % 8;
	if (fd > last_fd)
		last_fd = fd;
	return 0;
}

static int is_null(int fd)
{
	char link[32], path[16];
	int n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n != 9 || memcmp(path, "/dev/null", 9) || nr_nulls == MAX_NULLS)
		return 0;
	nulls[nr_nulls++] = fd;
	return 1;
}

static void nulls_again(void)
{
	for (int i = 0; i < nr_nulls; i++)
		os_put_fd(open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK),
			  nulls[i]);
}

/*
 * Is there a descriptor that nobody owns? Somebody sleeps then with one that
 * was just opened, and only his stack knows.
 */
int os_image_strays(void)
{
	char buf[1024];
	int dir, n, at, fd, found = 0;

	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	os_image_owned(dir);
	while ((n = syscall(__NR_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; ) {
			struct dirent64 *entry = (void *)(buf + at);

			at += entry->d_reclen;
			if (entry->d_name[0] == '.')
				continue;
			fd = atoi(entry->d_name);
			if (fd >= MAX_FDS || (!(owned[fd / 8] & 1 << fd % 8) &&
					      (os_image_owned(fd) || !is_null(fd))))
				found = fd;
		}
	}
	close(dir);
	return n < 0 ? -errno : found;
}

/* What must be the same where the image is restored. */
void image_describe_host(struct image_header *header)
{
	const Elf64_Phdr *phdr = (void *)getauxval(AT_PHDR);
	const unsigned long *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	unsigned long sum = 0;
	unsigned int a, b;

	memset(header->build, 0, sizeof(header->build));
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		if (phdr[i].p_type == PT_NOTE &&
		    phdr[i].p_memsz <= sizeof(header->build))
			memcpy(header->build, (void *)phdr[i].p_vaddr,
			       phdr[i].p_memsz);

	asm volatile("cpuid" : "=a"(header->cpu[0]), "=b"(b),
		     "=c"(header->cpu[1]), "=d"(header->cpu[2]) : "0"(1), "2"(0));
	asm volatile("cpuid" : "=a"(a), "=b"(header->cpu[3]),
		     "=c"(header->cpu[4]), "=d"(header->cpu[5]) : "0"(7), "2"(0));
	header->cpu[6] = 0;
	if (header->cpu[1] & 1 << 27)	/* OSXSAVE */
		asm volatile("xgetbv" : "=a"(header->cpu[6]), "=d"(b) : "c"(0));

	header->vdso = (unsigned long)vdso;
	for (int i = 0; vdso && i < 512; i++)
		sum = sum * 31 + vdso[i];
	header->vdso_sum = sum;
}

static void note_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &signal_mask);
	for (int sig = 1; sig < _NSIG; sig++)
		sigaction(sig, NULL, &actions[sig]);
	sigaltstack(NULL, &signal_stack);
}

static unsigned long number(char **at, int base)
{
	unsigned long value = strtoul(*at, at, base);

	if (**at)
		(*at)++;
	return value;
}

static int add_run(struct image_header *header, struct image_run *runs,
		   unsigned long start)
{
	struct image_run *last = runs + header->nr_runs - 1;

	if (header->nr_runs && last->start + last->len == start) {
		last->len += UM_KERN_PAGE_SIZE;
		return 0;
	}
	if (header->nr_runs == IMAGE_RUNS)
		return -E2BIG;
	runs[header->nr_runs++] = (struct image_run) {
		start, UM_KERN_PAGE_SIZE
	};
	return 0;
}

/* The pages of a private mapping that are this process' own. */
static int add_runs(struct scratch *s, int pagemap,
		    const struct image_mapping *mapping)
{
	unsigned long at = mapping->start, n, i;
	int err;

	while (at < mapping->end) {
		n = (mapping->end - at) / UM_KERN_PAGE_SIZE;
		if (n > BATCH)
			n = BATCH;
		if (pread(pagemap, s->pages, n * 8, at / UM_KERN_PAGE_SIZE * 8) !=
		    (ssize_t)n * 8)
			return -EIO;
		for (i = 0; i < n; i++, at += UM_KERN_PAGE_SIZE) {
			if (!(s->pages[i] & PAGE_PRESENT) ||
			    s->pages[i] & PAGE_OF_FILE)
				continue;
			err = add_run(&s->header, s->runs, at);
			if (err)
				return err;
		}
	}
	return 0;
}

static int add_mapping(struct scratch *s, int pagemap, char *line,
		       const struct stat *memory)
{
	struct image_mapping m = { .kind = IMAGE_ANONYMOUS };
	unsigned long major, minor, ino;
	char *perms, *name;

	m.start = number(&line, 16);
	m.end = number(&line, 16);
	perms = line;
	line += 5;
	m.offset = number(&line, 16);
	major = number(&line, 16);
	minor = number(&line, 16);
	ino = number(&line, 10);
	name = line + strspn(line, " ");

	if (m.start == SCRATCH || !strncmp(name, "[v", 2) ||
	    !strncmp(name, "[uprobes", 8))
		return 0;
	m.prot = (perms[0] == 'r' ? PROT_READ : 0) |
		 (perms[1] == 'w' ? PROT_WRITE : 0) |
		 (perms[2] == 'x' ? PROT_EXEC : 0);
	if (perms[3] == 's') {
		if (ino != memory->st_ino ||
		    os_makedev(major, minor) != memory->st_dev)
			return -EBUSY;
		m.kind = IMAGE_MEMORY;
	} else if (*name == '/') {
		m.kind = IMAGE_PROGRAM;
	} else if (!strcmp(name, "[stack]")) {
		m.kind = IMAGE_STACK;
	}
	if (s->header.nr_mappings == IMAGE_MAPPINGS)
		return -E2BIG;
	s->mappings[s->header.nr_mappings++] = m;
	return m.kind == IMAGE_MEMORY ? 0 : add_runs(s, pagemap, &m);
}

static int read_text(const char *path, char *text, int size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), n, got = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + got, size - 1 - got)) > 0)
		got += n;
	close(fd);
	text[got] = '\0';
	return n < 0 || got == size - 1 ? -E2BIG : 0;
}

static int find_mappings(struct scratch *s, int memory)
{
	int pagemap, err;
	struct stat st;
	char *line, *next;

	if (fstat(memory, &st) < 0)
		return -errno;
	err = read_text("/proc/self/maps", s->text, TEXT_SIZE);
	if (err)
		return err;
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return -errno;
	for (line = s->text; !err && *line; line = next) {
		next = strchr(line, '\n');
		*next++ = '\0';
		err = add_mapping(s, pagemap, line, &st);
	}
	close(pagemap);
	return err;
}

static int write_all(int fd, const void *from, unsigned long len)
{
	ssize_t n;

	while (len) {
		n = write(fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		len -= n;
	}
	return 0;
}

static int write_state(struct scratch *s, int fd)
{
	struct image_header *h = &s->header;
	int err;

	h->runs_at = sizeof(*h) + h->nr_mappings * sizeof(*s->mappings);
	h->data_at = h->runs_at + h->nr_runs * sizeof(*s->runs);
	h->data_at = (h->data_at + UM_KERN_PAGE_SIZE - 1) & -UM_KERN_PAGE_SIZE;
	h->size = h->data_at;
	for (int i = 0; i < h->nr_runs; i++)
		h->size += s->runs[i].len;

	err = write_all(fd, h, sizeof(*h)) ?:
	      write_all(fd, s->mappings, h->nr_mappings * sizeof(*s->mappings)) ?:
	      write_all(fd, s->runs, h->nr_runs * sizeof(*s->runs));
	if (!err && lseek(fd, h->data_at, SEEK_SET) < 0)
		err = -errno;
	for (int i = 0; !err && i < h->nr_runs; i++)
		err = write_all(fd, (void *)s->runs[i].start, s->runs[i].len);
	return err;
}

static int save_state(int fd, int memory, unsigned long long size)
{
	struct scratch *s;
	int err;

	s = mmap((void *)SCRATCH, sizeof(*s), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (s != (void *)SCRATCH)
		return -ENOMEM;
	s->header = (struct image_header) {
		.magic = IMAGE_MAGIC,
		.memory_size = size,
		.memory_fd = memory,
		.last_fd = last_fd,
		.brk = (unsigned long)sbrk(0),
	};
	memcpy(s->header.context, context, sizeof(context));
	syscall(__NR_arch_prctl, ARCH_GET_FS, &s->header.fs_base);
	image_describe_host(&s->header);
	err = find_mappings(s, memory) ?: write_state(s, fd);
	munmap(s, sizeof(*s));
	return err;
}

/* Sends both, and waits until they have been taken, or nobody is there. */
static int hand_out(int control, int memory, int state)
{
	int fds[] = { memory, state };
	char answer;
	int n;

	n = os_sendmsg_fds(control, "image", 5, fds, 2);
	if (n < 0)
		return n;
	CATCH_EINTR(n = read(control, &answer, 1));
	return n == 1 && answer == 'g' ? 0 : -ECANCELED;
}

/*
 * Writes the state of this process and hands it out together with the machine's
 * memory. Returns 0 when that is done, 1 in what was made of it.
 */
int os_image_take(int control, int memory, unsigned long long size)
{
	int state, err;

	note_signals();
	clock_then = os_nsecs();
	if (setjmp(context)) {
		os_restored();
		return 1;
	}
	state = memfd_create("image", MFD_CLOEXEC);
	err = state < 0 ? -errno : save_state(state, memory, size);
	if (!err)
		err = hand_out(control, memory, state);
	if (state >= 0)
		close(state);
	sigprocmask(SIG_SETMASK, &signal_mask, NULL);
	return err;
}

/* When the image was taken, by the clock of the host that was. */
long long os_image_clock(void)
{
	return clock_then;
}

/* @fd becomes number @at. */
int os_put_fd(int fd, int at)
{
	if (fd < 0 || fd == at)
		return fd;
	if (dup3(fd, at, O_CLOEXEC) < 0)
		at = -errno;
	close(fd);
	return at;
}

/* Number @at becomes what was once connected, or open. */
int os_lost_fd(int at)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	close(pair[1]);
	return os_put_fd(pair[0], at);
}

void os_image_host_again(void)
{
	for (int sig = 1; sig < _NSIG; sig++)
		sigaction(sig, &actions[sig], NULL);
	sigaltstack(&signal_stack, NULL);
	nulls_again();
}

void os_image_signals_again(void)
{
	sigprocmask(SIG_SETMASK, &signal_mask, NULL);
}
