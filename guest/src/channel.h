/* Bytes on their way from one descriptor to another, without blocking. */

#ifndef CHANNEL_H
#define CHANNEL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

enum { CHANNEL_SIZE = 128 * 1024 };

struct channel {
	int from, to;                 /* owned; -1 once closed */
	size_t left;                  /* so much is still to be read, then it is taken for the end */
	size_t start, end;            /* what was read and not yet written */
	char data[CHANNEL_SIZE];
};

void channel_open(struct channel *channel, int from, int to);

/* What to wait for, in one slot of a poll list: reading and writing never at once. */
void channel_wants(const struct channel *channel, struct pollfd *slot);

/* Moves what can be moved; at the end of the input closes the output, at an error both. */
void channel_move(struct channel *channel);

/* No more than `left` bytes are to come from the input; what was read is still written. */
void channel_limit(struct channel *channel, size_t left);

void channel_close(struct channel *channel);
int channel_is_closed(const struct channel *channel);

#endif
