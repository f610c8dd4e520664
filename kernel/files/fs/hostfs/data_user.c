// SPDX-License-Identifier: GPL-2.0
/*
 * Host calls on the data of an open file.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hostfs.h"

/* The host's timer for the machine may interrupt the longer ones of these. */
#define uninterrupted(call) ({						\
	long ret;							\
									\
	do {								\
		ret = call;						\
	} while (ret < 0 && errno == EINTR);				\
	ret < 0 ? -errno : ret;						\
})

/* What the host has in memory; -EAGAIN where that is nothing. */
long host_read_cached(int fd, const struct iovec *iov, int count, long long pos)
{
	return uninterrupted(preadv2(fd, iov, count, pos, RWF_NOWAIT));
}

long host_append(int fd, const struct iovec *iov, int count)
{
	return uninterrupted(pwritev2(fd, iov, count, 0, RWF_APPEND));
}

/*
 * All of it, though the host may do less in one call, up to the end of the file
 * or to an error. Changes @iov.
 */
long host_transfer(int fd, struct iovec *iov, int count, long long pos,
		   int write)
{
	long n, done = 0;

	while (count) {
		n = uninterrupted(write ? pwritev(fd, iov, count, pos + done) :
					  preadv(fd, iov, count, pos + done));
		if (n <= 0)
			return done ?: n;
		done += n;
		while (count && n >= (long)iov->iov_len) {
			n -= iov->iov_len;
			iov++;
			count--;
		}
		if (count) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= n;
		}
	}
	return done;
}

int host_fsync(int fd)
{
	return uninterrupted(fsync(fd));
}

int host_fdatasync(int fd)
{
	return uninterrupted(fdatasync(fd));
}

int host_syncfs(int fd)
{
	return uninterrupted(syncfs(fd));
}

int host_fallocate(int fd, int mode, long long offset, long long len)
{
	return uninterrupted(fallocate(fd, mode, offset, len));
}

long long host_seek(int fd, long long offset, int whence)
{
	return uninterrupted(lseek(fd, offset, whence));
}

long host_copy_range(int in, long long from, int out, long long to,
		     unsigned long len)
{
	off_t in_pos = from, out_pos = to;

	return uninterrupted(copy_file_range(in, &in_pos, out, &out_pos, len, 0));
}
