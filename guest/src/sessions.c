/* Connections from the host, until a session has all of its streams; then a relay takes it over.
 *
 * All of this is one process that never blocks on a connection: a slow or silent one costs its descriptor until
 * its deadline, and nobody else's time.
 */

#define _GNU_SOURCE
#include "agent.h"
#include "frame.h"
#include "relay.h"
#include "sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOSTSOCK_ACCEPT _IO('g', 1)

enum {
	CONNECTIONS_MAX = 1024,
	DEADLINE_MS = 10000,          /* from a connection to its first frame, from an exec frame to its last join */
};

struct connection {
	int fd;
	int waits;                    /* a join that came before its exec frame */
	int64_t deadline;
	struct frame frame;
	struct connection *next;      /* in order of arrival: the control connection first */
};

static struct connection *connections;
static struct session *sessions;
static int listener = -1, listener_is_device, connection_count;

void sessions_listen(int fd, int is_device)
{
	listener = fd;
	listener_is_device = is_device;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* --- lists ------------------------------------------------------------------------------------------ */

static void forget_connection(struct connection **place, int close_it)
{
	struct connection *gone = *place;

	*place = gone->next;
	if (close_it)
		close(gone->fd);
	frame_reset(&gone->frame);
	free(gone);
	connection_count--;
}

static void forget_session(struct session **place)
{
	struct session *gone = *place;

	*place = gone->next;
	close(gone->control);
	for (int i = 0; i < 3; i++)
		if (gone->stream[i] >= 0)
			close(gone->stream[i]);
	request_free(&gone->request);
	free(gone);
}

/* --- starting a session ------------------------------------------------------------------------------- */

/* In the relay's process: an end that it holds by accident would hide an end of file from the host. */
static void keep_only(struct session *kept)
{
	close(listener);
	while (connections)
		forget_connection(&connections, 1);
	for (struct session **place = &sessions; *place;)
		if (*place == kept)
			place = &(*place)->next;
		else
			forget_session(place);
}

static int is_complete(const struct session *session)
{
	for (int i = 0; i < (session->request.tty ? 1 : 3); i++)
		if (session->stream[i] < 0)
			return 0;
	return 1;
}

/*
 * Starts the relay of the first session that has all of its streams; 0 if there is none. It's spared when memory is short,
 * as we are: small, and without it nobody hears what became of the command.
 */
static pid_t start_complete(void)
{
	for (struct session **place = &sessions; *place; place = &(*place)->next) {
		struct session *session = *place;
		pid_t child;

		if (!is_complete(session))
			continue;
		child = fork();
		if (child == 0) {
			keep_only(session);
			relay(session);
		}
		if (child < 0)
			frame_write_failed(session->control, 125, "the machine can start no more processes");
		forget_session(place);
		return child > 0 ? child : 0;
	}
	return 0;
}

/* --- what comes in ------------------------------------------------------------------------------------- */

static void accept_all(void)
{
	struct connection **last = &connections;

	while (*last)
		last = &(*last)->next;
	while (connection_count < CONNECTIONS_MAX) {
		struct connection *new;
		int fd = listener_is_device ? ioctl(listener, HOSTSOCK_ACCEPT) : accept4(listener, NULL, NULL, 0);

		if (fd < 0)
			return;
		new = calloc(1, sizeof *new);
		if (!new) {
			close(fd);
			return;
		}
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
		new->fd = fd;
		new->deadline = now_ms() + DEADLINE_MS;
		*last = new;
		last = &new->next;
		connection_count++;
	}
}

/* Takes the connection's descriptor over: 1 done, 0 nothing of that cookie yet, -1 makes no sense. */
static int join(struct connection *connection)
{
	const unsigned char *payload = connection->frame.payload;
	unsigned stream = payload[COOKIE];

	for (struct session *session = sessions; session; session = session->next) {
		if (memcmp(session->request.cookie, payload, COOKIE))
			continue;
		if (stream >= (session->request.tty ? 1u : 3u) || session->stream[stream] >= 0)
			return -1;
		session->stream[stream] = connection->fd;
		return 1;
	}
	return 0;
}

static void open_session(struct connection *connection)
{
	struct session *session = calloc(1, sizeof *session), **last = &sessions;
	const char *wrong = session ? request_parse(&session->request, &connection->frame) : "out of memory";

	if (wrong) {
		frame_write_failed(connection->fd, 125, wrong);
		if (session)
			request_free(&session->request);
		free(session);
		close(connection->fd);
		return;
	}
	session->control = connection->fd;
	session->stream[0] = session->stream[1] = session->stream[2] = -1;
	session->deadline = now_ms() + DEADLINE_MS;
	while (*last)
		last = &(*last)->next;
	*last = session;
}

/* Reads of one connection what is there. 1: it is dealt with and to be forgotten; -1: and to be closed. */
static int advance(struct connection *connection)
{
	enum frame_state state = connection->waits ? FRAME_WHOLE : frame_read(connection->fd, &connection->frame);

	if (state == FRAME_PART)
		return 0;
	if (state == FRAME_CLOSED)
		return -1;
	if (connection->frame.head[0] == 'X') {
		open_session(connection);
		return 1;
	}
	if (connection->frame.head[0] != 'J' || connection->frame.length != COOKIE + 1)
		return -1;
	connection->waits = 1;
	return join(connection);
}

static void advance_all(void)
{
	for (struct connection **place = &connections; *place;) {
		int done = advance(*place);

		if (!done && now_ms() > (*place)->deadline)
			done = -1;
		if (done)
			forget_connection(place, done < 0);
		else
			place = &(*place)->next;
	}
	for (struct session **place = &sessions; *place;) {
		if (!is_complete(*place) && now_ms() > (*place)->deadline) {
			frame_write_failed((*place)->control, 125, "not all streams of the session joined in time");
			forget_session(place);
		} else {
			place = &(*place)->next;
		}
	}
}

/* --- waiting ----------------------------------------------------------------------------------------------- */

static int next_deadline(void)
{
	int64_t first = INT64_MAX, now = now_ms();

	for (struct connection *connection = connections; connection; connection = connection->next)
		if (connection->deadline < first)
			first = connection->deadline;
	for (struct session *session = sessions; session; session = session->next)
		if (session->deadline < first)
			first = session->deadline;
	return first == INT64_MAX ? -1 : first < now ? 0 : (int)(first - now) + 1;
}

pid_t sessions_wait(const int also[ALSO])
{
	static struct pollfd slot[CONNECTIONS_MAX + 1 + ALSO];
	int count = 0;
	pid_t relay = start_complete();

	if (relay)
		return relay;
	/* With too many open, new ones wait on the host's side until old ones have met their deadline. */
	slot[count++] = (struct pollfd){ .fd = connection_count < CONNECTIONS_MAX ? listener : -1, .events = POLLIN };
	for (int i = 0; i < ALSO; i++)
		slot[count++] = (struct pollfd){ .fd = also[i], .events = POLLIN };
	for (struct connection *connection = connections; connection; connection = connection->next)
		if (!connection->waits)
			slot[count++] = (struct pollfd){ .fd = connection->fd, .events = POLLIN };
	if (poll(slot, count, next_deadline()) < 0)
		return 0;
	if (slot[0].revents)
		accept_all();
	advance_all();
	return start_complete();
}
