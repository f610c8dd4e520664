/* PAM, which a static program can't load: the tree's own su is asked, which opens a session as it opens one for anybody.
 *
 *     su USER -c "/uml/bin/agent login"
 *
 * Step `login` tells what it was given, its limits, control group and environment, and waits for the end of its input. The relay
 * gives all of that to the command, and ends the session by ending: su notices, and closes it as PAM wants. The command is not
 * su's child, which would stand between it and its terminal.
 */

#define _GNU_SOURCE
#include "agent.h"
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TOLD_MAX = 64 * 1024,
	PATIENCE_MS = 5000,           /* logind may be starting itself */
};

/* What PAM's modules have to say (mail, news) may come before it. */
static const char mark[] = "\1gaol login";
static const char own_group[] = "0::", of_logind[] = "/user.slice/";

/* --- the session's side ----------------------------------------------------------------------------------- */

/* A mark, limits, then strings, each with its NUL: the control group, the environment, and an empty one. */
int step_login(int count, char **word)
{
	static char told[TOLD_MAX];
	struct rlimit limit[LIMITS];
	size_t length = 0;
	ssize_t got;
	int fd;

	(void)word;
	if (count)
		return complain(0, "login: wants no words");
	memcpy(told, mark, sizeof mark);
	length += sizeof mark;
	for (int i = 0; i < LIMITS; i++)
		getrlimit(i, &limit[i]);
	memcpy(told + length, limit, sizeof limit);
	length += sizeof limit;
	fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? 0 : read(fd, told + length, 4096);
	close(fd);
	told[length + (got > 0 ? got - 1 : 0)] = '\0';        /* in the place of the line's end */
	length += strlen(told + length) + 1;
	for (char **one = environ; *one; one++) {
		size_t size = strlen(*one) + 1;

		if (length + size + 1 > sizeof told)
			break;
		memcpy(told + length, *one, size);
		length += size;
	}
	told[length++] = '\0';
	if (write(STDOUT_FILENO, told, length) != (ssize_t)length)
		return 1;
	while (read(STDIN_FILENO, told, sizeof told) > 0)
		;
	return 0;
}

/* --- the relay's side --------------------------------------------------------------------------------------- */

static const char *su(void)
{
	static const char *const places[] = { "/usr/bin/su", "/bin/su" };

	/* Without a file of PAM's it is busybox's, and knows of no session. */
	if (access("/etc/pam.d/su", R_OK) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* In the child, from vfork on: system calls alone. */
static void become_su(const char *file, const char *user, char **environment, const int to[2], const int from[2])
{
	char *words[] = { "su", "-s", "/bin/sh", "-c", "exec /uml/bin/agent login", "--", (char *)user, NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (setsid() >= 0 && dup2(to[0], 0) >= 0 && dup2(from[1], 1) >= 0)
		execve(file, words, environment);
	_exit(127);
}

/* Where the mark is, with all up to the empty string behind it; NULL where that does not come in time. */
static char *listen_to(int fd, char *told, char **end)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	size_t length = 0;

	while (length < TOLD_MAX) {
		struct pollfd slot = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - now_ms();
		char *start;
		ssize_t got;

		if (left <= 0 || poll(&slot, 1, (int)left) <= 0)
			return NULL;
		got = read(fd, told + length, TOLD_MAX - length);
		if (got <= 0)
			return NULL;
		length += got;
		start = memmem(told, length, mark, sizeof mark);
		*end = told + length;
		if (start && *end > start + sizeof mark + sizeof(struct rlimit[LIMITS]) + 2 && !(*end)[-1] && !(*end)[-2])
			return start + sizeof mark;
	}
	return NULL;
}

static int is_of_the_shell(const char *assignment)
{
	static const char *const names[] = { "_=", "PWD=", "OLDPWD=", "SHLVL=", "SHELL=" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strncmp(assignment, names[i], strlen(names[i])))
			return 1;
	return 0;
}

static int take(struct login *login, char *told, const char *end)
{
	char *text = told + sizeof login->limit;
	size_t count = 0;

	memcpy(login->limit, told, sizeof login->limit);
	if (!strncmp(text, own_group, sizeof own_group - 1) && !strncmp(text + sizeof own_group - 1, of_logind, sizeof of_logind - 1))
		login->group = text + sizeof own_group - 1;
	text += strlen(text) + 1;
	login->environment = calloc((end - text) / 2 + 1, sizeof *login->environment);
	if (!login->environment)
		return -1;
	for (; text < end - 1; text += strlen(text) + 1)
		if (!is_of_the_shell(text))
			login->environment[count++] = text;
	return 0;
}

int login_open(const char *user, char **environment, struct login *login)
{
	const char *file = su();
	char *told, *start, *end;
	int to[2], from[2];
	pid_t child;

	if (!file || geteuid() != 0)
		return -1;
	told = malloc(TOLD_MAX);
	if (!told || pipe2(to, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(from, O_CLOEXEC) < 0) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	child = vfork();
	if (child == 0)
		become_su(file, user, environment, to, from);
	close(to[0]);
	close(from[1]);
	start = child > 0 ? listen_to(from[0], told, &end) : NULL;
	close(from[0]);
	if (!start || take(login, start, end) < 0) {
		complain(0, "login: %s has no session: su says nothing of one", user);
		close(to[1]);
		return -1;
	}
	return 0;
}
