/* Steps `remove`, `hosts` and `end`: what a machine that was made of another one has of that one's.
 *
 * A shell has programs for them, each of which costs more than all of this.
 */

#define _GNU_SOURCE
#include "agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOSTS "/etc/hosts"
#define NEW_HOSTS HOSTS ".gaoler"
#define PATIENCE 5000

/* remove FILE...: of a file that is not there nothing is said. */
int step_remove(int count, char **word)
{
	int status = 0;

	for (int i = 0; i < count; i++)
		if (unlink(word[i]) < 0 && errno != ENOENT)
			status = complain(errno, "remove: %s", word[i]);
	return status;
}

static int is_of(const char *line, const char *number)
{
	size_t length = strlen(number);

	return !strncmp(line, number, length) && isspace((unsigned char)line[length]);
}

/* All lines but those of `number`, and one of `number` for `names`. */
static int copy_hosts(FILE *from, FILE *to, const char *number, const char *names)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while (from && (length = getline(&line, &size, from)) > 0)
		if (!is_of(line, number))
			fprintf(to, "%s%s", line, line[length - 1] == '\n' ? "" : "\n");
	free(line);
	fprintf(to, "%s %s\n", number, names);
	return ferror(to) || (from && ferror(from)) ? -1 : 0;
}

/* The new file, whole, under another name. Returns an errno. */
static int write_hosts(FILE *from, mode_t mode, const char *number, const char *names)
{
	int fd = open(NEW_HOSTS, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), error = 0;
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");

	if (!to) {
		error = errno;
		close(fd);
		return error;
	}
	if (copy_hosts(from, to, number, names) < 0 || fchmod(fd, mode & 0777) < 0)
		error = errno ? errno : EIO;
	if (fclose(to) && !error)
		error = errno;
	return error;
}

/* hosts NUMBER NAMES: the one line of /etc/hosts that an address has. The file is whole at any moment. */
int step_hosts(int count, char **word)
{
	struct stat found = { .st_mode = 0644 };
	FILE *from;
	int error;

	if (count != 2)
		return complain(0, "hosts: wants NUMBER NAMES");
	unlink(NEW_HOSTS);
	from = fopen(HOSTS, "re");
	if (from)
		fstat(fileno(from), &found);
	error = write_hosts(from, found.st_mode, word[0], word[1]);
	if (from)
		fclose(from);
	if (!error && rename(NEW_HOSTS, HOSTS) < 0)
		error = errno;
	if (!error)
		return 0;
	unlink(NEW_HOSTS);
	return complain(error, "hosts: " HOSTS);
}

static int is_called(const char *pid, char **names, int count)
{
	char path[300], name[64];
	int fd, length;

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, name, sizeof name - 1);
	close(fd);
	if (length < 1)
		return 0;
	name[length - 1] = '\0';
	for (int i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return 1;
	return 0;
}

/* Kills a process and waits until it is gone, with what it has open; 0 where it isn't within `patience` ms. */
static int kill_and_wait(pid_t pid, int patience)
{
	struct pollfd process = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int gone;

	kill(pid, SIGKILL);
	if (process.fd < 0)
		return errno == ESRCH;
	gone = poll(&process, 1, patience) > 0;
	close(process.fd);
	return gone;
}

/* end NAME...: kills all processes of that name. What is started in their place finds their ports free. */
int step_end(int count, char **word)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	int patience = PATIENCE;

	if (!processes)
		return complain(errno, "end: /proc");
	while ((entry = readdir(processes)))
		if (isdigit((unsigned char)entry->d_name[0]) && is_called(entry->d_name, word, count))
			if (!kill_and_wait(atoi(entry->d_name), patience))
				patience = 0; /* one that waits for a disk holds up nobody else */
	closedir(processes);
	return 0;
}
