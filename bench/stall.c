/* How late a process wakes up while another keeps the disk busy: the first process of the machines of bench/stall.
 *
 *     stall none|fsync|read|write [MEGABYTES]     (512)
 *
 * `read` reads /cold, which the host has dropped from its memory; `write` writes as much and syncs it; `fsync` writes and
 * syncs 4 KiB for three seconds, `none` does nothing for as long. Prints "NAME VALUE" lines, how late in microseconds and
 * what the work got done a second (blocks of 128 KiB, or syncs), and powers off.
 */

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 3, BLOCK = 128 * 1024, SLEEP_US = 1000, MOST = 1 << 20 };

static char buffer[BLOCK];
static double late[MOST];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void check(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

/* Returns how often it did what it does. */
static int work(const char *what, int blocks)
{
	double end = now() + SECONDS * 1e6;
	int fd, n = 0;

	if (!strcmp(what, "none")) {
		sleep(SECONDS);
	} else if (!strcmp(what, "fsync")) {
		check(fd = open("/synced", O_RDWR | O_CREAT, 0600), "/synced");
		for (; now() < end; n++) {
			check(pwrite(fd, buffer, 4096, n % 1000 * 4096L), "write");
			check(fsync(fd), "fsync");
		}
	} else if (!strcmp(what, "read")) {
		check(fd = open("/cold", O_RDONLY), "/cold");
		for (long got; (got = read(fd, buffer, BLOCK)) != 0; n++)
			check(got, "read");
	} else {
		check(fd = open("/written", O_WRONLY | O_CREAT | O_TRUNC, 0600), "/written");
		for (; n < blocks; n++)
			check(write(fd, buffer, BLOCK), "write");
		check(fsync(fd), "fsync");
	}
	return n;
}

static int compare(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

static void measure(const char *what, int blocks)
{
	struct timespec pause = { .tv_nsec = SLEEP_US * 1000 };
	double begun = now(), before, took;
	int out[2], n = 0, done = 0;

	check(pipe(out), "pipe");
	if (!fork()) {
		done = work(what, blocks);
		_exit(write(out[1], &done, sizeof(done)) != sizeof(done));
	}
	while (n < MOST && waitpid(-1, NULL, WNOHANG) == 0) {
		before = now();
		nanosleep(&pause, NULL);
		late[n++] = now() - before - SLEEP_US;
	}
	took = now() - begun;
	close(out[1]);
	if (read(out[0], &done, sizeof(done)) != sizeof(done))
		errx(1, "%s has failed", what);
	qsort(late, n, sizeof(*late), compare);
	printf("median %.0f\np99 %.0f\nworst %.0f\n", late[n / 2], late[n * 99L / 100], late[n - 1]);
	printf("work %.1f\n", done / took * 1e6);
}

int main(int argc, char **argv)
{
	int megabytes = argc > 2 ? atoi(argv[2]) : 512;

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(buffer, 'x', sizeof(buffer));
	if (argc > 1)
		measure(argv[1], megabytes * (1024 * 1024 / BLOCK));
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
