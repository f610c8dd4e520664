/* The kernel's facilities: namespaces, mounts, devices, rings, probes, keys, sockets. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"

static long clone_with(unsigned long flags)
{
	long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (!child)
		_exit(0);
	return child;
}

void namespaces(void)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} kinds[] = {
		{ "mount", CLONE_NEWNS }, { "cgroup", CLONE_NEWCGROUP }, { "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC },
		{ "user", CLONE_NEWUSER }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET }, { "time", 0x80 },
	};
	char name[64];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(name, sizeof(name), "unshare a %s namespace", kinds[i].name);
		TRY(name, syscall(SYS_unshare, kinds[i].flag), EPERM);
		if (kinds[i].flag == 0x80) /* the lowest byte of clone's flags is the signal */
			continue;
		snprintf(name, sizeof(name), "clone into a %s namespace", kinds[i].name);
		TRY(name, clone_with(kinds[i].flag), EPERM);
	}
	TRY("clone3", syscall(SYS_clone3, NULL, 0), ENOSYS);
	TRY("setns", syscall(SYS_setns, open("/proc/self/ns/user", O_RDONLY), 0), EPERM);
	TRY("map more users", put("/proc/self/uid_map", "0 0 1\n"), EPERM);
	TRY("map more groups", put("/proc/self/gid_map", "0 0 1\n"), EPERM);
	TRY("join the host's groups", put("/proc/self/setgroups", "allow"), EPERM);
	TRY("allow user namespaces", put("/proc/sys/user/max_user_namespaces", "1"), EACCES);
	TRY("parent of the user namespace", ioctl(open("/proc/self/ns/user", O_RDONLY), 0xb702), EPERM);
}

void mounts(void)
{
	int gaol = open("/gaol", O_RDONLY | O_DIRECTORY);

	TRY("mount a tmpfs", mount("none", "/run", "tmpfs", 0, ""), EPERM);
	TRY("mount proc", mount("none", "/run", "proc", 0, ""), EPERM);
	TRY("mount the host's disk", mount("/dev/vda", "/run", "ext4", 0, ""), EPERM);
	TRY("bind", mount("/gaol", "/run", NULL, MS_BIND, NULL), EPERM);
	TRY("make /config writable", mount("none", "/config", "", MS_REMOUNT | MS_BIND, ""), EPERM);
	TRY("make the root writable", mount("none", "/", "", MS_REMOUNT | MS_BIND, ""), EPERM);
	TRY("unmount what hides /proc's files", umount2("/proc/kcore", MNT_DETACH), EPERM);
	TRY("unmount the home", umount2("/home", MNT_DETACH), EPERM);
	TRY("pivot_root", syscall(SYS_pivot_root, "/gaol", "/gaol"), EPERM);
	TRY("chroot", chroot("/gaol"), EPERM);
	TRY("fsopen", syscall(SYS_fsopen, "tmpfs", 0), EPERM);
	TRY("open_tree", syscall(SYS_open_tree, gaol, "", 1 | AT_EMPTY_PATH), EPERM);
	TRY("move_mount", syscall(SYS_move_mount, gaol, "", gaol, "", 4), EPERM);
	TRY("mount_setattr", syscall(442, gaol, "", AT_EMPTY_PATH, NULL, 0), EPERM);
	close(gaol);
}

void devices(void)
{
	TRY("a block device", mknod("/gaol/device", S_IFBLK | 0600, 0xfe00), EPERM);
	TRY("a character device", mknod("/gaol/device", S_IFCHR | 0600, 0x0101), EPERM);
	TRY("a device in /dev", mknod("/dev/sda", S_IFBLK | 0600, 0x0800), EPERM);
	TRY("/dev/mem", open("/dev/mem", O_RDWR), ENOENT);
	TRY("/dev/kvm", open("/dev/kvm", O_RDWR), ENOENT);
	TRY("/dev/fuse", open("/dev/fuse", O_RDWR), ENOENT);
	TRY("/dev/loop-control", open("/dev/loop-control", O_RDWR), ENOENT);
	TRY("a terminal", open("/dev/ptmx", O_RDWR), ENOENT);
	TRY("the console's ioctl TIOCSTI", ioctl(1, 0x5412, "x"), EPERM);
	TRY("TIOCLINUX", ioctl(1, 0x541c, "\3"), EPERM);
	TRY("TIOCSCTTY", ioctl(1, 0x540e, 1), EPERM);
}

void facilities(void)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{ "io_uring_setup", SYS_io_uring_setup }, { "io_uring_enter", SYS_io_uring_enter },
		{ "io_uring_register", SYS_io_uring_register }, { "bpf", SYS_bpf }, { "keyctl", SYS_keyctl },
		{ "add_key", SYS_add_key }, { "request_key", SYS_request_key }, { "perf_event_open", SYS_perf_event_open },
		{ "userfaultfd", SYS_userfaultfd }, { "kexec_load", SYS_kexec_load }, { "kexec_file_load", SYS_kexec_file_load },
		{ "init_module", SYS_init_module }, { "finit_module", SYS_finit_module }, { "delete_module", SYS_delete_module },
		{ "iopl", SYS_iopl }, { "ioperm", SYS_ioperm }, { "modify_ldt", SYS_modify_ldt }, { "swapon", SYS_swapon },
		{ "reboot", SYS_reboot }, { "sethostname", SYS_sethostname }, { "settimeofday", SYS_settimeofday },
		{ "clock_settime", SYS_clock_settime }, { "clock_adjtime", SYS_clock_adjtime }, { "adjtimex", SYS_adjtimex },
		{ "acct", SYS_acct }, { "quotactl", SYS_quotactl }, { "syslog", SYS_syslog }, { "fanotify_init", SYS_fanotify_init },
		{ "inotify_init1", SYS_inotify_init1 }, { "pidfd_open", SYS_pidfd_open }, { "pidfd_getfd", SYS_pidfd_getfd },
		{ "pidfd_send_signal", SYS_pidfd_send_signal }, { "process_madvise", 440 }, { "kcmp", SYS_kcmp },
		{ "vhangup", SYS_vhangup }, { "mq_open", SYS_mq_open }, { "shmget", SYS_shmget }, { "msgget", SYS_msgget },
		{ "semget", SYS_semget }, { "io_setup", SYS_io_setup }, { "ioprio_set", SYS_ioprio_set },
		{ "sched_setscheduler", SYS_sched_setscheduler }, { "sched_setattr", SYS_sched_setattr },
		{ "move_pages", SYS_move_pages }, { "migrate_pages", SYS_migrate_pages }, { "mbind", SYS_mbind },
		{ "vmsplice", SYS_vmsplice }, { "splice", SYS_splice }, { "tee", SYS_tee }, { "memfd_secret", 447 },
		{ "landlock_create_ruleset", 444 }, { "mlockall", SYS_mlockall }, { "sync", SYS_sync }, { "statmount", 457 },
		{ "listmount", 458 }, { "lsm_get_self_attr", 459 }, { "a number without a call", 9999 },
	};
	char name[64];

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		TRY(calls[i].name, syscall(calls[i].number, 0, 0, 0, 0, 0, 0), EPERM);
	for (int family = 0; family < 64; family++) {
		if (family == AF_UNIX)
			continue;
		for (int type = SOCK_STREAM; type <= SOCK_PACKET; type++) {
			snprintf(name, sizeof(name), "socket of family %d type %d", family, type);
			TRY(name, socket(family, type, 0), EPERM);
		}
	}
}
