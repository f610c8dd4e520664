/* Connections, until a session has all of its streams. */

#ifndef SESSIONS_H
#define SESSIONS_H

#include <sys/types.h>

/* `fd` is /dev/hostsock, or an ordinary listening socket. */
void sessions_listen(int fd, int is_device);

enum { ALSO = 3 };

/* Serves what is there to serve; returns the process id of a relay if one was started, else 0. Waits until one
 * of the `also` is readable (-1 for none), something came or a deadline has passed. */
pid_t sessions_wait(const int also[ALSO]);

#endif
