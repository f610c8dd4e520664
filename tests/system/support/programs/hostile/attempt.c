/* An attempt and its verdict. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

/* Which of these comes first depends on the kernel's version; each says that the thing is there, and is not allowed. */
static int refusal(int error)
{
	return error == EPERM || error == EACCES || error == EROFS || error == EOVERFLOW;
}

void verdict(const char *name, long result, int expected)
{
	if (result >= 0)
		printf("open %s\n", name);
	else if (errno == expected || (refusal(errno) && refusal(expected)))
		printf("held %s\n", name);
	else
		printf("odd %s: %s\n", name, strerror(errno));
	errno = 0;
}

long put(const char *path, const char *text)
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
long get(const char *path)
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
