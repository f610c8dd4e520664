/* A session's own process: it starts the command and carries bytes until the command has ended.
 *
 * The relay, not the command, leads the session and so owns the terminal. When a leader exits, the kernel hangs
 * its terminal up and throws away output that nobody has read yet: the last lines of a short command would be
 * lost now and then. This way the terminal ends when the relay does, after all was read.
 */

#define _GNU_SOURCE
#include "agent.h"
#include "channel.h"
#include "command.h"
#include "memory.h"
#include "relay.h"
#include "utmp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
	PTY_HELD = 128 * 1024,        /* no terminal holds more: 64 KiB of flip buffers, 4 KiB of line discipline */
	PIPE_SIZE = 256 * 1024,       /* fewer switches between command and relay */
};

static struct channel in, out, err;
static struct frame frame;
static int control, signals, master = -1, status, memory = -1;
static char killed[128];              /* what was killed for want of memory while the session ran, in words */
static pid_t child;

/* The host has closed the control connection. What a lost line ends on any Linux ends: the command, and who is in the
 * foreground of its terminal, which is closed with us. What ignores that (nohup), was disowned by its shell or has a session
 * of its own runs on. */
static void hang_up(void)
{
	pid_t foreground = master >= 0 ? tcgetpgrp(master) : -1;

	if (child > 0) {
		kill(-child, SIGHUP);
		kill(-child, SIGCONT);
	}
	if (foreground > 1 && foreground != child) {
		kill(-foreground, SIGHUP);
		kill(-foreground, SIGCONT);
	}
	utmp_logout();
	_exit(0);
}

/* --- what the host says ----------------------------------------------------------------------------- */

static void obey(void)
{
	const unsigned char *byte = frame.payload;

	if (frame.head[0] == 'W' && frame.length == 4 && master >= 0) {
		struct winsize size = { .ws_row = byte[0] | byte[1] << 8, .ws_col = byte[2] | byte[3] << 8 };

		ioctl(master, TIOCSWINSZ, &size);
	} else if (frame.head[0] == 'S' && frame.length == 1 && child > 0 && byte[0] < NSIG) {
		pid_t group = master >= 0 ? tcgetpgrp(master) : child;

		kill(-(group > 1 ? group : child), byte[0]);
	}
	/* Anything else is of a later protocol, and not for us. */
}

static void read_control(void)
{
	enum frame_state state;

	while ((state = frame_read(control, &frame)) == FRAME_WHOLE) {
		obey();
		frame_reset(&frame);
	}
	if (state == FRAME_CLOSED)
		hang_up();
}

/* Somebody at a terminal is told at once: their shell says "Killed" at most. It is their machine, so whose program it
 * was does not matter. */
static void read_memory(void)
{
	char name[MEMORY_NAME], size[32], line[sizeof killed + 16];
	int length;

	if (!memory_read(memory, name))
		return;
	memory_size(size, sizeof size);
	snprintf(killed, sizeof killed, "%s was killed inside: out of memory%s", name, size);
	length = snprintf(line, sizeof line, "\r\ngaol: %s\r\n", killed);
	if (master >= 0 && out.to >= 0 && write(out.to, line, length) < 0)
		complain(errno, "relay: a program was killed, and nobody told");
}

/* --- the command -------------------------------------------------------------------------------------- */

/* What the command wrote is in its pipe by now; that much is relayed. What a process in the background
 * may write later is not waited for: as with docker, a session ends with its command. */
static void limit_output(struct channel *channel)
{
	int held = 0;

	if (master >= 0)
		held = PTY_HELD;
	else if (channel->from >= 0 && ioctl(channel->from, FIONREAD, &held) < 0)
		held = 0;
	channel_limit(channel, held);
}

static void read_signals(void)
{
	struct signalfd_siginfo info;
	int now;

	while (read(signals, &info, sizeof info) == sizeof info) {
		/* The machine stops: interactive shells ignore SIGTERM, but not the loss of their terminal. One that
		 * was about to wait for input misses it (bash looks, then reads): so again each second. */
		if ((info.ssi_signo == SIGTERM || info.ssi_signo == SIGALRM) && child > 0 && master >= 0) {
			kill(-child, SIGHUP);
			alarm(1);
		}
	}
	while (child > 0 && waitpid(child, &now, WNOHANG | (master >= 0 ? WUNTRACED : 0)) == child) {
		/* A stopped command has no shell that could continue it. A shell of its own sees to its jobs itself. */
		if (WIFSTOPPED(now)) {
			if (WSTOPSIG(now) != SIGSTOP)
				kill(-child, SIGCONT);
			continue;
		}
		status = now;
		child = 0;
		channel_close(&in);
		limit_output(&out);
		limit_output(&err);
	}
}

/* A terminal has no half-closed state: the end of input is the character that says so. */
static void end_input_of_terminal(void)
{
	struct termios mode;

	if (tcgetattr(master, &mode) == 0 && write(master, &mode.c_cc[VEOF], 1) < 0)
		complain(errno, "relay: end of input");
}

/* --- the start ------------------------------------------------------------------------------------------ */

static int open_terminal(const struct request *request, struct failure *failure)
{
	struct winsize size = { .ws_row = request->rows, .ws_col = request->cols };
	struct termios mode;
	int unlock = 0, slave;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
	    (slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 || ioctl(slave, TIOCSCTTY, 0) < 0) {
		failure->code = 125;
		snprintf(failure->text, sizeof failure->text, "no terminal: %s", strerror(errno));
		return -1;
	}
	ioctl(master, TIOCSWINSZ, &size);
	if (tcgetattr(slave, &mode) == 0) {
		mode.c_iflag |= IUTF8;
		tcsetattr(slave, TCSANOW, &mode);
	}
	return slave;
}

/* Fills stdio with the command's ends and opens the channels on ours; returns -1 when descriptors ran out. */
static int open_pipes(const int stream[3], int stdio[3])
{
	int to[2], from[2], fault[2];

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 || pipe2(fault, O_CLOEXEC) < 0)
		return -1;
	fcntl(from[0], F_SETPIPE_SZ, PIPE_SIZE);
	fcntl(to[1], F_SETPIPE_SZ, PIPE_SIZE);
	/* Each end has flags of its own: the command's ends go on blocking, as programs expect. */
	fcntl(to[1], F_SETFL, O_WRONLY | O_NONBLOCK);
	fcntl(from[0], F_SETFL, O_RDONLY | O_NONBLOCK);
	fcntl(fault[0], F_SETFL, O_RDONLY | O_NONBLOCK);
	channel_open(&in, stream[0], to[1]);
	channel_open(&out, from[0], stream[1]);
	channel_open(&err, fault[0], stream[2]);
	stdio[0] = to[0];
	stdio[1] = from[1];
	stdio[2] = fault[1];
	return 0;
}

static void start(struct session *session)
{
	struct failure failure = { .code = 125, .text = "no descriptors left for a session" };
	int stdio[3], slave = -1, number = 0;

	channel_open(&in, -1, -1);
	channel_open(&out, -1, -1);
	channel_open(&err, -1, -1);
	if (session->request.tty) {
		slave = open_terminal(&session->request, &failure);
		if (slave >= 0) {
			stdio[0] = stdio[1] = stdio[2] = slave;
			channel_open(&in, session->stream[0], fcntl(master, F_DUPFD_CLOEXEC, 3));
			channel_open(&out, fcntl(master, F_DUPFD_CLOEXEC, 3), fcntl(session->stream[0], F_DUPFD_CLOEXEC, 3));
			child = command_start(&session->request, stdio, slave, &failure);
			if (child > 0)
				utmp_login(ioctl(master, TIOCGPTN, &number) < 0 ? 0 : number, session->request.user, child);
			/* The slave stays open, or the terminal would end while a program reopens it. */
		}
	} else if (open_pipes(session->stream, stdio) == 0) {
		child = command_start(&session->request, stdio, -1, &failure);
		for (int i = 0; i < 3; i++)
			close(stdio[i]);
	}
	if (child <= 0) {
		frame_write_failed(control, failure.code, failure.text);
		_exit(1);
	}
}

/* --- the whole ------------------------------------------------------------------------------------------- */

static void step(void)
{
	struct pollfd slot[6] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = control, .events = POLLIN },
		[5] = { .fd = memory, .events = POLLIN },
	};
	int had_input = in.from >= 0;

	channel_wants(&in, &slot[2]);
	channel_wants(&out, &slot[3]);
	channel_wants(&err, &slot[4]);
	if (poll(slot, 6, -1) < 0)
		return;
	if (slot[2].revents)
		channel_move(&in);
	if (slot[3].revents)
		channel_move(&out);
	if (slot[4].revents)
		channel_move(&err);
	if (slot[0].revents)
		read_signals();
	if (slot[1].revents)
		read_control();
	if (slot[5].revents)
		read_memory();
	if (master >= 0 && had_input && in.from < 0 && child > 0)
		end_input_of_terminal();
}

/* After the command has ended: what it left in its pipe or terminal is there to be read by now. Only for the
 * host, which may be slow to take it, is there anything to wait for. */
static void drain(struct channel *channel)
{
	while (!channel_is_closed(channel)) {
		struct pollfd slot[2] = { { .fd = control, .events = POLLIN } };
		int reading;

		channel_wants(channel, &slot[1]);
		reading = slot[1].events == POLLIN;
		if (poll(slot, 2, reading ? 0 : -1) < 0)
			continue;
		if (reading && !slot[1].revents)
			break;
		if (slot[1].revents)
			channel_move(channel);
		if (slot[0].revents)
			read_control();
	}
	channel_close(channel);
}

static void report(void)
{
	unsigned char how[2 + sizeof killed];
	size_t length = 2;

	how[0] = WIFSIGNALED(status) ? 1 : 0;
	how[1] = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	if (memory >= 0)
		read_memory();
	/* At a terminal it has been said; a command that did well has not been hurt. */
	if (master < 0 && status) {
		memcpy(how + 2, killed, strlen(killed));
		length += strlen(killed);
	}
	frame_write(control, 'E', how, length);
}

void relay(struct session *session)
{
	sigset_t mine;

	set_title("gaol-agent session");
	setsid();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mine);
	sigaddset(&mine, SIGCHLD);
	sigaddset(&mine, SIGTERM);
	sigaddset(&mine, SIGALRM);
	/* Blocked and never read: the terminal's own signals are for its foreground group. */
	sigaddset(&mine, SIGHUP);
	sigaddset(&mine, SIGINT);
	sigaddset(&mine, SIGTTOU);
	sigprocmask(SIG_SETMASK, &mine, NULL);
	signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
	control = session->control;
	memory = memory_open();
	start(session);

	while (child > 0)
		step();
	drain(&out);
	drain(&err);
	utmp_logout();
	report();
	_exit(0);
}
