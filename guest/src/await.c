/* Steps `await` and `random-ready`: what a shell can't wait for or ask without polling. */

#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <unistd.h>

static int all_exist(int count, char **path)
{
	for (int i = 0; i < count; i++)
		if (access(path[i], F_OK) < 0)
			return 0;
	return 1;
}

/* await SECONDS FILE...: 0 as soon as all of the files exist, 1 if they don't in time. 0 seconds: for ever. */
int step_await(int count, char **word)
{
	int64_t deadline = now_ms() + (count ? atoi(word[0]) : 0) * 1000;
	int endless = count && !strcmp(word[0], "0");
	struct pollfd news = { .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN };
	char events[4096];

	if (count < 2)
		return complain(0, "await: wants SECONDS FILE...");
	for (int i = 1; i < count; i++) {
		char *slash = strrchr(word[i], '/');

		if (!slash || slash == word[i])
			return complain(0, "await: %s: not in a directory", word[i]);
		*slash = '\0';
		if (inotify_add_watch(news.fd, word[i], IN_CREATE | IN_MOVED_TO) < 0)
			return complain(errno, "await: %s", word[i]);
		*slash = '/';
	}
	while (!all_exist(count - 1, word + 1)) {
		int64_t left = deadline - now_ms();

		if (!endless && left <= 0)
			return 1;
		if (poll(&news, 1, endless ? -1 : (int)left) > 0)
			while (read(news.fd, events, sizeof events) > 0)
				;
	}
	return 0;
}

/* 0 where the kernel's random pool is ready, 1 where haveged would help. */
int step_random_ready(int count, char **word)
{
	char byte;

	(void)count;
	(void)word;
	return getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? 0 : 1;
}
