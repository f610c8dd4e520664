// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of the host that make calls for the kernel, and the way there and
 * back: see call.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <image.h>
#include "hostfs.h"

static int to_helpers[2] = { -1, -1 };
static int from_helpers[2] = { -1, -1 };
static void (*perform)(void *call);

/* Returns the descriptor that is readable when a call has been made. */
int host_open_pipes(void)
{
	int err;

	if (pipe2(to_helpers, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(from_helpers, O_CLOEXEC) < 0) {
		err = -errno;
		close(to_helpers[0]);
		close(to_helpers[1]);
		return err;
	}
	return from_helpers[0];
}

void host_close_pipes(void)
{
	close(to_helpers[0]);
	close(to_helpers[1]);
	close(from_helpers[0]);
	close(from_helpers[1]);
}

/* A pipe holds many more pointers than calls are ever under way. */
static void put(int fd, void *call)
{
	ssize_t n;

	do {
		n = write(fd, &call, sizeof(call));
	} while (n < 0 && errno == EINTR);
}

static void *helper(void *unused)
{
	void *call;

	os_fix_helper_thread_signals();
	prctl(PR_SET_NAME, "hostfs");
	for (;;) {
		if (read(to_helpers[0], &call, sizeof(call)) != sizeof(call))
			continue;
		if (!call)
			break;
		perform(call);
		put(from_helpers[1], call);
	}
	return NULL;
}

/* The thread ends with the process, if not before. */
int host_start_helper(void (*function)(void *call),
		      struct os_helper_thread **thread)
{
	perform = function;
	return os_run_helper_thread(thread, helper, NULL);
}

/* All that there are, with no call under way. */
void host_end_helpers(struct os_helper_thread **threads, int count)
{
	for (int i = 0; i < count; i++)
		put(to_helpers[1], NULL);
	for (int i = 0; i < count; i++)
		os_join_helper_thread(threads[i]);
}

void host_hand_over(void *call)
{
	put(to_helpers[1], call);
}

/* A call that has been made, or NULL. */
void *host_take_back(void)
{
	void *call;
	ssize_t n;

	do {
		n = read(from_helpers[0], &call, sizeof(call));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(call) ? call : NULL;
}

/*
 * For how many nanoseconds in all this thread was ready to run, and others ran;
 * negative where the host does not say.
 */
long long host_waited_for_turns(void)
{
	char text[64], *second;
	ssize_t n = -1;
	int fd;

	fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return -1;
	text[n] = '\0';
	second = strchr(text, ' ');
	return second ? strtoll(second, NULL, 10) : -1;
}
