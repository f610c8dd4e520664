// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The init of a machine that tests the kernel's drivers, see test_kernel_drivers.py.
 *
 * It brings up vec0 when VEC0=address/length is in its environment, prints what it
 * finds as lines "check NAME ok" or "check NAME failed: WHY", then serves streams:
 * the first byte of each names what its own process is to do with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTSOCK_ACCEPT _IO('g', 1)
#define HOSTSOCK_SHUTDOWN _IO('g', 2)
/* <linux/ethtool.h> and <net/if.h> do not go together. */
#define SIOCETHTOOL 0x8946
#define ETHTOOL_GRINGPARAM 0x10

static char buffer[1 << 16];
static volatile sig_atomic_t signals;

static void count_signal(int sig) { signals++; }

static void catch_signal(int sig)
{
	/* Without SA_RESTART: a blocked call ends with EINTR. */
	struct sigaction action = {.sa_handler = count_signal};

	signals = 0;
	sigaction(sig, &action, NULL);
}

static void check(const char *name, int passed)
{
	int err = errno;

	if (passed)
		printf("check %s ok\n", name);
	else
		printf("check %s failed: %s\n", name, strerror(err));
	fflush(stdout);
}

static void power_off(void)
{
	fflush(stdout);
	reboot(RB_POWER_OFF);
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0)
			return -1;
		data += n;
		size -= n;
	}
	return 0;
}

static void echo(int stream)
{
	ssize_t n;

	while ((n = read(stream, buffer, sizeof(buffer))) > 0)
		if (write_all(stream, buffer, n))
			break;
	check("echo", n == 0);
}

static void echo_by_splice(int stream)
{
	int ends[2];
	ssize_t n;

	pipe(ends);
	while ((n = splice(stream, NULL, ends[1], NULL, 1 << 16, 0)) > 0)
		while (n > 0) {
			ssize_t moved = splice(ends[0], NULL, stream, NULL, n, 0);

			if (moved <= 0)
				break;
			n -= moved;
		}
	check("splice", n == 0);
}

/* The host says nothing, and then one byte. */
static void nonblocking(int stream)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(0);

	fcntl(stream, F_SETFL, O_NONBLOCK);
	check("read EAGAIN", read(stream, buffer, 1) == -1 && errno == EAGAIN);
	epoll_ctl(epoll, EPOLL_CTL_ADD, stream, &event);
	check("epoll, nothing", epoll_wait(epoll, &event, 1, 0) == 0);
	write_all(stream, "r", 1);
	check("epoll, one byte", epoll_wait(epoll, &event, 1, 10000) == 1 && event.events & EPOLLIN);
	check("read one byte", read(stream, buffer, sizeof(buffer)) == 1);
	while (write(stream, buffer, sizeof(buffer)) > 0)
		;
	check("write EAGAIN", errno == EAGAIN);
}

/* The host closes after five bytes. */
static void host_closes(int stream)
{
	struct pollfd waits = {.fd = stream, .events = POLLIN | POLLRDHUP};

	catch_signal(SIGPIPE);
	check("read what was left", read(stream, buffer, sizeof(buffer)) == 5);
	check("poll says hang-up", poll(&waits, 1, 10000) == 1 && waits.revents & POLLHUP);
	check("read end of file", read(stream, buffer, sizeof(buffer)) == 0);
	check("read end of file again", read(stream, buffer, sizeof(buffer)) == 0);
	check("write EPIPE", write(stream, "x", 1) == -1 && errno == EPIPE);
	check("SIGPIPE", signals == 1);
}

/* The host reads nothing and closes with the guest's data unread, while a write is blocked. */
static void host_resets(int stream)
{
	int n;

	catch_signal(SIGPIPE);
	do
		n = write(stream, buffer, sizeof(buffer));
	while (n > 0);
	check("blocked write EPIPE", n == -1 && errno == EPIPE && signals);
	check("read after reset", read(stream, buffer, sizeof(buffer)) == 0);
}

static void interrupted(int stream)
{
	catch_signal(SIGALRM);
	ualarm(20000, 0);
	check("read EINTR", read(stream, buffer, 1) == -1 && errno == EINTR && signals == 1);
	check("read of a bad address", write_all(stream, "r", 1) == 0 &&
	      poll(&(struct pollfd){.fd = stream, .events = POLLIN}, 1, 10000) == 1 &&
	      read(stream, (void *)4096, 3) == -1 && errno == EFAULT);
	check("which loses nothing", read(stream, buffer, 16) == 3 && !memcmp(buffer, "abc", 3));
}

static void half_close(int stream)
{
	write_all(stream, "bye", 3);
	check("shutdown", ioctl(stream, HOSTSOCK_SHUTDOWN) == 0);
	signal(SIGPIPE, SIG_IGN);
	check("write after shutdown", write(stream, "x", 1) == -1 && errno == EPIPE);
	check("read after shutdown", read(stream, buffer, sizeof(buffer)) == 4);
}

/* Every byte from the host is a packet to it, so that the test chooses the moment. */
static void send_packets(int stream)
{
	struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(9)};
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, "10.83.0.1", &host.sin_addr);
	while (read(stream, buffer, 1) == 1) {
		sendto(sock, buffer, 1, 0, (struct sockaddr *)&host, sizeof(host));
		write_all(stream, buffer, 1);
	}
}

static void serve(int stream)
{
	char what;

	if (read(stream, &what, 1) != 1)
		return;
	switch (what) {
	case 'e': return echo(stream);
	case 's': return echo_by_splice(stream);
	case 'n': return nonblocking(stream);
	case 'c': return host_closes(stream);
	case 'r': return host_resets(stream);
	case 'i': return interrupted(stream);
	case 'h': return half_close(stream);
	case 'p': return send_packets(stream);
	case 'q': power_off();
	}
}

static void accept_streams(void)
{
	struct stat status;
	int device = open("/dev/hostsock", O_RDWR), stream;

	check("hostsock opens", device >= 0);
	if (device < 0)
		return;
	fstat(device, &status);
	check("root alone may open it", (status.st_mode & 0777) == 0600 && status.st_uid == 0);
	check("accept EAGAIN", ioctl(device, HOSTSOCK_ACCEPT) == -1 && errno == EAGAIN);
	check("poll, nothing", poll(&(struct pollfd){.fd = device, .events = POLLIN}, 1, 0) == 0);
	check("other ioctl ENOTTY", ioctl(device, HOSTSOCK_SHUTDOWN) == -1 && errno == ENOTTY);
	printf("accepting\n");
	fflush(stdout);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		poll(&(struct pollfd){.fd = device, .events = POLLIN}, 1, -1);
		stream = ioctl(device, HOSTSOCK_ACCEPT);
		if (stream < 0) {
			check("accept", errno == EAGAIN);
			continue;
		}
		if (fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			check("close on exec", fcntl(stream, F_GETFD) == FD_CLOEXEC);
			serve(stream);
			exit(0);
		}
		close(stream);
	}
}

static void set_address(int sock, struct ifreq *request, int command, const char *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;

	*in = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, address, &in->sin_addr);
	ioctl(sock, command, request);
}

static int set_up(int sock, struct ifreq *request, int up)
{
	ioctl(sock, SIOCGIFFLAGS, request);
	request->ifr_flags = up ? request->ifr_flags | IFF_UP : request->ifr_flags & ~IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, request);
}

static void configure_network(const char *address)
{
	uint32_t ring[9] = {ETHTOOL_GRINGPARAM};
	struct ifreq request = {.ifr_name = "vec0"};
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	check("vec0 up", set_up(sock, &request, 1) == 0);
	request.ifr_data = (char *)ring;
	check("ethtool -g", ioctl(sock, SIOCETHTOOL, &request) == 0 && ring[1] == 0);
	check("vec0 down", set_up(sock, &request, 0) == 0);
	check("vec0 up again", set_up(sock, &request, 1) == 0);
	set_address(sock, &request, SIOCSIFADDR, address);
	set_address(sock, &request, SIOCSIFNETMASK, "255.255.255.0");
}

int main(void)
{
	if (getenv("PANIC"))
		return 1; /* the kernel has no use for itself without an init */
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	if (getenv("VEC0"))
		configure_network(getenv("VEC0"));
	accept_streams();
	power_off();
}
