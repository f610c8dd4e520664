/* What the parts of the agent know of each other. */

#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- agent.c: the steps of the command line ------------------------------------------------ */

/* Writes "agent: WHAT: WHY" to stderr; inside a machine that is the console. Returns 1, so that a step
 * can end with it. `error` is an errno, or 0 where there is none to tell. */
int complain(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tells the host a milestone (one write to UML's /proc/mconsole); 0 or an errno. */
int milestone(const char *text);

/* What ps shows of this process from now on. The words of the command line are gone afterwards. */
void set_title(const char *title);

/* Milliseconds of a clock that is never set. */
int64_t now_ms(void);

/* Each step takes its own words of the command line and returns an exit status. */
int step_mount(int count, char **word);
int step_link(int count, char **word);
int step_mode(int count, char **word);
int step_net(int count, char **word);
int step_address(int count, char **word);
int step_account(int count, char **word);
int step_start(int count, char **word);
int step_runlevel(int count, char **word);
int step_await(int count, char **word);
int step_random_ready(int count, char **word);
int step_init(int count, char **word);
int step_serve(int count, char **word);

/* Makes a directory and the ones above it, 0755; 0 or -1 with errno. */
int make_directories(const char *path);

/* --- frame.c: the frames of a control connection --------------------------------------------- */

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

/* --- request.c, command.c: what is to be run, and running it --------------------------------- */

struct request {
	char cookie[COOKIE + 1];
	const char *user, *cwd;
	int tty, login;
	unsigned short rows, cols;
	char **env, **arg;            /* NULL-terminated; the strings lie in `text` */
	unsigned char *text;          /* owned */
};

/* Takes the frame's payload over. NULL, or what is wrong with it. */
const char *request_parse(struct request *request, struct frame *frame);
void request_free(struct request *request);

struct failure {
	int code;                     /* exit code for the host: 125, 126, 127 */
	char text[512];
};

/* Starts the command in a process group of its own, with these descriptors; `tty` is the terminal's slave
 * or -1. Returns its process id, or -1 with the failure told. */
pid_t command_start(const struct request *request, const int stdio[3], int tty, struct failure *failure);

/* --- relay.c: a session's own process ---------------------------------------------------------- */

struct session {
	struct request request;
	int control, stream[3];       /* -1 while not joined */
	int64_t deadline;
	struct session *next;
};

/* Runs the session to its end. */
void relay(struct session *session) __attribute__((noreturn));

/* --- processes.c ----------------------------------------------------------------------------------- */

/* Signals all processes of the caller's session but the caller; 0 only counts them. Returns how many there were. */
int signal_session(int number);

/* --- stop.c: the machine's end ------------------------------------------------------------------- */

/* The FIFO by which poweroff and reboot ask process 1; -1 with errno. */
int initctl_open(void);

/* What is asked for there, RB_POWER_OFF or RB_AUTOBOOT, or 0. */
int initctl_read(int fd);

/* Ends all processes, syncs, unmounts; `signals` is the descriptor where SIGCHLD arrives. */
void stop_machine(int signals, int how) __attribute__((noreturn));

/* At once. */
void end_machine(int how) __attribute__((noreturn));

/* --- sessions.c: connections, until a session has all of its streams --------------------------- */

/* `fd` is /dev/hostsock, or an ordinary listening socket. */
void sessions_listen(int fd, int is_device);

/* Serves what is there to serve; returns the process id of a relay if one was started, else 0. Waits until one
 * of the two `also` is readable (-1 for none), something came or a deadline has passed. */
pid_t sessions_wait(const int also[2]);

#endif
