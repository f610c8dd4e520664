/*
 * jail [--map HOST:DIR] [--squash UID.GID:HOST:DIR] ... -- COMMAND...
 *
 * What surrounds the kernel process, as far as file access goes: a user
 * namespace of 65536 ids, the trees as idmapped mounts that are nosuid, nodev
 * and noexec, and the six capabilities over files and ids that the jail leaves.
 * --map shows ids 0..65535 of HOST at DIR, --squash those of one user alone.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_ID 500000
#define IDS 65536
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_mount_setattr 442
#endif

static const int kept[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID,
};

static void write_map(pid_t pid, const char *file, unsigned first, unsigned count)
{
	char path[64], line[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	snprintf(line, sizeof(line), "%u %u %u\n", first, FIRST_ID + first, count);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		err(1, "%s", path);
	close(fd);
}

/* A user namespace with these ids, to map a mount with. */
static int namespace_of(unsigned uid, unsigned gid, unsigned count)
{
	int ready[2], fd;
	char path[64], c;
	pid_t pid;

	if (pipe(ready))
		err(1, "pipe");
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || write(ready[1], "x", 1) != 1)
			err(1, "user namespace");
		pause();
	}
	if (read(ready[0], &c, 1) != 1)
		err(1, "user namespace");
	write_map(pid, "uid_map", uid, count);
	write_map(pid, "gid_map", gid, count);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	return fd;
}

static void show(const char *from, const char *to, int ns)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.userns_fd = ns,
	};
	int tree = syscall(SYS_open_tree, -1, from, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);

	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) ||
	    syscall(SYS_move_mount, tree, "", -1, to, 4 /* MOVE_MOUNT_F_EMPTY_PATH */))
		err(1, "%s at %s", from, to);
	close(ns);
}

static void keep_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = {};

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		int keep = 0;

		for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			keep |= kept[i] == cap;
		if (!keep && prctl(PR_CAPBSET_DROP, cap))
			err(1, "capability %d", cap);
	}
	for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		caps[0].effective |= 1u << kept[i];
	caps[0].permitted = caps[0].inheritable = caps[0].effective;
	if (syscall(SYS_capset, &header, caps) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(1, "capabilities");
}

static void enter_namespace(void)
{
	int ready[2], mapped[2];
	pid_t pid;
	char c;

	if (pipe(ready) || pipe(mapped))
		err(1, "pipe");
	pid = getpid();
	if (!fork()) {
		if (read(ready[0], &c, 1) != 1)
			_exit(1);
		write_map(pid, "uid_map", 0, IDS);
		write_map(pid, "gid_map", 0, IDS);
		_exit(write(mapped[1], "x", 1) != 1);
	}
	if (unshare(CLONE_NEWUSER) || write(ready[1], "x", 1) != 1 || read(mapped[0], &c, 1) != 1)
		err(1, "user namespace");
	wait(NULL);
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		err(1, "ids");
}

int main(int argc, char **argv)
{
	int i;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		err(1, "mount namespace");
	for (i = 1; i + 1 < argc && strcmp(argv[i], "--"); i += 2) {
		unsigned uid = 0, gid = 0, count = IDS;
		char *from = argv[i + 1], *to;

		if (!strcmp(argv[i], "--squash")) {
			if (sscanf(from, "%u.%u", &uid, &gid) != 2)
				errx(1, "%s: not UID.GID:HOST:DIR", from);
			from = strchr(from, ':') + 1;
			count = 1;
		}
		to = strchr(from, ':');
		*to++ = '\0';
		show(from, to, namespace_of(uid, gid, count));
	}
	enter_namespace();
	keep_capabilities();
	umask(0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[i + 1], argv + i + 1);
	err(1, "%s", argv[i + 1]);
}
