/* What the programs of test_native_*.py share: one line a case, the same on any Linux. */
#ifndef CASE_H
#define CASE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3)))
static inline void result(const char *name, const char *format, ...)
{
	va_list args;

	printf("case %s: ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* Run @what in a process of its own, which prints its own result; say so if it couldn't. */
static inline void apart(const char *name, void (*what)(const char *name))
{
	int status;
	pid_t child = fork();

	if (!child) {
		alarm(20);
		what(name);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		result(name, "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		result(name, "ended with %d", WEXITSTATUS(status));
}

#endif
