/* The frames of a control connection: type, length, payload. */

#define _GNU_SOURCE
#include "agent.h"
#include "frame.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum frame_state frame_read(int fd, struct frame *frame)
{
	for (;;) {
		unsigned char *place;
		size_t want;
		ssize_t got;

		if (frame->have < FRAME_HEAD) {
			place = frame->head + frame->have;
			want = FRAME_HEAD - frame->have;
		} else {
			place = frame->payload + (frame->have - FRAME_HEAD);
			want = FRAME_HEAD + frame->length - frame->have;
		}
		if (want) {
			got = read(fd, place, want);
			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0 && errno == EAGAIN)
				return FRAME_PART;
			if (got <= 0)
				return FRAME_CLOSED;
			frame->have += got;
		}
		if (frame->have == FRAME_HEAD && !frame->payload) {
			const unsigned char *head = frame->head;

			frame->length = head[1] | head[2] << 8 | head[3] << 16 | (size_t)head[4] << 24;
			/* Too long a frame is no frame of ours: there is no way back into step with the sender. */
			if (frame->length > FRAME_MAX)
				return FRAME_CLOSED;
			frame->payload = calloc(1, frame->length + 1);
			if (!frame->payload)
				return FRAME_CLOSED;
		}
		if (frame->payload && frame->have == FRAME_HEAD + frame->length)
			return FRAME_WHOLE;
	}
}

void frame_reset(struct frame *frame)
{
	free(frame->payload);
	memset(frame, 0, sizeof *frame);
}

int frame_write(int fd, char type, const void *payload, size_t length)
{
	unsigned char bytes[FRAME_HEAD + 1024];
	int64_t deadline = now_ms() + 5000;
	size_t size, done = 0;

	if (length > sizeof bytes - FRAME_HEAD)
		length = sizeof bytes - FRAME_HEAD;
	bytes[0] = type;
	for (int i = 0; i < 4; i++)
		bytes[1 + i] = length >> (8 * i);
	memcpy(bytes + FRAME_HEAD, payload, length);
	size = FRAME_HEAD + length;
	while (done < size) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };
		ssize_t put = write(fd, bytes + done, size - done);

		if (put > 0)
			done += put;
		else if (errno != EAGAIN && errno != EINTR)
			return -1;
		else if (now_ms() >= deadline)
			return -1;
		else
			poll(&room, 1, 100);
	}
	return 0;
}

int frame_write_failed(int fd, int code, const char *text)
{
	unsigned char payload[1024];
	size_t length = strnlen(text, sizeof payload - 1);

	payload[0] = code;
	memcpy(payload + 1, text, length);
	return frame_write(fd, 'F', payload, length + 1);
}
