#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <unistd.h>

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void channel_open(struct channel *channel, int from, int to)
{
	channel->from = from;
	channel->to = to;
	channel->left = SIZE_MAX;
	channel->start = channel->end = 0;
}

void channel_close(struct channel *channel)
{
	close_end(&channel->from);
	close_end(&channel->to);
}

int channel_is_closed(const struct channel *channel)
{
	return channel->to < 0;
}

void channel_limit(struct channel *channel, size_t left)
{
	channel->left = left;
}

void channel_wants(const struct channel *channel, struct pollfd *slot)
{
	int full = channel->start < channel->end;

	slot->fd = full ? channel->to : channel->from;
	slot->events = full ? POLLOUT : POLLIN;
	slot->revents = 0;
}

/* Returns whether there is something to write. */
static int fill(struct channel *channel)
{
	size_t most = channel->left < CHANNEL_SIZE ? channel->left : CHANNEL_SIZE;
	ssize_t got;

	if (channel->start < channel->end)
		return 1;
	got = most && channel->from >= 0 ? read(channel->from, channel->data, most) : 0;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		channel_close(channel);
		return 0;
	}
	if (channel->left != SIZE_MAX)
		channel->left -= got;
	channel->start = 0;
	channel->end = got;
	return 1;
}

void channel_move(struct channel *channel)
{
	/* Twice, so that a sender that never pauses can't keep the others from their turn. */
	for (int turn = 0; turn < 2 && fill(channel); turn++) {
		ssize_t put = write(channel->to, channel->data + channel->start, channel->end - channel->start);

		if (put < 0 && errno != EAGAIN && errno != EINTR)
			channel_close(channel);
		if (put <= 0)
			return;
		channel->start += put;
	}
}
