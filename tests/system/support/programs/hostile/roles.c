/* What it plays where it does not try things: one that holds out, one that makes noise, one that takes memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostile.h"

void hold(const char *what)
{
	struct sockaddr_un address = { AF_UNIX, "/run/machine/mconsole" };
	sigset_t all;

	mkdir("/run/machine", 0700);
	if (!strcmp(what, "symlink"))
		symlink("/proc/1/fd/1", address.sun_path);
	else if (!strcmp(what, "parent"))
		(void)!(rmdir("/run/machine") || symlink("/gaol", "/run/machine"));
	else if (!strcmp(what, "fifo"))
		mkfifo(address.sun_path, 0600);
	else if (!strcmp(what, "directory"))
		mkdir(address.sun_path, 0700);
	else if (!strcmp(what, "full")) {
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

		bind(fd, (struct sockaddr *)&address, sizeof(address));
		while (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1)
			;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int number = 1; number < 32; number++)
		signal(number, SIG_IGN);
	puts("end");
	for (;;)
		pause();
}

/* Datagrams of all sizes, some with descriptors, to the socket of milestones; and noise on the console. */
void noise(void)
{
	struct sockaddr_un address = { AF_UNIX, "/host/notify" };
	static char bytes[100000];
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), zero = open("/dev/urandom", O_RDONLY);

	printf("connect %d\n", connect(fd, (struct sockaddr *)&address, sizeof(address)));
	puts("end");
	for (unsigned int number = 0;; number++) {
		struct iovec data = { bytes, number * 7919 % sizeof(bytes) };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);

		(void)!read(zero, bytes, sizeof(bytes));
		*head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(head), &zero, sizeof(int));
		sendmsg(fd, &message, 0);
		(void)!write(1, bytes, sizeof(bytes));
	}
}

/* More than the machine's memory: in the file that stands for it, or by a child. */
void hog(const char *where)
{
	static char block[1 << 16];
	int fd = open("/dev/shm/fill", O_CREAT | O_WRONLY, 0600);

	puts("end");
	if (!strcmp(where, "child") && fork() > 0)
		for (;;)
			pause();
	for (off_t size = 0; write(fd, block, sizeof(block)) > 0; size++)
		;
	for (;;)
		memset(malloc(sizeof(block)), 1, sizeof(block));
}
