/* What the machine's kernel says when its memory is full: which program it has killed for that.
 *
 * A shell says "Killed" and no more, and a service nothing at all. The kernel's log is the one place that tells why.
 */

#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int memory_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* In "...ut of memory: Killed process 123 (name) total-vm:...": a name may hold brackets, its end is the last one
 * before the sizes. */
static int take_name(char *record, char name[MEMORY_NAME])
{
	char *start = strstr(record, "ut of memory: Killed process "), *end;

	if (!start || !(start = strchr(start, '(')) || !(end = strstr(start, ") total-vm:")))
		return 0;
	*end = '\0';
	snprintf(name, MEMORY_NAME, "%s", start + 1);
	/* What the host is told of is one word, of characters that can be shown. */
	for (char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '_';
	return *name != '\0';
}

int memory_read(int fd, char name[MEMORY_NAME])
{
	char record[2048];
	int found = 0;
	ssize_t got;

	for (;;) {
		got = read(fd, record, sizeof record - 1);
		if (got < 0 && errno == EPIPE)        /* some were overwritten before we came to them */
			continue;
		if (got <= 0)
			return found;
		record[got] = '\0';
		found |= take_name(record, name);
	}
}

void memory_size(char *text, size_t room)
{
	static const char key[] = "\nMEMORY=";
	char settings[8192], *size;
	int fd = open("/run/gaoler/machine", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, settings, sizeof settings - 1) : -1;

	*text = '\0';
	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return;
	settings[got] = '\0';
	size = strstr(settings, key);
	if (size) {
		size += sizeof key - 1;
		snprintf(text, room, " (%.*s)", (int)strcspn(size, "\n"), size);
	}
}
