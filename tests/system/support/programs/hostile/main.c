/* A kernel that was taken over: started by the jail's very own configuration, it tries what it must not be able to do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

static void copy(const char *path)
{
	char line[512];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		printf("%s: %s", strrchr(path, '/') + 1, line);
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
		copy("/proc/sys/user/max_user_namespaces");
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
