/* The processes of a session, as the kernel knows them: all that did not make a session of their own. */

#define _GNU_SOURCE
#include "agent.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Field 6 of /proc/PID/stat; the name before it is in parentheses and may hold anything. */
static pid_t session_of(const char *pid)
{
	char path[64], text[512], *after;
	int fd, session = -1;
	ssize_t length;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	after = strrchr(text, ')');
	if (!after || sscanf(after, ") %*c %*d %*d %d", &session) != 1)
		return -1;
	return session;
}

int signal_session(int number)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid() && session_of(entry->d_name) == getpid() && kill(pid, number) == 0)
			count++;
	}
	closedir(proc);
	return count;
}
