// SPDX-License-Identifier: GPL-2.0
/*
 * Finding a file by its number, where the host opens none by that: all names
 * of a tree are gone through. One search at a time.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hostfs.h"

#define DEPTH 64		/* of directories; what lies deeper is not found */
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Of every directory on the way: how far it has been read. */
static struct level {
	int fd;
	int at, end;
	int len;		/* of its own path */
	char entries[2048];
} levels[DEPTH];

static int enter(struct level *level, int dir, const char *name, int len)
{
	level->fd = openat(dir, name, DIRECTORY);
	level->at = 0;
	level->end = 0;
	level->len = len;
	return level->fd;
}

static const struct dirent64 *next(struct level *level)
{
	const struct dirent64 *entry;

	if (level->at >= level->end) {
		level->at = 0;
		level->end = syscall(SYS_getdents64, level->fd, level->entries,
				     sizeof(level->entries));
		if (level->end <= 0)
			return NULL;
	}
	entry = (const struct dirent64 *)(level->entries + level->at);
	level->at += entry->d_reclen;
	return entry;
}

/* The length of @path with @name below it, or 0 where that is too long. */
static int join(char *path, int len, const char *name, int size)
{
	int more = strlen(name);

	if (len + 1 + more >= size)
		return 0;
	if (len)
		path[len++] = '/';
	memcpy(path + len, name, more + 1);
	return len + more;
}

/* Below @root, which has the number itself if nobody else has. */
int host_find(int root, unsigned long long ino, char *path, int size)
{
	const struct dirent64 *entry;
	int depth = 0, len, found = -ESTALE;

	if (enter(&levels[0], root, ".", 0) < 0)
		return -errno;
	while (depth >= 0 && found) {
		struct level *level = &levels[depth];

		entry = next(level);
		if (!entry) {
			close(level->fd);
			depth--;
			continue;
		}
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		len = join(path, level->len, entry->d_name, size);
		if (!len)
			continue;
		if (entry->d_ino == ino)
			found = 0;
		else if (entry->d_type == DT_DIR && depth + 1 < DEPTH &&
			 enter(level + 1, level->fd, entry->d_name, len) >= 0)
			depth++;
	}
	while (depth >= 0)
		close(levels[depth--].fd);
	return found;
}
