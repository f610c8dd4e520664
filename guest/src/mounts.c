/* Steps `mount`, `link` and `mode`: what a fresh machine lacks in its tree. */

#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned long flag;
} flags[] = {
	{ "ro", MS_RDONLY },        { "nosuid", MS_NOSUID },     { "nodev", MS_NODEV },
	{ "noexec", MS_NOEXEC },    { "noatime", MS_NOATIME },   { "relatime", MS_RELATIME },
	{ "bind", MS_BIND },        { "remount", MS_REMOUNT },   { "rw", 0 },
};

int make_directories(const char *path)
{
	char part[4096];
	size_t length = strlen(path);

	if (length >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* Splits "nosuid,mode=0755" into the flags of mount(2) and what is left for the file system. */
static unsigned long split_options(char *options, char *data, size_t size)
{
	unsigned long found = 0;
	size_t used = 0;

	data[0] = '\0';
	for (char *option = strtok(options, ","); option; option = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < sizeof flags / sizeof *flags && strcmp(option, flags[i].name))
			i++;
		if (i < sizeof flags / sizeof *flags)
			found |= flags[i].flag;
		else if (strcmp(option, "-") && used + strlen(option) + 2 < size)
			used += snprintf(data + used, size - used, "%s%s", used ? "," : "", option);
	}
	return found;
}

/* mount SOURCE PLACE TYPE OPTIONS, any number of times, in the order of fstab; "-" is no options. */
int step_mount(int count, char **word)
{
	int status = 0;

	if (count == 0 || count % 4)
		return complain(0, "mount: wants SOURCE PLACE TYPE OPTIONS, as in fstab");
	for (; count; count -= 4, word += 4) {
		char data[512];
		unsigned long found = split_options(word[3], data, sizeof data);

		if (mount(word[0], word[1], word[2], found, data) == 0)
			continue;
		/* The place is missing only in the rarest tree: so mount first, and look afterwards. */
		if (errno == ENOENT && make_directories(word[1]) == 0 &&
		    mount(word[0], word[1], word[2], found, data) == 0)
			continue;
		status = complain(errno, "mount: %s on %s", word[2], word[1]);
	}
	return status;
}

/* link TARGET PLACE, any number of times: symbolic links; one that exists is left alone. */
int step_link(int count, char **word)
{
	int status = 0;

	if (count == 0 || count % 2)
		return complain(0, "link: wants TARGET PLACE");
	for (; count; count -= 2, word += 2)
		if (symlink(word[0], word[1]) < 0 && errno != EEXIST)
			status = complain(errno, "link: %s", word[1]);
	return status;
}

/* mode OCTAL FILE...: permissions; of a file that is not there nothing is said. */
int step_mode(int count, char **word)
{
	mode_t mode = count ? strtoul(word[0], NULL, 8) : 0;
	int status = 0;

	if (count < 2)
		return complain(0, "mode: wants OCTAL FILE...");
	for (int i = 1; i < count; i++)
		if (chmod(word[i], mode) < 0 && errno != ENOENT)
			status = complain(errno, "mode: %s", word[i]);
	return status;
}
