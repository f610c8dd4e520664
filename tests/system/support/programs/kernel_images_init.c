/* The only program of a machine in tests/system/test_kernel_images.py: processes and threads that look at their own memory all
 * the time, and a server that tells what they found.
 *
 * A connection to /dev/hostsock gives a word: "c" is answered by a line of NAME=VALUE, "q" powers off.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOSTSOCK_ACCEPT _IO('g', 1)

enum { WORKERS = 4, THREADS = 3, WORDS = 256 * 1024 };

struct shared {
	long rounds[WORKERS], turns[THREADS], played, ticks, errors;
	char what[64];
};

static struct shared *shared;

static void wrong(const char *what)
{
	__atomic_fetch_add(&shared->errors, 1, __ATOMIC_SEQ_CST);
	snprintf(shared->what, sizeof(shared->what), "%s", what);
}

static uint64_t value(uint64_t seed, long i)
{
	return (seed * 0x9e3779b97f4a7c15u + i) * 0xbf58476d1ce4e5b9u;
}

/* Fills its memory, lets others run, and looks whether it is still there; registers of all kinds keep a sum meanwhile. */
static void worker(int number)
{
	uint64_t *memory = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double sum, expected;

	for (uint64_t seed = number + 1;; seed += WORKERS) {
		sum = expected = 0;
		for (long i = 0; i < WORDS; i++) {
			memory[i] = value(seed, i);
			sum += (memory[i] & 1023) * 0.5;
		}
		usleep(500);
		for (long i = 0; i < WORDS; i++) {
			if (memory[i] != value(seed, i))
				wrong("a page");
			expected += (memory[i] & 1023) * 0.5;
		}
		if (sum != expected)
			wrong("a sum");
		if (seed % 64 < WORKERS) { /* and as a child has it */
			pid_t child = fork();
			int status = 1;

			if (!child) {
				for (long i = 0; i < WORDS; i += 64)
					if (memory[i] != value(seed, i))
						wrong("a child's page");
				_exit(0);
			}
			if (child < 0 || waitpid(child, &status, 0) != child || status)
				wrong("a child");
		}
		shared->rounds[number]++;
	}
}

static __thread long own;

static void *thread(void *number)
{
	for (;;) {
		own++;
		usleep(1000);
		shared->turns[(long)number]++;
		if (own != shared->turns[(long)number])
			wrong("a thread's own");
	}
	return NULL;
}

static void threads(void)
{
	pthread_t made;

	for (long i = 1; i < THREADS; i++)
		pthread_create(&made, NULL, thread, (void *)i);
	thread(NULL);
}

static void ping(int in, int out, long first)
{
	for (long n = first;; n += 2) {
		long got;

		if (read(in, &got, sizeof(got)) != sizeof(got) || got != n - 1)
			wrong("a message");
		write(out, &n, sizeof(n));
		shared->played = n;
		usleep(200);
	}
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void clocks(void)
{
	int64_t last = 0, t;

	for (;;) {
		t = now(CLOCK_MONOTONIC);
		if (t < last)
			wrong("a clock went back");
		last = t;
		if (shared->ticks++ % 16 == 0)
			usleep(100);
	}
}

static void answer(int stream)
{
	char line[512];
	uint64_t number;
	long rounds = 0, turns = 0;

	for (int i = 0; i < WORKERS; i++)
		rounds += shared->rounds[i];
	for (int i = 0; i < THREADS; i++)
		turns += shared->turns[i];
	getrandom(&number, sizeof(number), 0);
	snprintf(line, sizeof(line), "errors=%ld what=%s rounds=%ld turns=%ld played=%ld ticks=%ld random=%016lx monotonic=%ld boottime=%ld realtime=%ld\n",
		 shared->errors, shared->what[0] ? shared->what : "-", rounds, turns, shared->played, shared->ticks, number,
		 (long)now(CLOCK_MONOTONIC), (long)now(CLOCK_BOOTTIME), (long)now(CLOCK_REALTIME));
	for (char *c = strstr(line, "what="); *c && *c != '\n' && strncmp(c, " rounds", 7); c++)
		if (*c == ' ')
			*c = '_';
	write(stream, line, strlen(line));
}

static void start(void (*what)(int), int number)
{
	if (!fork()) {
		what(number);
		_exit(1);
	}
}

static void run_threads(int unused) { threads(); }
static void run_clocks(int unused) { clocks(); }

int main(void)
{
	int to[2], fro[2], device;
	long zero = 0;

	signal(SIGPIPE, SIG_IGN);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < WORKERS; i++)
		start(worker, i);
	start(run_threads, 0);
	start(run_clocks, 0);
	if (pipe(to) || pipe(fro))
		wrong("no pipes");
	if (!fork())
		ping(to[0], fro[1], 1);
	if (!fork())
		ping(fro[0], to[1], 2);
	write(to[1], &zero, sizeof(zero));
	device = open("/dev/hostsock", O_RDWR);
	printf("serving\n");
	fflush(stdout);
	for (;;) {
		struct pollfd polled = { .fd = device, .events = POLLIN };
		char word = 0;
		int stream;

		poll(&polled, 1, -1);
		stream = ioctl(device, HOSTSOCK_ACCEPT);
		if (stream < 0)
			continue;
		if (read(stream, &word, 1) == 1 && word == 'c')
			answer(stream);
		close(stream);
		if (word == 'q') {
			sync();
			reboot(RB_POWER_OFF);
		}
	}
}
