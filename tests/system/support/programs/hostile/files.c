/* Files of the host, of the gaol and of the home, and what file systems offer beside. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hostile.h"

/* Whether a descriptor is a device, which the host shares with us. */
static int device(int fd)
{
	struct stat found;

	return fstat(fd, &found) || S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode);
}

void host_files(void)
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

void file_system_calls(void)
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

void proc(void)
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
void home(unsigned int owner)
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

void space(void)
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
