/* One static program that measures what bench/inside and bench/network compare, on the host and in a machine.
 *
 *     probe cpu               system call, page fault, fork, exec, switch: microseconds each
 *     probe files DIRECTORY   file operations in DIRECTORY, microseconds each; sequential I/O, MB/s
 *     probe repeat COUNT COMMAND...   milliseconds each
 *     probe serve PORT        takes connections one by one: first byte 's' sink, 'g' source, 'e' echo, 'u' counts datagrams
 *     probe sink|source|echo ADDRESS PORT     MB/s up, MB/s down, microseconds a round trip
 *     probe connect ADDRESS PORT              microseconds a connection: made, a byte there and back, closed
 *     probe flood ADDRESS PORT                Mbit/s that arrive of 200, 500, 1000 and 3000 that are sent as datagrams
 *
 * Prints "NAME VALUE" lines. As process 1 (bench/inside --bare) it measures files in / and powers off.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DATAGRAM = 1448, SENT_AT_ONCE = 32, FILES = 2000, BLOCK = 128 * 1024, BIG = 64 << 20, TRIPS = 2000, CONNECTIONS = 500 };

static char buffer[BLOCK];
static double begun;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void start(void)
{
	begun = now();
}

/* Microseconds each of `count` since the start. */
static void each(const char *name, int count)
{
	printf("%s %.3f\n", name, (now() - begun) * 1e6 / count);
}

static void rate(const char *name, double bytes)
{
	printf("%s %.1f\n", name, bytes / (now() - begun) / 1e6);
}

static void check(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
}

/* --- processor ------------------------------------------------------------------------------------------ */

static void cpu(char *self)
{
	int to[2], from[2], i;
	size_t size = 32 << 20;
	struct stat found;
	char *memory;
	pid_t child;

	start();
	for (i = 0; i < 20000; i++)
		syscall(SYS_getppid);
	each("syscall", 20000);

	check(to[0] = open("/dev/zero", O_RDONLY), "/dev/zero");
	start();
	for (i = 0; i < 20000; i++)
		check(read(to[0], buffer, 1), "read");
	each("read_a_byte", 20000);
	close(to[0]);

	start();
	for (i = 0; i < 20000; i++)
		check(stat("/", &found), "stat");
	each("stat_of_the_root", 20000);

	start();
	for (i = 0; i < 100000; i++)
		now();
	each("clock", 100000);

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	start();
	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
	each("page_fault", size / 4096);
	munmap(memory, size);

	start();
	for (i = 0; i < 200; i++) {
		child = fork();
		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	each("fork_wait", 200);

	start();
	for (i = 0; i < 200; i++) {
		child = vfork();
		if (child == 0) {
			execl(self, "probe", "nothing", NULL);
			_exit(1);
		}
		waitpid(child, NULL, 0);
	}
	each("exec_wait", 200);

	check(pipe(to) | pipe(from), "pipe");
	child = fork();
	if (child == 0) {
		while (read(to[0], buffer, 1) == 1 && write(from[1], buffer, 1) == 1)
			;
		_exit(0);
	}
	start();
	for (i = 0; i < 2000; i++) {
		check(write(to[1], "x", 1), "write");
		check(read(from[0], buffer, 1), "read");
	}
	each("pipe_round_trip", 2000);
	kill(child, 9);
	waitpid(child, NULL, 0);
}

/* --- files ---------------------------------------------------------------------------------------------- */

static char *place(int number)
{
	static char name[32];

	snprintf(name, sizeof name, "probe.d/%d", number);
	return name;
}

static void small_files(void)
{
	struct stat found;
	DIR *directory;
	int fd, count = 0;

	check(mkdir("probe.d", 0755), "mkdir");
	start();
	for (int i = 0; i < FILES; i++) {
		check(fd = open(place(i), O_CREAT | O_EXCL | O_WRONLY, 0644), "create");
		check(write(fd, buffer, 1000), "write");
		close(fd);
	}
	each("create_write_close", FILES);
	start();
	for (int i = 0; i < FILES; i++)
		check(stat(place(i), &found), "stat");
	each("stat_after_the_write", FILES);
	start();
	for (int i = 0; i < FILES; i++)
		check(stat(place(i), &found), "stat");
	each("stat", FILES);
	start();
	for (int i = 0; i < FILES; i++) {
		check(fd = open(place(i), O_RDONLY), "open");
		check(read(fd, buffer, sizeof buffer), "read");
		close(fd);
	}
	each("open_read_close", FILES);
	start();
	for (int i = 0; i < 20; i++) {
		directory = opendir("probe.d");
		while (readdir(directory))
			count++;
		closedir(directory);
	}
	each("readdir_entry", count);
	start();
	for (int i = 0; i < FILES; i++) {
		char to[32];

		snprintf(to, sizeof to, "probe.d/r%d", i);
		check(rename(place(i), to), "rename");
		check(rename(to, place(i)), "rename");
	}
	each("rename", 2 * FILES);
	start();
	for (int i = 0; i < FILES; i++)
		check(unlink(place(i)), "unlink");
	each("unlink", FILES);
	check(rmdir("probe.d"), "rmdir");
}

static void big_file(void)
{
	int fd;

	check(fd = open("probe.big", O_CREAT | O_TRUNC | O_RDWR, 0644), "create");
	start();
	for (int done = 0; done < BIG; done += BLOCK)
		check(write(fd, buffer, BLOCK), "write");
	check(fsync(fd), "fsync");
	rate("write_fsync_MB/s", BIG);
	check(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "fadvise");
	start();
	for (int done = 0; done < BIG; done += BLOCK)
		check(pread(fd, buffer, BLOCK, done), "read");
	rate("read_MB/s", BIG);
	start();
	for (int i = 0; i < 4000; i++)
		check(pread(fd, buffer, 4096, (long)(rand() % (BIG / 4096)) * 4096), "read");
	each("random_read_4k", 4000);
	start();
	for (int i = 0; i < 4000; i++)
		check(pwrite(fd, buffer, 4096, (long)(rand() % (BIG / 4096)) * 4096), "write");
	each("random_write_4k", 4000);
	check(fsync(fd), "fsync");
	each("random_write_and_fsync_at_the_end", 4000);
	start();
	for (int i = 0; i < 50; i++) {
		check(pwrite(fd, buffer, 4096, (long)i * 4096), "write");
		check(fsync(fd), "fsync");
	}
	each("write_4k_fsync", 50);
	close(fd);
	check(unlink("probe.big"), "unlink");
}

static void log_file(void)
{
	int fd;

	check(fd = open("probe.log", O_CREAT | O_EXCL | O_WRONLY | O_APPEND, 0644), "create");
	start();
	for (int i = 0; i < 4000; i++)
		check(write(fd, buffer, 100), "write");
	each("append_100", 4000);
	check(fsync(fd), "fsync");
	each("append_and_fsync_at_the_end", 4000);
	close(fd);
	check(unlink("probe.log"), "unlink");
}

static void files(void)
{
	small_files();
	big_file();
	log_file();
}

/* --- programs ------------------------------------------------------------------------------------------- */

static void repeat(int count, char **command)
{
	int status;

	start();
	for (int i = 0; i < count; i++) {
		pid_t child = vfork();

		if (child == 0) {
			execvp(command[0], command);
			_exit(127);
		}
		waitpid(child, &status, 0);
		if (status)
			exit(1);
	}
	each("us", count);
}

/* --- network -------------------------------------------------------------------------------------------- */

/* Until the connection says that it was all; the bytes that came, as text. */
static void count_datagrams(int connection, int port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	long got, bytes = 0;
	char text[32];

	check(bind(fd, (struct sockaddr *)&own, sizeof own), "bind");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	check(write(connection, "r", 1), "write");
	do {
		while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
			bytes += got;
	} while (recv(connection, text, 1, MSG_DONTWAIT) < 0);
	close(fd);
	check(write(connection, text, snprintf(text, sizeof text, "%ld", bytes)), "write");
}

static void serve(int port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
	char mode;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	check(bind(listener, (struct sockaddr *)&own, sizeof own), "bind");
	check(listen(listener, 8), "listen");
	printf("serving\n");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (read(fd, &mode, 1) == 1 && mode == 's') {
			while (read(fd, buffer, sizeof buffer) > 0)
				;
			check(write(fd, "d", 1), "write");
		} else if (mode == 'g') {
			while (send(fd, buffer, sizeof buffer, MSG_NOSIGNAL) > 0)
				;
		} else if (mode == 'e') {
			while (read(fd, buffer, 1) == 1 && send(fd, buffer, 1, MSG_NOSIGNAL) == 1)
				;
		} else if (mode == 'u') {
			count_datagrams(fd, port);
		}
		close(fd);
	}
}

/* For two seconds, so many Mbit/s; what is behind its time is sent at once. */
static double send_datagrams(int fd, double rate)
{
	struct iovec piece = { .iov_base = buffer, .iov_len = DATAGRAM };
	struct mmsghdr messages[SENT_AT_ONCE] = { 0 };
	long sent = 0, count;

	for (int i = 0; i < SENT_AT_ONCE; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &piece, .msg_iovlen = 1 };
	start();
	while (now() - begun < 2) {
		if (sent > (now() - begun) * rate * 1e6 / 8 / DATAGRAM) {
			usleep(100);
			continue;
		}
		count = sendmmsg(fd, messages, SENT_AT_ONCE, 0);
		sent += count > 0 ? count : 0;
	}
	return now() - begun;
}

static void flood(const struct sockaddr_in *peer, int rate)
{
	int control = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0);
	char text[32] = "";
	double seconds;

	check(connect(control, (const struct sockaddr *)peer, sizeof *peer), "connect");
	check(connect(fd, (const struct sockaddr *)peer, sizeof *peer), "connect");
	check(write(control, "u", 1), "write");
	check(read(control, text, 1), "read");
	seconds = send_datagrams(fd, rate);
	check(write(control, "d", 1), "write");
	check(read(control, text, sizeof text - 1), "read");
	printf("UDP-of-%d-Mbit/s %.1f\n", rate, atof(text) * 8 / 1e6 / seconds);
	close(control);
	close(fd);
}

static void connections(const struct sockaddr_in *peer)
{
	start();
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		check(connect(fd, (const struct sockaddr *)peer, sizeof *peer), "connect");
		check(write(fd, "ex", 2), "write");
		check(read(fd, buffer, 1), "read");
		close(fd);
	}
	each("connection", CONNECTIONS);
}

static void ask(const char *mode, const char *address, int port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	double bytes = 0;

	inet_pton(AF_INET, address, &peer.sin_addr);
	if (!strcmp(mode, "flood")) {
		int rates[] = { 200, 500, 1000, 3000 };

		for (int i = 0; i < 4; i++)
			flood(&peer, rates[i]);
		return;
	}
	if (!strcmp(mode, "connect")) {
		connections(&peer);
		return;
	}
	check(connect(fd, (struct sockaddr *)&peer, sizeof peer), "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	start();
	if (!strcmp(mode, "sink")) {
		check(write(fd, "s", 1), "write");
		while (now() - begun < 2) {
			check(write(fd, buffer, sizeof buffer), "write");
			bytes += sizeof buffer;
		}
		shutdown(fd, SHUT_WR);
		check(read(fd, buffer, 1), "read");
		rate("MB/s", bytes);
	} else if (!strcmp(mode, "source")) {
		check(write(fd, "g", 1), "write");
		while (now() - begun < 2) {
			long got = read(fd, buffer, sizeof buffer);

			check(got, "read");
			bytes += got;
		}
		rate("MB/s", bytes);
	} else {
		check(write(fd, "e", 1), "write");
		for (int i = 0; i < TRIPS; i++) {
			check(write(fd, "x", 1), "write");
			check(read(fd, buffer, 1), "read");
		}
		each("round_trip", TRIPS);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(buffer, 'x', sizeof buffer);
	if (getpid() == 1) {
		files();
		sync();
		reboot(RB_POWER_OFF);
	}
	if (argc == 2 && !strcmp(argv[1], "cpu")) {
		cpu(argv[0]);
	} else if (argc == 3 && !strcmp(argv[1], "files")) {
		check(chdir(argv[2]), argv[2]);
		files();
	} else if (argc >= 4 && !strcmp(argv[1], "repeat")) {
		repeat(atoi(argv[2]), argv + 3);
	} else if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(atoi(argv[2]));
	} else if (argc == 4) {
		ask(argv[1], argv[2], atoi(argv[3]));
	}
	return 0;
}
