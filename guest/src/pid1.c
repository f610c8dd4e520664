/* Steps `init` and `serve`: the machine's first process, and the same service beside another init.
 *
 *     init  [--start PROGRAM] [--oneshot] [--quiet]
 *     serve [--start PROGRAM] [--listen FD] ...
 *
 * --start     run this in the background, once the host knows that commands can be run: on the one processor of a
 *             machine the host would else wait for a turn of that program
 * --oneshot   the machine ends when its first session has ended
 * --quiet     somebody else tells the host "gaol agent"
 * --listen    sessions come from this listening socket, not from /dev/hostsock (for tests outside a machine)
 */

#define _GNU_SOURCE
#include "agent.h"
#include "memory.h"
#include "sessions.h"
#include "stop.h"
#include "utmp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	int listen, oneshot, quiet;
	char *start;
};

/* --- serving --------------------------------------------------------------------------------------------- */

static int open_signals(int is_init)
{
	sigset_t mine;

	/* A shell that starts us in the background ignores these, and commands would inherit that. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigemptyset(&mine);
	sigaddset(&mine, SIGCHLD);
	sigaddset(&mine, SIGTERM);
	if (is_init)
		sigaddset(&mine, SIGINT);
	sigprocmask(SIG_SETMASK, &mine, NULL);
	return signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Returns the signal that asks for an end, or 0. */
static int read_signals(int signals)
{
	struct signalfd_siginfo info;
	int end = 0;

	while (read(signals, &info, sizeof info) == sizeof info)
		if (info.ssi_signo != SIGCHLD)
			end = info.ssi_signo;
	return end;
}

/* The host's answer to "what is wrong with it?" has it then. */
static void tell_killed(int memory)
{
	char name[MEMORY_NAME], text[MEMORY_NAME + 16] = "gaol killed ";

	if (memory_read(memory, name))
		milestone(strcat(text, name));
}

static int serve(const struct options *options, int is_init)
{
	int signals = open_signals(is_init), also[ALSO] = { signals, is_init ? initctl_open() : -1, memory_open() };
	int how = 0;
	pid_t first = 0;

	/* When memory is short, nobody but us lets anybody in to end what takes it; the kernel keeps room for that (0150). */
	score_for_oom("-1000");
	while (!how) {
		pid_t relay = sessions_wait(also), ended;

		if (relay && !first)
			first = relay;
		if (read_signals(signals))
			how = RB_POWER_OFF;
		else if (also[1] >= 0)
			how = initctl_read(also[1]);
		if (also[2] >= 0)
			tell_killed(also[2]);
		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
			if (options->oneshot && ended == first) {
				if (is_init)
					end_machine(RB_POWER_OFF);
				return 0;
			}
	}
	if (is_init)
		stop_machine(signals, how);
	milestone("gaol stopping");
	return 0;
}

static int parse(struct options *options, int count, char **word)
{
	for (int i = 0; i < count; i++) {
		if (!strcmp(word[i], "--oneshot"))
			options->oneshot = 1;
		else if (!strcmp(word[i], "--quiet"))
			options->quiet = 1;
		else if (!strcmp(word[i], "--start") && i + 1 < count)
			options->start = strdup(word[++i]);
		else if (!strcmp(word[i], "--listen") && i + 1 < count)
			options->listen = atoi(word[++i]);
		else
			return complain(0, "no such option here: %s", word[i]);
	}
	return 0;
}

static int open_and_serve(int count, char **word, int is_init)
{
	struct options options = { .listen = -1 };
	struct rlimit files = { 65536, 524288 };
	int is_device, error;

	if (parse(&options, count, word))
		return 2;
	set_title(is_init ? "gaol-agent init" : "gaol-agent serve");
	setrlimit(RLIMIT_NOFILE, &files);
	is_device = options.listen < 0;
	if (is_device)
		options.listen = open("/dev/hostsock", O_RDWR | O_CLOEXEC);
	if (is_device)
		utmp_open();
	if (options.listen < 0)
		complain(errno, "/dev/hostsock: no commands can be run from the host");
	sessions_listen(options.listen, is_device);
	if (!options.quiet && (error = milestone("gaol agent")) != 0)
		complain(error, "/proc/mconsole: the host is not told that the machine is up");
	if (options.start)
		step_start(1, (char *[]){ options.start, NULL });
	return serve(&options, is_init);
}

int step_serve(int count, char **word)
{
	return open_and_serve(count, word, 0);
}

int step_init(int count, char **word)
{
	/* Stopping means to signal every process and to power off: never outside a machine. */
	if (getpid() != 1)
		return complain(0, "init: not process 1");
	/* Ctrl-Alt-Del becomes SIGINT to us, which is the host's way to ask for a stop. */
	reboot(RB_DISABLE_CAD);
	return open_and_serve(count, word, 1);
}
