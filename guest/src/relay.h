/* A session and its own process. */

#ifndef RELAY_H
#define RELAY_H

#include "request.h"

#include <stdint.h>

struct session {
	struct request request;
	int control, stream[3];       /* -1 while not joined */
	int64_t deadline;
	struct session *next;
};

/* Runs the session to its end. */
void relay(struct session *session) __attribute__((noreturn));

#endif
