/*
 * init of a machine in test_native_*.py: runs every program in /cases, one after the other, with what they print on the
 * console, and ends the machine.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(void)
{
	struct dirent **cases;
	int count, console, status;

	mount("dev", "/dev", "devtmpfs", 0, NULL);
	console = open("/dev/console", O_RDWR);
	dup2(console, 0);
	dup2(console, 1);
	dup2(console, 2);
	mkdir("/proc", 0755);
	mkdir("/tmp", 0777);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("tmp", "/tmp", "tmpfs", 0, NULL);
	mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, NULL);

	count = scandir("/cases", &cases, visible, alphasort);
	for (int i = 0; i < count; i++) {
		char path[512];
		pid_t child;

		snprintf(path, sizeof(path), "/cases/%s", cases[i]->d_name);
		child = fork();
		if (!child) {
			execl(path, path, NULL);
			_exit(127);
		}
		while (waitpid(child, &status, 0) != child)
			;
		printf("program %s %s %d\n", cases[i]->d_name, WIFSIGNALED(status) ? "killed by" : "ended with",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		fflush(stdout);
	}
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
