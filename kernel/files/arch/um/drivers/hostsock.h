/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __UM_HOSTSOCK_H
#define __UM_HOSTSOCK_H

/*
 * What the driver asks of the host. None of these blocks; errors are -errno.
 * Poll bits are the same ABI on both sides and cross unchanged.
 */

struct iovec;

struct hostsock_event {
	void *cookie;
	unsigned int mask;
};

int hostsock_os_check_listener(int fd);
int hostsock_os_accept(int listener);
int hostsock_os_shutdown_write(int fd);
unsigned int hostsock_os_poll(int fd);

long hostsock_os_receive(int fd, struct iovec *iov, int count);
long hostsock_os_send(int fd, struct iovec *iov, int count);

int hostsock_os_watcher(void);
int hostsock_os_watch(int watcher, int fd, void *cookie);
void hostsock_os_unwatch(int watcher, int fd);
int hostsock_os_events(int watcher, struct hostsock_event *events, int max);

#endif
