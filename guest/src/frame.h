/* The frames of a control connection. */

#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>

enum {
	FRAME_HEAD = 5,               /* type, then length, little endian */
	FRAME_MAX = 6 << 20,          /* an exec frame with a command line as long as execve takes it, and more */
	COOKIE = 32,
};

/* A frame as it comes in. Never a byte more than the frame is read: what follows a join is not ours. */
struct frame {
	unsigned char head[FRAME_HEAD];
	unsigned char *payload;       /* owned; NUL-terminated for the reader's convenience */
	size_t length, have;          /* of the payload; counted with the head */
};

enum frame_state { FRAME_PART, FRAME_WHOLE, FRAME_CLOSED };

enum frame_state frame_read(int fd, struct frame *frame);
void frame_reset(struct frame *frame);

/* Waits for room, five seconds at most: the other end may have gone. 0 or -1. */
int frame_write(int fd, char type, const void *payload, size_t length);
int frame_write_failed(int fd, int code, const char *text);

#endif
