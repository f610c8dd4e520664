/* Starting a command as a user of the machine: identity, environment, working directory, terminal.
 *
 * The accounts are those of the machine's own /etc, read by the C library (static, so there is no NSS: only the
 * files). What happens between vfork and exec is kept to system calls; all else is made ready before.
 */

#define _GNU_SOURCE
#include "agent.h"
#include "command.h"
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUPS_MAX = 1024 };

/* Debian's and Arch's own defaults together; as they have it, sbin is for all since /usr was merged. */
#define SEARCH_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct identity {
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int group_count;
	const char *home, *shell;
	struct login login;
};

static int fail(struct failure *failure, int code, int error, const char *what, const char *name)
{
	failure->code = code;
	snprintf(failure->text, sizeof failure->text, "%s%s%s%s", what, name, error ? ": " : "",
		 error ? strerror(error) : "");
	return -1;
}

static int look_up(const char *user, struct identity *identity, struct failure *failure)
{
	struct passwd *entry;

	entry = getpwnam(user);
	if (!entry)
		return fail(failure, 125, 0, "the machine has no user ", user);
	identity->uid = entry->pw_uid;
	identity->gid = entry->pw_gid;
	identity->home = *entry->pw_dir ? entry->pw_dir : "/";
	identity->shell = *entry->pw_shell ? entry->pw_shell : "/bin/sh";
	identity->group_count = GROUPS_MAX;
	if (getgrouplist(user, entry->pw_gid, identity->groups, &identity->group_count) < 0)
		return fail(failure, 125, 0, "too many groups: ", user);
	return 0;
}

/* Sets NAME=VALUE in a list that has room for it; the caller's strings are kept. */
static void set(char **list, char *assignment)
{
	size_t name = strcspn(assignment, "=") + 1;

	while (*list && strncmp(*list, assignment, name))
		list++;
	*list = assignment;
}

static char *join(const char *first, const char *second)
{
	char *joined = malloc(strlen(first) + strlen(second) + 1);

	return joined ? strcat(strcpy(joined, first), second) : NULL;
}

/* The environment as login(1) makes it. Nothing is freed: the relay runs one command. */
static char **environment(const struct request *request, const struct identity *identity)
{
	char **list = calloc(8, sizeof *list);

	if (!list)
		return NULL;
	list[0] = SEARCH_PATH;
	list[1] = join("HOME=", identity->home);
	list[2] = join("USER=", request->user);
	list[3] = join("LOGNAME=", request->user);
	list[4] = join("SHELL=", identity->shell);
	list[5] = "LANG=C.UTF-8";
	return list[1] && list[2] && list[3] && list[4] ? list : NULL;
}

/* One list with another over it. */
static char **merge(char **first, char **second)
{
	size_t count = 0;
	char **list;

	for (char **one = first; *one; one++)
		count++;
	for (char **one = second; *one; one++)
		count++;
	list = calloc(count + 1, sizeof *list);
	for (char **one = first; list && *one; one++)
		set(list, *one);
	for (char **one = second; list && *one; one++)
		set(list, *one);
	return list;
}

/* No argument means the user's shell; a login shell is told so by a dash before its name. */
static const char *program(const struct request *request, const struct identity *identity, char ***argv)
{
	static char *shell[2];
	const char *name;

	if (request->arg[0]) {
		*argv = request->arg;
		return request->arg[0];
	}
	name = strrchr(identity->shell, '/');
	name = name ? name + 1 : identity->shell;
	shell[0] = join(request->login ? "-" : "", name);
	*argv = shell;
	return identity->shell;
}

/* The control group that the login has: logind knows by it whose the command is. That it stays where it is hurts nobody. */
static void enter(const char *group)
{
	char place[PATH_MAX];
	int fd;

	if (snprintf(place, sizeof place, "/sys/fs/cgroup%s/cgroup.procs", group) >= (int)sizeof place)
		return;
	fd = open(place, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		complain(errno, "session: %s", place);
	close(fd);
}

/* In the child. Returns what failed, with errno. */
static const char *become(const struct request *request, const struct identity *identity, const int stdio[3], int tty)
{
	sigset_t none;

	if (setpgid(0, 0) < 0)
		return "setpgid";
	if (tty >= 0 && tcsetpgrp(tty, getpid()) < 0)
		return "tcsetpgrp";
	for (int i = 0; i < 3; i++)
		if (dup2(stdio[i], i) < 0)
			return "dup2";
	for (int i = 0; identity->login.environment && i < LIMITS; i++)
		setrlimit(i, &identity->login.limit[i]);
	if (identity->login.group)
		enter(identity->login.group);
	score_for_oom("0");
	/* Natively, in a test, the agent is not root and can only be who it is. */
	if (geteuid() == 0) {
		if (setgroups(identity->group_count, identity->groups) < 0)
			return "setgroups";
		if (setgid(identity->gid) < 0)
			return "setgid";
		if (setuid(identity->uid) < 0)
			return "setuid";
	}
	/* A directory that was asked for must be there; the home may be missing, and then it is the root. */
	if (request->cwd ? chdir(request->cwd) < 0 : chdir(identity->home) < 0 && chdir("/") < 0)
		return "chdir";
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return NULL;
}

/*
 * A function of its own, since one that calls vfork is never inlined: nothing but these arguments lives across the call.
 * The child shares our memory until it executes, and tells through it what failed.
 */
static pid_t start(const struct request *request, const struct identity *identity, const int stdio[3], int tty,
		   const char *file, char **argv, char **env, const char *volatile *stage, volatile int *error)
{
	pid_t child = vfork();

	if (child == 0) {
		*stage = become(request, identity, stdio, tty);
		if (!*stage) {
			environ = env;            /* execvp looks for the file in this PATH */
			execvp(file, argv);
		}
		*error = errno;
		_exit(127);
	}
	return child;
}

/* Who is asked to run it may open /dev/stdin again, and their terminal's mode is theirs to set (mesg). */
static void give_streams(const int stdio[3], int tty, const struct identity *identity)
{
	if (geteuid() != 0)
		return;
	if (tty >= 0 && fchown(tty, identity->uid, -1) < 0)
		complain(errno, "session: the terminal stays root's");
	for (int i = 0; tty < 0 && i < 3; i++)
		if (fchown(stdio[i], identity->uid, identity->gid) < 0)
			complain(errno, "session: stream %d stays root's", i);
}

pid_t command_start(const struct request *request, const int stdio[3], int tty, struct failure *failure)
{
	static struct identity identity;
	static const struct rlimit files = { 1024, 524288 };
	const char *volatile stage = NULL;
	volatile int error = 0;
	const char *file;
	char **argv, **env;
	pid_t child;

	if (look_up(request->user, &identity, failure) < 0)
		return -1;
	if (geteuid() != 0 && identity.uid != geteuid())
		return fail(failure, 125, EPERM, "can't become ", request->user);
	give_streams(stdio, tty, &identity);
	setrlimit(RLIMIT_NOFILE, &files);
	env = environment(request, &identity);
	if (env && identity.uid != 0 && login_open(request->user, env, &identity.login) == 0)
		env = merge(env, identity.login.environment);
	env = env ? merge(env, request->env) : NULL;
	file = program(request, &identity, &argv);
	if (!env || !argv[0])
		return fail(failure, 125, ENOMEM, "", file);
	umask(request->mask);

	child = start(request, &identity, stdio, tty, file, argv, env, &stage, &error);
	if (child < 0)
		return fail(failure, 125, errno, "can't start ", file);
	if (!error)
		return child;
	if (!stage)
		fail(failure, error == ENOENT || error == ENOTDIR ? 127 : 126, error, "", file);
	else if (!strcmp(stage, "chdir"))
		fail(failure, 125, error, "can't change to ", request->cwd ? request->cwd : "/");
	else
		fail(failure, 125, error, stage, "");
	return -1;
}
