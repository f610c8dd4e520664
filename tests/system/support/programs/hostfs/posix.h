/* What the tables of cases share. */
#ifndef POSIX_H
#define POSIX_H

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

struct stat status(const char *path);
int make(const char *path, const char *text);
void make_closed(const char *path, const char *text);
const char *content(const char *path);
int renameat2_(const char *a, const char *b, unsigned flags);
int newer(struct timespec a, struct timespec b);
void tick(void);

/* Runs in a child as this user, with its failures counted. */
#define AS(uid, gid, ...) do {						\
	fflush(stdout);							\
	pid_t as_pid = fork();						\
	if (!as_pid) {							\
		failures = 0;						\
		if (syscall(SYS_setgroups, 0, NULL) || setresgid(gid, gid, gid) || \
		    setresuid(uid, uid, uid))				\
			FAIL("cannot become %d", uid);			\
		__VA_ARGS__;						\
		fflush(stdout);						\
		_exit(failures > 255 ? 255 : failures);			\
	}								\
	int as_status;							\
	waitpid(as_pid, &as_status, 0);					\
	failures += WEXITSTATUS(as_status);				\
} while (0)

#endif
