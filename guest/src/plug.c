/* Usage: plug SOCKET. Connects to a socket of the machine's and carries its bytes on the standard streams: what socat and
 * netcat do, which not every tree has. */

#define _GNU_SOURCE
#include "channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct channel in, out;

static int connected(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof address.sun_path)
		return -1;
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? connected(argv[1]) : -1, input = fcntl(0, F_DUPFD_CLOEXEC, 3);
	struct pollfd slots[2];

	if (fd < 0 || input < 0) {
		fprintf(stderr, "plug: nobody listens at %s\n", argc == 2 ? argv[1] : "nowhere");
		return 1;
	}
	for (int end = 0; end < 3; end++)
		fcntl(end == 2 ? fd : end, F_SETFL, fcntl(end == 2 ? fd : end, F_GETFL) | O_NONBLOCK);
	channel_open(&in, input, fcntl(fd, F_DUPFD_CLOEXEC, 3));
	channel_open(&out, fd, 1);
	/* Either side's end is the end: nobody who has left looks at pixels. */
	while (!channel_is_closed(&in) && !channel_is_closed(&out)) {
		channel_wants(&in, &slots[0]);
		channel_wants(&out, &slots[1]);
		if (poll(slots, 2, -1) < 0)
			continue;
		if (slots[0].revents)
			channel_move(&in);
		if (slots[1].revents)
			channel_move(&out);
	}
	return 0;
}
