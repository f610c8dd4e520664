/* gaoler's one program inside a machine: /uml/bin/agent.
 *
 *     agent STEP WORDS... [-- STEP WORDS...]...
 *
 * Steps run one after the other in this one process, since every fork and exec inside UML costs a millisecond
 * or more. A step that fails says so on the console and the next one runs: a machine with half of its mounts
 * can be mended by its owner, a machine that stopped can't. The exit status is that of the last step.
 */

#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void score_for_oom(const char *score)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void) !write(fd, score, strlen(score)); /* natively, in a test, the agent may not */
	close(fd);
}

int complain(int error, const char *format, ...)
{
	char line[600];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (length < 0 || length >= (int)sizeof line)
		length = sizeof line - 1;
	if (error)
		dprintf(2, "agent: %.*s: %s\n", length, line, strerror(error));
	else
		dprintf(2, "agent: %.*s\n", length, line);
	return 1;
}

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *title_start;
static size_t title_size;

void set_title(const char *title)
{
	memset(title_start, 0, title_size);
	memcpy(title_start, title, strnlen(title, title_size - 1));
}

int milestone(const char *text)
{
	int fd = open("/proc/mconsole", O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static int step_milestone(int count, char **word)
{
	int error;

	if (count != 1)
		return complain(0, "milestone: wants one text");
	error = milestone(word[0]);
	return error ? complain(error, "milestone: /proc/mconsole") : 0;
}

/* Runs a program in the background: `start PROGRAM WORDS...`. */
int step_start(int count, char **word)
{
	pid_t child;
	volatile int error = 0;

	if (count < 1)
		return complain(0, "start: wants a program");
	/* vfork: the child borrows this process until it has become the program, so it can tell its errno. */
	child = vfork();
	if (child < 0)
		return complain(errno, "start: %s", word[0]);
	if (child == 0) {
		execv(word[0], word);
		error = errno;
		_exit(127);
	}
	return error ? complain(error, "start: %s", word[0]) : 0;
}

/* Becomes a program that the end of this session doesn't reach: `apart PROGRAM WORDS...`. */
static int step_apart(int count, char **word)
{
	if (count < 1)
		return complain(0, "apart: wants a program");
	if (setsid() < 0)
		return complain(errno, "apart");
	execv(word[0], word);
	return complain(errno, "apart: %s", word[0]);
}

/* Becomes a program: `exec PROGRAM WORDS...`. */
static int step_exec(int count, char **word)
{
	if (count < 1)
		return complain(0, "exec: wants a program");
	execv(word[0], word);
	return complain(errno, "exec: %s", word[0]);
}

static int step_hostname(int count, char **word)
{
	if (count != 1 || sethostname(word[0], strlen(word[0])) < 0)
		return complain(count == 1 ? errno : 0, "hostname: wants one name");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int count, char **word);
} steps[] = {
	{ "mount", step_mount },     { "link", step_link },         { "mode", step_mode },
	{ "net", step_net },         { "account", step_account },   { "milestone", step_milestone },
	{ "await", step_await },     { "address", step_address },   { "random-ready", step_random_ready },
	{ "runlevel", step_runlevel }, { "start", step_start },     { "exec", step_exec },
	{ "serve", step_serve },     { "init", step_init },         { "hostname", step_hostname },
	{ "login", step_login },         { "stop", step_stop },         { "remove", step_remove },
	{ "hosts", step_hosts },     { "end", step_end },
	{ "apart", step_apart },
};

static int run_step(int count, char **word)
{
	for (size_t i = 0; count && i < sizeof steps / sizeof *steps; i++)
		if (!strcmp(word[0], steps[i].name))
			return steps[i].run(count - 1, word + 1);
	return complain(0, "no step \"%s\"", count ? word[0] : "") + 1;
}

int main(int argc, char **argv)
{
	int status = 2;

	/* The kernel lays the words out one after the other. */
	title_start = argv[0];
	title_size = argv[argc - 1] + strlen(argv[argc - 1]) - argv[0];
	for (int first = 1, end; first <= argc; first = end + 1) {
		for (end = first; end < argc && strcmp(argv[end], "--"); end++)
			;
		/* A step's words end with NULL, as execv wants them. */
		argv[end] = NULL;
		status = run_step(end - first, argv + first);
	}
	return status;
}
