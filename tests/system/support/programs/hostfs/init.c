/*
 * The first process of a test machine: mounts what the test programs need,
 * runs /script with the host's own shell and tools, says how it ended, halts,
 * or with PANIC on the kernel's command line ends, which is a panic.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Set-id bits of the host's programs mean ids that are none in here. */
static void mounted(const char *source, const char *where, const char *type)
{
	if (mount(source, where, type, MS_NOSUID, NULL))
		perror(where);
}

int main(void)
{
	int status;
	pid_t pid;

	mounted("proc", "/proc", "proc");
	mounted("usr", "/usr", "hostfs");
	mounted("dev", "/dev", "tmpfs");
	mounted("model", "/model", "tmpfs");
	mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3));
	mknod("/dev/urandom", S_IFCHR | 0666, makedev(1, 9));
	chmod("/dev/null", 0666);
	setenv("PATH", "/usr/sbin:/usr/bin", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	pid = fork();
	if (!pid) {
		execl("/bin/sh", "sh", "-eu", "/script", NULL);
		perror("/bin/sh");
		_exit(127);
	}
	while (wait(&status) != pid)
		;
	printf("EXIT %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	if (getenv("PANIC"))
		return 0;
	reboot(RB_POWER_OFF);
	return 0;
}
