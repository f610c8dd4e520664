/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_ASM_UM_HOSTSOCK_H
#define _UAPI_ASM_UM_HOSTSOCK_H

#include <linux/ioctl.h>

/*
 * On /dev/hostsock: take the next connection that waits at the host's socket.
 * Returns a new close-on-exec descriptor, the stream, or EAGAIN if none waits.
 */
#define HOSTSOCK_ACCEPT		_IO('g', 1)

/* On a stream: end the writing side, as shutdown(SHUT_WR) does on a socket. */
#define HOSTSOCK_SHUTDOWN	_IO('g', 2)

#endif
