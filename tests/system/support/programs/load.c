/*
 * What takes memory, in ways that cost the host something beside: load KIND NUMBERS...
 *
 *   fork N          N processes that sleep
 *   futex N         N processes that wait for one futex, in memory that they share
 *   threads N       N threads of one process
 *   touch MB        all pages of so much memory, of one process
 *   scatter MB N    N processes touch every third page of so much memory: an area on the host for each page
 *   map MB          all pages of a file of so much, /big, read by one process
 *   busy MB N       N processes with so much memory each, and as many copies of them that write to it every second
 *   shared MB N     N processes map one file of so much in memory, and read all of it backwards: page tables
 *   files N         N files of its own, open
 *   bomb SECONDS    processes that do nothing but make processes
 *
 * Says how far it came, "got N", when it could go no further or has all; then holds it until its input ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define MB (1UL << 20)

static void *memory(size_t size, int flags, int fd)
{
	void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return place == MAP_FAILED ? NULL : place;
}

static struct shared {
	int word;
	volatile int ready;
} *shared;

static void hold(int got)
{
	char byte;

	printf("got %d\n", got);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

/* Children that do `work` and then wait to be killed; how many there are and are ready, or alive no more. */
static int children(int count, void (*work)(size_t), size_t argument)
{
	int made = 0, gone = 0;

	for (; made < count; made++) {
		pid_t child = fork();

		if (child < 0)
			break;
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (work)
				work(argument);
			__sync_fetch_and_add(&shared->ready, 1);
			for (;;)
				pause();
		}
		/* One after the other, as far as that takes memory. */
		while (work && shared->ready + gone <= made) {
			if (waitpid(-1, NULL, WNOHANG) > 0)
				gone++;
			usleep(200);
		}
	}
	return made - gone;
}

static void wait_for_word(size_t unused)
{
	(void) unused;
	__sync_fetch_and_add(&shared->ready, 1);
	for (;;)
		syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void scatter(size_t size)
{
	char *place = memory(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	for (size_t at = 0; place && at < size; at += 3 * PAGE)
		place[at] = 1;
}

/* It's a child that goes on writing, to pages that become its own only then: memory that nobody was asked for at fork. */
static void busy(size_t size)
{
	char *place = memory(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	for (size_t at = 0; place && at < size; at += PAGE)
		place[at] = 1;
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		sleep(1);
		for (size_t at = 0; place && at < size; at += PAGE)
			place[at]++;
	}
}

static int file;

static void read_backwards(size_t size)
{
	volatile char *place = memory(size, MAP_SHARED, file);

	for (size_t at = size; place && at; at -= PAGE)
		(void) place[at - PAGE];
}

static void *sleep_in_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static int threads(int count)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int made = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 16384);
	while (made < count && !pthread_create(&thread, &attributes, sleep_in_thread, NULL))
		made++;
	return made;
}

static int files(int count)
{
	const struct rlimit all = { 1 << 20, 1 << 20 };
	char name[32];
	int made = 0;

	setrlimit(RLIMIT_NOFILE, &all);
	mkdir("/files", 0700);
	for (; made < count; made++) {
		snprintf(name, sizeof(name), "/files/%d", made);
		if (open(name, O_RDONLY | O_CREAT, 0600) < 0)
			break;
	}
	return made;
}

static int touch(size_t megabytes)
{
	char *place = memory(megabytes * MB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	if (!place)
		return 0;
	for (size_t at = 0; at < megabytes * MB; at += PAGE)
		place[at] = 1;
	return megabytes;
}

static int map(size_t megabytes)
{
	volatile char *place = mmap(NULL, megabytes * MB, PROT_READ, MAP_PRIVATE, open("/big", O_RDONLY), 0);

	if (place == MAP_FAILED)
		return 0;
	for (size_t at = 0; at < megabytes * MB; at += PAGE)
		(void) place[at];
	return megabytes;
}

static int bomb(int seconds)
{
	time_t end = time(NULL) + seconds;
	int made = 0;

	signal(SIGCHLD, SIG_IGN);
	while (time(NULL) < end)
		if (fork() > 0)
			made++;
	return made;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	size_t first = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	int second = argc > 3 ? atoi(argv[3]) : 1;

	shared = memory(PAGE, MAP_SHARED | MAP_ANONYMOUS, -1);
	if (!shared)
		return 2;
	if (!strcmp(kind, "fork")) {
		hold(children(first, NULL, 0));
	} else if (!strcmp(kind, "futex")) {
		hold(children(first, wait_for_word, 0));
	} else if (!strcmp(kind, "threads")) {
		hold(threads(first));
	} else if (!strcmp(kind, "files")) {
		hold(files(first));
	} else if (!strcmp(kind, "touch")) {
		hold(touch(first));
	} else if (!strcmp(kind, "map")) {
		hold(map(first));
	} else if (!strcmp(kind, "scatter")) {
		hold(children(second, scatter, first * MB));
	} else if (!strcmp(kind, "busy")) {
		hold(children(second, busy, first * MB));
	} else if (!strcmp(kind, "shared")) {
		file = memfd_create("shared", 0);
		if (file < 0 || ftruncate(file, first * MB))
			return 3;
		hold(children(second, read_backwards, first * MB));
	} else if (!strcmp(kind, "bomb")) {
		pid_t self = getpid();
		int made = bomb(first);

		if (getpid() != self)
			_exit(0);
		printf("got %d\n", made);
	} else {
		return 1;
	}
	return 0;
}
