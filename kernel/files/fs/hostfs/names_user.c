// SPDX-License-Identifier: GPL-2.0
/*
 * Host calls on names and attributes.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "hostfs.h"

/* Not in linux/magic.h. */
#define BCACHEFS_SUPER_MAGIC	0xca451a4e
#define ZFS_SUPER_MAGIC		0x2fc12fc1

/*
 * On somebody else's tree anything may have taken the place of a name: never
 * follow a link there, never wait for the other end of a FIFO.
 */
#define SAFELY (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static const int open_flags[] = {
	[HOSTFS_PLACE] = O_PATH,
	[HOSTFS_READ] = O_RDONLY,
	[HOSTFS_WRITE] = O_WRONLY,
	[HOSTFS_READ_WRITE] = O_RDWR,
};

static int result(int ret)
{
	return ret < 0 ? -errno : ret;
}

/*
 * The same file under a name that every call takes: not all of them take a
 * descriptor that is open for nothing but its place.
 */
#define FD_PATH 32

static const char *fd_path(int fd, char *path)
{
	snprintf(path, FD_PATH, "/proc/self/fd/%d", fd);
	return path;
}

int host_open_root(const char *path)
{
	return result(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int host_open(int dir, const char *name, enum hostfs_use use)
{
	return result(openat(dir, name, open_flags[use] | SAFELY));
}

/* However long @path is: step by step, and no step is a link. */
int host_open_below(int dir, const char *path, enum hostfs_use use)
{
	char name[NAME_MAX + 1];
	int at = dir, next;
	size_t len;

	for (;;) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, len ? path : ".", len ?: 1);
		name[len ?: 1] = '\0';
		path += len;
		next = host_open(at, name, *path ? HOSTFS_PLACE : use);
		if (at != dir)
			close(at);
		if (next < 0 || !*path)
			return next;
		at = next;
	}
}

int host_reopen(int fd, enum hostfs_use use)
{
	char path[FD_PATH];

	return result(open(fd_path(fd, path),
			   open_flags[use] | (SAFELY & ~O_NOFOLLOW)));
}

int host_stat(int dir, const char *name, struct hostfs_stat *st)
{
	struct statx buf;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
		  STATX_BASIC_STATS | STATX_BTIME, &buf) < 0)
		return -errno;

	*st = (struct hostfs_stat) {
		.ino = buf.stx_ino,
		.mode = buf.stx_mode,
		.nlink = buf.stx_nlink,
		.uid = buf.stx_uid,
		.gid = buf.stx_gid,
		.size = buf.stx_size,
		.atime = { buf.stx_atime.tv_sec, buf.stx_atime.tv_nsec },
		.mtime = { buf.stx_mtime.tv_sec, buf.stx_mtime.tv_nsec },
		.ctime = { buf.stx_ctime.tv_sec, buf.stx_ctime.tv_nsec },
		.blocks = buf.stx_blocks,
		.rdev = { buf.stx_rdev_major, buf.stx_rdev_minor },
		.dev = { buf.stx_dev_major, buf.stx_dev_minor },
	};
	if (buf.stx_mask & STATX_BTIME)
		st->btime = (struct hostfs_timespec) {
			buf.stx_btime.tv_sec, buf.stx_btime.tv_nsec
		};
	return 0;
}

/* Whether the file system ids, not the real ones, may do @mode (R_OK...). */
int host_access(int fd, int mode)
{
	char path[FD_PATH];

	return result(syscall(SYS_faccessat2, AT_FDCWD, fd_path(fd, path), mode,
			      AT_EACCESS));
}

int host_create(int dir, const char *name, unsigned int mode)
{
	return result(openat(dir, name, O_CREAT | O_EXCL | O_RDWR | SAFELY, mode));
}

int host_tmpfile(int dir, unsigned int mode)
{
	return result(openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
}

int host_mkdir(int dir, const char *name, unsigned int mode)
{
	return result(mkdirat(dir, name, mode));
}

int host_mknod(int dir, const char *name, unsigned int mode,
	       unsigned int major, unsigned int minor)
{
	return result(mknodat(dir, name, mode, os_makedev(major, minor)));
}

int host_symlink(int dir, const char *name, const char *target)
{
	return result(symlinkat(target, dir, name));
}

int host_link(int fd, int dir, const char *name)
{
	char path[FD_PATH];

	return result(linkat(AT_FDCWD, fd_path(fd, path), dir, name,
			     AT_SYMLINK_FOLLOW));
}

int host_unlink(int dir, const char *name, int is_dir)
{
	return result(unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0));
}

int host_rename(int dir, const char *name, int new_dir, const char *new_name,
		unsigned int flags)
{
	return result(syscall(SYS_renameat2, dir, name, new_dir, new_name,
			      flags));
}

int host_readlink(int fd, char *buf, int size)
{
	return result(readlinkat(fd, "", buf, size));
}

static int set_mode(int fd, mode_t mode)
{
	char path[FD_PATH];

	if (fchmod(fd, mode) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	return result(chmod(fd_path(fd, path), mode));
}

static int set_times(int fd, const struct hostfs_attr *attr)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT },
	};

	if (attr->set & HOST_SET_ATIME)
		times[0] = (struct timespec) {
			attr->atime.tv_sec, attr->atime.tv_nsec
		};
	if (attr->set & HOST_SET_MTIME)
		times[1] = (struct timespec) {
			attr->mtime.tv_sec, attr->mtime.tv_nsec
		};
	return result(syscall(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
}

int host_set_attr(int fd, const struct hostfs_attr *attr)
{
	int err = 0;

	/* Before the mode: a change of owner clears the set-id bits. */
	if (attr->set & HOST_SET_OWNER)
		err = result(fchownat(fd, "", attr->uid, attr->gid,
				      AT_EMPTY_PATH));
	if (!err && (attr->set & HOST_SET_MODE))
		err = set_mode(fd, attr->mode);
	if (!err && (attr->set & HOST_SET_SIZE))
		err = result(ftruncate(fd, attr->size));
	if (!err && (attr->set & (HOST_SET_ATIME | HOST_SET_MTIME)))
		err = set_times(fd, attr);
	return err;
}

/* Raw struct linux_dirent64, as many as fit, from @pos on; 0 at the end. */
int host_read_dir(int fd, long long pos, void *buf, int size)
{
	if (pos >= 0 && lseek(fd, pos, SEEK_SET) < 0)
		return -errno;
	return result(syscall(SYS_getdents64, fd, buf, size));
}

int host_statfs(int fd, struct hostfs_statfs *sf)
{
	struct statfs buf;

	if (fstatfs(fd, &buf) < 0)
		return -errno;

	*sf = (struct hostfs_statfs) {
		.type = buf.f_type,
		.bsize = buf.f_bsize,
		.namelen = buf.f_namelen,
		.blocks = buf.f_blocks,
		.bfree = buf.f_bfree,
		.bavail = buf.f_bavail,
		.files = buf.f_files,
		.ffree = buf.f_ffree,
	};
	memcpy(sf->fsid, &buf.f_fsid, sizeof(sf->fsid));
	return 0;
}

/* What the file at @path holds, or as much as fits. */
int host_read_file(const char *path, char *buf, int size)
{
	int fd, n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = result(read(fd, buf, size));
	close(fd);
	return n;
}

/* The file at @path says the limit and what is used of it, in bytes. */
int host_read_quota(const char *path, struct hostfs_quota *quota)
{
	char text[64];
	int n = host_read_file(path, text, sizeof(text) - 1);

	if (n < 0)
		return n;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu", &quota->limit, &quota->used) != 2)
		return -EINVAL;
	return 0;
}

/*
 * Whether what is there is on this host, so that nothing but a disk has to be
 * waited for. Of what is not known it is not known either.
 */
int host_is_local(const struct hostfs_statfs *sf)
{
	static const unsigned int local[] = {
		BCACHEFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC,
		F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC,
		SQUASHFS_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, ZFS_SUPER_MAGIC,
	};

	for (unsigned int i = 0; i < sizeof(local) / sizeof(*local); i++)
		if ((unsigned int)sf->type == local[i])
			return 1;
	return 0;
}

#define ROOM 4096	/* descriptors in the first table: 32 KiB */

/* How many descriptors the host allows, which from here on are all ours. */
int host_most_descriptors(void)
{
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);

	/*
	 * Once processes of the host share the table, each doubling of it waits
	 * for an RCU grace period, and the machine with it.
	 */
	fd = fcntl(STDIN_FILENO, F_DUPFD, ROOM - 1);
	if (fd >= 0)
		close(fd);
	return limit.rlim_max < INT_MAX ? limit.rlim_max : INT_MAX;
}

/* The file that is open as @fd, under a name in @dir: a copy of it. */
int host_keep(int fd, int dir, const char *name)
{
	loff_t from = 0, to = 0;
	char path[FD_PATH];
	struct stat st;
	int in, out, err = 0;
	ssize_t n;

	in = open(fd_path(fd, path), O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = openat(dir, name, O_CREAT | O_TRUNC | O_WRONLY | SAFELY, 0600);
	if (out < 0 || fstat(in, &st) < 0) {
		err = -errno;
		goto out;
	}
	while (!err && from < st.st_size) {
		n = copy_file_range(in, &from, out, &to, st.st_size - from, 0);
		if (n < 0)
			err = -errno;
		else if (!n)
			break;
	}
	if (!err && (fchown(out, st.st_uid, st.st_gid) < 0 ||
		     fchmod(out, st.st_mode & 07777) < 0))
		err = -errno;
out:
	close(in);
	if (out >= 0)
		close(out);
	return err;
}

int host_close(int fd)
{
	return result(close(fd));
}
