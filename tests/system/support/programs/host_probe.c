/*
 * Stands in for the kernel in a jail and tells what it sees, one "name value" a line; or does as its argument says.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void copy(const char *name, const char *path)
{
	char line[512];
	FILE *file = fopen(path, "r");

	if (!file)
		printf("%s %s\n", name, strerror(errno));
	while (file && fgets(line, sizeof(line), file))
		printf("%s %s", name, line);
	if (file)
		fclose(file);
}

static void descriptors(void)
{
	char path[64], target[256];
	ssize_t size;

	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		size = readlink(path, target, sizeof(target) - 1);
		if (size > 0)
			printf("fd %d %.*s\n", fd, (int)size, target);
	}
}

/* As hostfs does it: the file system's ids of whoever asks inside. */
static void make(const char *path, unsigned int uid, unsigned int gid)
{
	struct stat made;
	int fd;

	setfsgid(gid);
	setfsuid(uid);
	fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 04777);
	if (fd < 0)
		printf("make %s %u %s\n", path, uid, strerror(errno));
	else if (!fstat(fd, &made))
		printf("make %s %u is %u.%u %o\n", path, uid, made.st_uid, made.st_gid, made.st_mode & 07777);
	setfsuid(0);
	setfsgid(0);
}

static void attempt(const char *name, long result)
{
	printf("try %s %s\n", name, result < 0 ? strerror(errno) : "done");
}

static void attempts(void)
{
	attempt("mount", mount("none", "/run", "tmpfs", 0, ""));
	attempt("remount", mount("none", "/config", "", MS_REMOUNT | MS_BIND, ""));
	attempt("pivot", chroot("/gaol"));
	attempt("write config", open("/config/x", O_CREAT | O_WRONLY, 0600));
	attempt("write kernel", open("/kernel/linux", O_WRONLY));
	attempt("write root", open("/x", O_CREAT | O_WRONLY, 0600));
	attempt("write notify", open("/host/x", O_CREAT | O_WRONLY, 0600));
	attempt("device", mknod("/gaol/device", S_IFBLK | 0600, 0xfe00));
	attempt("read shadow", open("/etc/shadow", O_RDONLY));
	attempt("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	attempt("hostname", sethostname("x", 1));
	attempt("core limit", open("/proc/sys/kernel/core_pattern", O_WRONLY));
	attempt("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
}

/* Each of these would do something else than EPERM without the filter, even with no capability at all. */
static void calls(void)
{
	struct {
		long fd;
		char name[4088];
	} subvolume = { 0, "subvolume" };
	int gaol = open("/gaol", O_RDONLY | O_DIRECTORY);

	attempt("unshare a user namespace", syscall(SYS_unshare, CLONE_NEWUSER));
	attempt("clone a user namespace", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	attempt("clone a namespace by the new call", syscall(SYS_clone3, NULL, 0));
	attempt("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	attempt("userfaultfd", syscall(SYS_userfaultfd, 1));
	attempt("keyring", syscall(SYS_keyctl, 0, -1, 0));
	attempt("add a key", syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
	attempt("bpf", syscall(SYS_bpf, 9999, NULL, 0));
	attempt("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	attempt("new mount interface", syscall(SYS_fsopen, NULL, 0));
	attempt("open_tree", syscall(SYS_open_tree, -100, "/gaol", 0));
	attempt("pidfd of another", syscall(SYS_pidfd_getfd, -1, 0, 0));
	attempt("inotify", syscall(SYS_inotify_init1, 0));
	attempt("IPv4 socket", socket(AF_INET, SOCK_STREAM, 0));
	attempt("netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	attempt("vsock socket", socket(AF_VSOCK, SOCK_STREAM, 0));
	attempt("keep the TAP", ioctl(4, 0x400454cb, 1));
	attempt("own the TAP", ioctl(4, 0x400454cc, 0));
	attempt("make a subvolume", ioctl(gaol, 0x5000940e, &subvolume));
	attempt("a number without a call", syscall(9999));
}

int main(int argc, char **argv)
{
	unsigned int owner = argc > 2 ? atoi(argv[2]) : 1000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "stay")) {
		puts("here");
		for (;;)
			pause();
	}
	if (argc > 1 && !strcmp(argv[1], "calls")) {
		calls();
		puts("end");
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "fork")) {
		int children = 0;

		while (fork() > 0)
			children++;
		if (getpid() != 1)
			pause();
		printf("children %d\n", children);
		pause();
	}
	if (argc > 1 && !strcmp(argv[1], "hog")) {
		for (size_t taken = 0;; taken += 1 << 20) {
			char *piece = malloc(1 << 20);

			if (!piece)
				return 1;
			memset(piece, 1, 1 << 20);
		}
	}
	copy("status", "/proc/self/status");
	copy("mount", "/proc/self/mountinfo");
	copy("limits", "/proc/self/limits");
	for (char **word = argv; *word; word++)
		printf("argument %s\n", *word);
	for (char **word = environ; *word; word++)
		printf("environment %s\n", *word);
	descriptors();
	make("/gaol/by-root", 0, 0);
	make("/gaol/by-user", 33, 33);
	make("/gaol/by-owner", owner, owner);
	make("/home/by-owner", owner, owner);
	make("/home/by-root", 0, 0);
	make("/home/by-user", 33, 33);
	attempts();
	puts("end");
	return 0;
}
