// SPDX-License-Identifier: GPL-2.0
/*
 * The host's side of /dev/hostsock: AF_UNIX stream sockets.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <os.h>
#include "hostsock.h"

#define HOSTSOCK_MAX_EVENTS	32

static int socket_option(int fd, int option)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0)
		return -errno;
	return value;
}

/* 0 if @fd is a listening AF_UNIX stream socket, which UML then keeps to itself. */
int hostsock_os_check_listener(int fd)
{
	if (socket_option(fd, SO_DOMAIN) != AF_UNIX ||
	    socket_option(fd, SO_TYPE) != SOCK_STREAM ||
	    socket_option(fd, SO_ACCEPTCONN) != 1)
		return -EINVAL;

	return os_set_exec_close(fd);
}

int hostsock_os_accept(int listener)
{
	int fd, err;

	CATCH_EINTR(fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	if (fd < 0)
		return -errno;

	err = os_set_fd_async(fd);
	if (err < 0) {
		os_close_file(fd);
		return err;
	}
	return fd;
}

int hostsock_os_shutdown_write(int fd)
{
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

unsigned int hostsock_os_poll(int fd)
{
	struct pollfd pfd = {
		.fd = fd,
		.events = POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM,
	};
	int n;

	CATCH_EINTR(n = poll(&pfd, 1, 0));
	return n < 0 ? POLLERR : (unsigned short)pfd.revents;
}

/*
 * A host end that closes with data of ours unread resets the connection.
 * For the guest the other side has gone, as when the reader of a pipe goes:
 * end of file for a reader, EPIPE for a writer.
 */
long hostsock_os_receive(int fd, struct iovec *iov, int count)
{
	long n;

	CATCH_EINTR(n = readv(fd, iov, count));
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	return n;
}

long hostsock_os_send(int fd, struct iovec *iov, int count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	long n;

	CATCH_EINTR(n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return n;
}

int hostsock_os_watcher(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int hostsock_os_watch(int watcher, int fd, void *cookie)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET,
		.data.ptr = cookie,
	};

	return epoll_ctl(watcher, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void hostsock_os_unwatch(int watcher, int fd)
{
	epoll_ctl(watcher, EPOLL_CTL_DEL, fd, NULL);
}

/* Number of @events filled in; fewer than @max means that there are no more. */
int hostsock_os_events(int watcher, struct hostsock_event *events, int max)
{
	struct epoll_event found[HOSTSOCK_MAX_EVENTS];
	int n, i;

	if (max > HOSTSOCK_MAX_EVENTS)
		max = HOSTSOCK_MAX_EVENTS;

	CATCH_EINTR(n = epoll_wait(watcher, found, max, 0));
	for (i = 0; i < n; i++) {
		events[i].cookie = found[i].data.ptr;
		events[i].mask = found[i].events;
	}
	return n;
}
