/* The machine's end: every process gets a chance to end itself, then what was written reaches the host.
 *
 * Asked for by the host (Ctrl-Alt-Del, which the kernel makes a SIGINT to process 1) or from inside: poweroff,
 * halt, shutdown and reboot write a request to /run/initctl when no systemd answers.
 */

#define _GNU_SOURCE
#include "agent.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INITCTL "/run/initctl"

enum {
	STOP_MS = 5000,               /* from SIGTERM to SIGKILL */
	KILL_MS = 1000,
	MOUNTS_MAX = 256,
	INITCTL_MAGIC = 0x03091969,   /* the protocol of sysvinit's initreq.h */
	INITCTL_RUNLEVEL = 1,
};

/* --- being asked ------------------------------------------------------------------------------------------- */

int initctl_open(void)
{
	if (mkfifo(INITCTL, 0600) < 0 && errno != EEXIST)
		return -1;
	/* For writing too, or it would be at its end whenever nobody asks. */
	return open(INITCTL, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

struct request {
	int32_t magic, command, runlevel, delay;
	char data[368];
};

int initctl_read(int fd)
{
	struct request request;

	while (read(fd, &request, sizeof request) == sizeof request) {
		if (request.magic != INITCTL_MAGIC || request.command != INITCTL_RUNLEVEL)
			continue;
		if (request.runlevel == '0')
			return RB_POWER_OFF;
		if (request.runlevel == '6')
			return RB_AUTOBOOT;
	}
	return 0;
}

/* stop [--force] poweroff|reboot: asks process 1, or ends the kernel as it is, with what was written. */
int step_stop(int count, char **word)
{
	int forced = count == 2 && !strcmp(word[0], "--force"), reboots, fd;
	struct request request = { .magic = INITCTL_MAGIC, .command = INITCTL_RUNLEVEL };

	if (count != 1 + forced || (strcmp(word[forced], "poweroff") && strcmp(word[forced], "reboot")))
		return complain(0, "stop: wants poweroff or reboot");
	reboots = !strcmp(word[forced], "reboot");
	if (forced) {
		sync();
		end_machine(reboots ? RB_AUTOBOOT : RB_POWER_OFF);
	}
	request.runlevel = reboots ? '6' : '0';
	/* Not waited for: a machine whose process 1 does not listen is told so. */
	fd = open(INITCTL, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || write(fd, &request, sizeof request) != sizeof request)
		return complain(errno, "stop: %s", INITCTL);
	close(fd);
	return 0;
}

/* --- doing it ------------------------------------------------------------------------------------------------ */

/* Reaps until no process is left or the time is over. Orphans become ours, so no child means no process. */
static void reap_all(int signals, int64_t deadline)
{
	struct signalfd_siginfo info;
	sigset_t child;
	struct timespec rest;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (read(signals, &info, sizeof info) > 0)
		;
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		int64_t left = deadline - now_ms();

		if (pid > 0)
			continue;
		if (pid < 0 || left <= 0)
			return;
		rest.tv_sec = left / 1000;
		rest.tv_nsec = left % 1000 * 1000000;
		sigtimedwait(&child, NULL, &rest);
	}
}

/* Unmounts all that lets itself be unmounted, the latest first; the root is in use and was synced. */
static void unmount_all(void)
{
	static char *place[MOUNTS_MAX];
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	int count = 0;

	if (!mounts)
		return;
	while (count < MOUNTS_MAX && (entry = getmntent(mounts)))
		if (strcmp(entry->mnt_dir, "/"))
			place[count++] = strdup(entry->mnt_dir);
	endmntent(mounts);
	while (count--)
		if (place[count])
			umount2(place[count], 0);
}

void end_machine(int how)
{
	reboot(how);
	complain(errno, "init: reboot");
	_exit(1);
}

void stop_machine(int signals, int how)
{
	milestone("gaol stopping");
	/* A stopped process takes its SIGTERM only once it is continued. */
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	reap_all(signals, now_ms() + STOP_MS);
	kill(-1, SIGKILL);
	reap_all(signals, now_ms() + KILL_MS);
	sync();
	unmount_all();
	end_machine(how);
}
