// SPDX-License-Identifier: GPL-2.0
/*
 * Host calls on extended attributes, for any descriptor: the f*xattr() calls
 * refuse one that is open for its place alone.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include "hostfs.h"

#define FD_PATH 32

static const char *fd_path(int fd, char *path)
{
	snprintf(path, FD_PATH, "/proc/self/fd/%d", fd);
	return path;
}

long host_getxattr(int fd, const char *name, void *value, unsigned long size)
{
	char path[FD_PATH];
	ssize_t n = getxattr(fd_path(fd, path), name, value, size);

	return n < 0 ? -errno : n;
}

int host_setxattr(int fd, const char *name, const void *value,
		  unsigned long size, int flags)
{
	char path[FD_PATH];

	if (setxattr(fd_path(fd, path), name, value, size, flags) < 0)
		return -errno;
	return 0;
}

int host_removexattr(int fd, const char *name)
{
	char path[FD_PATH];

	return removexattr(fd_path(fd, path), name) < 0 ? -errno : 0;
}

long host_listxattr(int fd, char *list, unsigned long size)
{
	char path[FD_PATH];
	ssize_t n = listxattr(fd_path(fd, path), list, size);

	return n < 0 ? -errno : n;
}
