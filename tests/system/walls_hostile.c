/*
 * A kernel that was taken over: started by the jail's very own configuration, it tries what it must not be able to do.
 *
 * One line an attempt. "held NAME": refused with the error that the wall gives. "open NAME": it succeeded. "odd NAME
 * ERROR": it failed otherwise, so perhaps it was never made. The test accepts "held" alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Which of these comes first depends on the kernel's version; each says that the thing is there, and is not allowed. */
static int refusal(int error)
{
	return error == EPERM || error == EACCES || error == EROFS || error == EOVERFLOW;
}

static void verdict(const char *name, long result, int expected)
{
	if (result >= 0)
		printf("open %s\n", name);
	else if (errno == expected || (refusal(errno) && refusal(expected)))
		printf("held %s\n", name);
	else
		printf("odd %s: %s\n", name, strerror(errno));
	errno = 0;
}

#define TRY(name, call, expected) verdict(name, (long)(call), expected)

static long put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	long result = fd < 0 ? fd : write(fd, text, strlen(text));
	int kept = errno;

	if (fd >= 0)
		close(fd);
	errno = kept;
	return result;
}

/* Reading what is masked shows nothing, which is as good as a refusal. */
static long get(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY);
	long result = fd < 0 ? fd : read(fd, &byte, 1);

	if (fd >= 0)
		close(fd);
	if (result == 0) {
		errno = ENODATA;
		return -1;
	}
	return result;
}

static long clone_with(unsigned long flags)
{
	long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (!child)
		_exit(0);
	return child;
}

static void namespaces(void)
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
	TRY("parent of the user namespace", ioctl(open("/proc/self/ns/user", O_RDONLY), 0xb702), EPERM);
}

static void mounts(void)
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

/* Whether a descriptor is a device, which the host shares with us. */
static int device(int fd)
{
	struct stat found;

	return fstat(fd, &found) || S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode);
}

static void host_files(void)
{
	struct {
		unsigned int bytes;
		int type;
		unsigned char handle[64];
	} handle = { 8, 1, { 0 } };
	int gaol = open("/gaol", O_RDONLY | O_DIRECTORY), id;

	TRY("the host's /etc/shadow", open("/etc/shadow", O_RDONLY), ENOENT);
	TRY("by climbing out", openat(gaol, "../../../../../etc/shadow", O_RDONLY), ENOENT);
	TRY("by the root of process 1", open("/proc/1/root/etc/shadow", O_RDONLY), ENOENT);
	symlink("/etc/shadow", "/gaol/link");
	TRY("by a symbolic link", open("/gaol/link", O_RDONLY), ENOENT);
	TRY("by a descriptor's parent", open("/proc/self/fd/0/../../etc/shadow", O_RDONLY), ENOTDIR);
	TRY("name_to_handle_at", syscall(SYS_name_to_handle_at, gaol, "", &handle, &id, AT_EMPTY_PATH), EPERM);
	TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, gaol, &handle, O_RDONLY), EPERM);
	TRY("the host's control groups", open("/sys/fs/cgroup", O_RDONLY), ENOENT);
	TRY("write its own program", open("/proc/self/exe", O_WRONLY), EROFS);
	TRY("write the kernel", open("/kernel/linux", O_WRONLY | O_TRUNC), EROFS);
	TRY("replace the kernel", unlink("/kernel/linux"), EROFS);
	TRY("write /config", open("/config/x", O_CREAT | O_WRONLY, 0600), EROFS);
	TRY("write /uml/bin", open("/uml/bin/startenv", O_CREAT | O_WRONLY, 0755), EROFS);
	TRY("write the root", open("/x", O_CREAT | O_WRONLY, 0600), EROFS);
	TRY("take the notify socket away", unlink("/host/notify"), EROFS);
	TRY("put something beside it", mknod("/host/x", S_IFIFO | 0600, 0), EROFS);
	TRY("close it to the daemon", chmod("/host/notify", 0), EROFS);
	TRY("rename out of the gaol", rename("/gaol/link", "/config/link"), EXDEV);
	TRY("link out of the gaol", link("/uml/bin", "/gaol/bin"), EXDEV);
	TRY("close /dev/null to the host", chmod("/dev/null", 0600), EPERM);
	TRY("own /dev/null", chown("/dev/null", 0, 0), EPERM);
	TRY("by the standard input", fchmod(open("/proc/self/fd/0", O_RDWR), 0600) ? -1 : device(0) ? 0 : (errno = EPERM, -1), EPERM);
	unlink("/gaol/link");
	close(gaol);
}

static void devices(void)
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

static void tap(void)
{
	char request[40] = "gtstolen";
	static const struct {
		const char *name;
		unsigned long number;
	} calls[] = {
		{ "TUNSETNOCSUM", 0x400454c8 }, { "TUNSETDEBUG", 0x400454c9 }, { "TUNSETIFF", 0x400454ca },
		{ "TUNSETPERSIST", 0x400454cb }, { "TUNSETOWNER", 0x400454cc }, { "TUNSETLINK", 0x400454cd },
		{ "TUNSETGROUP", 0x400454ce }, { "TUNSETOFFLOAD", 0x400454d0 }, { "TUNSETTXFILTER", 0x400454d1 },
		{ "TUNSETSNDBUF", 0x400454d4 }, { "TUNATTACHFILTER", 0x401054d5 }, { "TUNDETACHFILTER", 0x401054d6 },
		{ "TUNSETVNETHDRSZ", 0x400454d8 }, { "TUNSETQUEUE", 0x400454d9 }, { "TUNSETIFINDEX", 0x400454da },
		{ "TUNSETVNETLE", 0x400454dc }, { "TUNSETSTEERINGEBPF", 0x800454e0 }, { "TUNSETFILTEREBPF", 0x800454e1 },
		{ "TUNSETCARRIER", 0x400454e2 }, { "TUNGETDEVNETNS", 0x54e3 }, { "SIOCSIFHWADDR", 0x8924 },
		{ "SIOCGIFHWADDR", 0x8927 }, { "SIOCGSKNS", 0x894c },
	};
	int again;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		TRY(calls[i].name, ioctl(4, calls[i].number, request), EPERM);
	/* /proc opens the device anew: a TAP of nobody's, to be made into one. */
	again = open("/proc/self/fd/4", O_RDWR);
	if (again >= 0 || errno == EPERM || errno == EACCES)
		TRY("another TAP", again < 0 ? (errno = EPERM, -1) : ioctl(again, 0x400454ca, request), EPERM);
	close(again);
}

static void file_system_calls(void)
{
	struct {
		long fd;
		char name[4088];
	} subvolume = { 0, "subvolume" };
	static const struct {
		const char *name;
		unsigned long number;
	} calls[] = {
		{ "SUBVOL_CREATE", 0x5000940e }, { "SUBVOL_CREATE_V2", 0x50009418 }, { "SNAP_CREATE", 0x50009401 },
		{ "SNAP_CREATE_V2", 0x50009417 }, { "SNAP_DESTROY", 0x5000940f }, { "SNAP_DESTROY_V2", 0x5000943f },
		{ "TREE_SEARCH", 0xd0009411 }, { "INO_LOOKUP", 0xd0009412 }, { "INO_LOOKUP_USER", 0xd000943e },
		{ "DEFAULT_SUBVOL", 0x40089413 }, { "SUBVOL_SETFLAGS", 0x4008941a }, { "QUOTA_CTL", 0xc0109428 },
		{ "QGROUP_ASSIGN", 0x40189429 }, { "QGROUP_LIMIT", 0x8030942b }, { "SEND", 0x40489426 }, { "SYNC", 0x9408 },
		{ "ENCODED_WRITE", 0x40809440 }, { "DEFRAG", 0x50009402 }, { "RESIZE", 0x50009403 }, { "ADD_DEV", 0x5000940a },
		{ "FICLONE", 0x40049409 }, { "FICLONERANGE", 0x4020940d }, { "FIDEDUPERANGE", 0xc0189436 },
		{ "FS_IOC_SETFLAGS", 0x40086602 }, { "FS_IOC_FSSETXATTR", 0x401c5820 }, { "FIFREEZE", 0xc0045877 },
		{ "FITRIM", 0xc0185879 }, { "FS_IOC_ENABLE_VERITY", 0x40806685 }, { "FIBMAP", 1 }, { "FS_IOC_FIEMAP", 0xc020660b },
		{ "FS_IOC_SHUTDOWN", 0x8004587d },
	};
	int gaol = open("/gaol", O_RDONLY | O_DIRECTORY);

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		TRY(calls[i].name, ioctl(gaol, calls[i].number, &subvolume), EPERM);
	close(gaol);
}

static void facilities(void)
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

static void others(void)
{
	char buffer[8];
	struct iovec here = { buffer, 8 }, there = { (void *)0x400000, 8 };
	int found = 0;

	for (int pid = 2; pid < 1 << 16; pid++)
		found += !kill(pid, 0) || errno != ESRCH;
	errno = ESRCH;
	TRY("see a process of the host", found ? 0 : -1, ESRCH);
	TRY("signal the host's first process' parent", kill(getppid() ? getppid() : 2, SIGKILL), ESRCH);
	TRY("signal everybody", kill(-1, SIGKILL), ESRCH); /* all but itself, and there is nobody */
	TRY("trace another", ptrace(PTRACE_ATTACH, 2, 0, 0), ESRCH);
	TRY("read another's memory", process_vm_readv(2, &here, 1, &there, 1, 0), ESRCH);
	TRY("limit another", prlimit(2, RLIMIT_NOFILE, NULL, &(struct rlimit){ 0 }), ESRCH);
	TRY("escape the OOM killer", put("/proc/self/oom_score_adj", "-1000"), EACCES);
	TRY("be nicer to oneself", setpriority(PRIO_PROCESS, 0, -10), EACCES);
	TRY("more descriptors", setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1 << 20, 1 << 20 }), EPERM);
	TRY("core dumps", setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }), EPERM);
	TRY("locked memory", mlock(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 20), ENOMEM);
	TRY("other groups", setgroups(1, &(gid_t){ 0x7ffffffe }), EINVAL);
	TRY("another user", setresuid(0x7ffffffe, -1, -1), EINVAL);
}

static void proc(void)
{
	static const char *const masked[] = { "/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/interrupts" };

	TRY("core_pattern", put("/proc/sys/kernel/core_pattern", "|/bin/sh"), EROFS);
	TRY("panic", put("/proc/sys/kernel/panic", "1"), EROFS);
	TRY("ip_forward", put("/proc/sys/net/ipv4/ip_forward", "1"), EROFS);
	TRY("user namespaces", put("/proc/sys/user/max_user_namespaces", "9"), EROFS);
	TRY("the system's limit of files", put("/proc/sys/fs/file-max", "1"), EROFS);
	if (!access("/proc/sysrq-trigger", F_OK))
		TRY("sysrq", put("/proc/sysrq-trigger", "h"), EROFS);
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++)
		if (!access(masked[i], F_OK)) /* kernels differ in what they have */
			TRY(masked[i], get(masked[i]), ENODATA);
}

/* The test has laid out in the home: "hers" (the owner's), "foreign" and "foreign.d" (root's), "group" (of a group that
 * the owner is not in, writable for it). */
static void home(unsigned int owner)
{
	char capability[20] = { 1, 0, 0, 2, 0xff };
	int fd;

	TRY("give a file of the home to root", chown("/home/hers", 0, 0), EOVERFLOW);
	TRY("give it to another user", chown("/home/hers", owner + 1, -1), EOVERFLOW);
	TRY("give it to another group", chown("/home/hers", -1, 4), EOVERFLOW);
	TRY("make a file as root", open("/home/by-root", O_CREAT | O_WRONLY, 04755), EOVERFLOW);
	TRY("read another's file", open("/home/foreign", O_RDONLY), EACCES);
	TRY("write another's file", open("/home/foreign", O_WRONLY), EACCES);
	TRY("change another's mode", chmod("/home/foreign", 0777), EPERM);
	TRY("take another's file", chown("/home/foreign", owner, -1), EPERM);
	TRY("list another's directory", open("/home/foreign.d", O_RDONLY | O_DIRECTORY), EACCES);
	TRY("write a group's file", open("/home/group", O_WRONLY), EACCES);
	TRY("a device in the home", mknod("/home/device", S_IFBLK | 0600, 0xfe00), EPERM);
	TRY("capabilities on a file of the home", setxattr("/home/hers", "security.capability", capability, 20, 0), EPERM);
	TRY("trusted attributes", setxattr("/home/hers", "trusted.x", "x", 1, 0), EPERM);
	TRY("an attribute on another's file", setxattr("/home/foreign", "user.x", "x", 1, 0), EACCES);
	TRY("execute in the home", execl("/home/hers", "hers", NULL), EACCES);
	setfsuid(owner);
	TRY("read another's file as the owner", open("/home/foreign", O_RDONLY), EACCES);
	setfsuid(0);
	fd = open("/gaol/program", O_CREAT | O_WRONLY, 06755);
	TRY("capabilities on a file of the gaol", fsetxattr(fd, "security.capability", capability, 20, 0), EPERM);
	close(fd);
	TRY("execute in the gaol", execl("/gaol/program", "program", NULL), EACCES);
	unlink("/gaol/program");
}

static void space(void)
{
	static char block[1 << 16];
	static const char *const places[] = { "/dev/fill", "/run/fill" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int fd = open(places[i], O_CREAT | O_WRONLY, 0600);
		off_t size = 0;
		long result = fd;

		while (result >= 0 && size < 16 << 20 && (result = pwrite(fd, block, sizeof(block), size)) >= 0)
			size += result;
		TRY(places[i], result, ENOSPC);
		close(fd);
		unlink(places[i]);
	}
}

/* More than the machine's memory: in the file that stands for it, or by a child. */
static void hog(const char *where)
{
	static char block[1 << 16];
	int fd = open("/dev/shm/fill", O_CREAT | O_WRONLY, 0600);

	puts("end");
	if (!strcmp(where, "child") && fork() > 0)
		for (;;)
			pause();
	for (off_t size = 0; write(fd, block, sizeof(block)) > 0; size++)
		;
	for (;;)
		memset(malloc(sizeof(block)), 1, sizeof(block));
}

static void core(void)
{
	pid_t child = fork();
	int status = 0;

	if (!child) {
		prctl(PR_SET_DUMPABLE, 1);
		chdir("/gaol");
		abort();
	}
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
		printf("odd core: no death\n");
		return;
	}
	errno = ENOEXEC;
	TRY("dump core", WCOREDUMP(status) ? 0 : -1, ENOEXEC);
}

static sigjmp_buf no_interface;

static void no_interrupt(int number)
{
	siglongjmp(no_interface, number);
}

/* Every number that the allowlist lacks, of every interface of the processor; what is listed was never called. */
static void sweep(char *allowed)
{
	static char skip[1024];
	volatile long made = 0;

	for (char *word = strtok(allowed, ","); word; word = strtok(NULL, ","))
		skip[atoi(word)] = 1;
	/* Linux asks no filter about uretprobe and uprobe (335, 336), which are of use to its own probes alone. */
	signal(SIGILL, no_interrupt);
	for (volatile long number = 0; number < 1024; number++) {
		if (skip[number])
			continue;
		made++;
		errno = 0;
		if (sigsetjmp(no_interface, 1)) {
			if (number != 335 && number != 336)
				printf("call %ld ended by a signal\n", number);
			continue;
		}
		if (syscall(number, 0, 0, 0, 0, 0, 0) != -1 ||
		    !(errno == EPERM || (number == SYS_clone3 && errno == ENOSYS) || (number == 336 && errno == ENXIO)))
			printf("call %ld %s\n", number, strerror(errno));
	}
	for (long number = 0; number < 1024; number++) {
		made++;
		if (syscall(number | 0x40000000, 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
			printf("x32 %ld %s\n", number, strerror(errno));
	}
	signal(SIGSEGV, no_interrupt); /* on a host without 32-bit programs the interrupt itself is one too many */
	for (volatile long number = 0; number < 1024; number++) {
		long result = number;

		made++;
		if (sigsetjmp(no_interface, 1))
			continue;
		asm volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
		if (result != -EPERM)
			printf("i386 %ld %ld\n", number, result);
	}
	printf("made %ld\n", made);
	for (unsigned long number = 0; number < 1 << 16; number++)
		for (unsigned long size = 0; size < 4; size++) {
			unsigned long whole = number | (size == 1 ? 0x40040000 : size == 2 ? 0x80040000 : size == 3 ? 0xc0080000 : 0);

			if (ioctl(0, whole, 0) == 0 || errno != EPERM)
				printf("ioctl %#lx\n", whole);
		}
}

static void hold(const char *what)
{
	struct sockaddr_un address = { AF_UNIX, "/run/machine/mconsole" };
	sigset_t all;

	mkdir("/run/machine", 0700);
	if (!strcmp(what, "symlink"))
		symlink("/proc/1/fd/1", address.sun_path);
	else if (!strcmp(what, "parent"))
		(void)!(rmdir("/run/machine") || symlink("/gaol", "/run/machine"));
	else if (!strcmp(what, "fifo"))
		mkfifo(address.sun_path, 0600);
	else if (!strcmp(what, "directory"))
		mkdir(address.sun_path, 0700);
	else if (!strcmp(what, "full")) {
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

		bind(fd, (struct sockaddr *)&address, sizeof(address));
		while (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1)
			;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int number = 1; number < 32; number++)
		signal(number, SIG_IGN);
	puts("end");
	for (;;)
		pause();
}

/* Datagrams of all sizes, some with descriptors, to the socket of milestones; and noise on the console. */
static void noise(void)
{
	struct sockaddr_un address = { AF_UNIX, "/host/notify" };
	static char bytes[100000];
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), zero = open("/dev/urandom", O_RDONLY);

	printf("connect %d\n", connect(fd, (struct sockaddr *)&address, sizeof(address)));
	puts("end");
	for (unsigned int number = 0;; number++) {
		struct iovec data = { bytes, number * 7919 % sizeof(bytes) };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);

		(void)!read(zero, bytes, sizeof(bytes));
		*head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(head), &zero, sizeof(int));
		sendmsg(fd, &message, 0);
		(void)!write(1, bytes, sizeof(bytes));
	}
}

static void copy(const char *path)
{
	char line[512];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		printf("%s: %s", path + strlen("/proc/self/"), line);
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	fcntl(1, F_SETFL, fcntl(1, F_GETFL) & ~O_NONBLOCK); /* nothing that is said may be lost */
	if (!strcmp(what, "hold"))
		hold(argv[2]);
	if (!strcmp(what, "noise"))
		noise();
	if (!strcmp(what, "hog"))
		hog(argv[2]);
	if (!strcmp(what, "dump")) {
		copy("/proc/self/status");
		copy("/proc/self/limits");
		copy("/proc/self/mountinfo");
		copy("/proc/self/uid_map");
		copy("/proc/self/gid_map");
		for (char **word = environ; *word; word++)
			printf("environment: %s\n", *word);
		for (int fd = 0; fd < 1024; fd++) {
			char path[64], target[256];
			ssize_t size;

			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			size = readlink(path, target, sizeof(target) - 1);
			if (size > 0)
				printf("descriptor: %d %.*s\n", fd, (int)size, target);
		}
	} else if (!strcmp(what, "sweep")) {
		sweep(argv[2]);
	} else if (!strcmp(what, "all")) {
		namespaces();
		mounts();
		host_files();
		devices();
		tap();
		file_system_calls();
		facilities();
		others();
		proc();
		home(atoi(argv[2]));
		space();
		core();
	}
	puts("end");
	return 0;
}
