/* What all parts of the agent share, and the steps of its command line. */

#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes "agent: WHAT: WHY" to stderr; inside a machine that is the console. Returns 1, so that a step
 * can end with it. `error` is an errno, or 0 where there is none to tell. */
/* What the kernel adds to this process' share of memory when it looks for one to kill, in thousandths; "-1000": never. */
void score_for_oom(const char *score);
int complain(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tells the host a milestone (one write to UML's /proc/mconsole); 0 or an errno. */
int milestone(const char *text);

/* What ps shows of this process from now on. The words of the command line are gone afterwards. */
void set_title(const char *title);

/* Ends all TCP connections but those within this machine. */
void disconnect(void);

/* Milliseconds of a clock that is never set. */
int64_t now_ms(void);

/* Each step takes its own words of the command line and returns an exit status. */
int step_mount(int count, char **word);
int step_link(int count, char **word);
int step_mode(int count, char **word);
int step_remove(int count, char **word);
int step_hosts(int count, char **word);
int step_end(int count, char **word);
int step_net(int count, char **word);
int step_address(int count, char **word);
int step_account(int count, char **word);
int step_start(int count, char **word);
int step_runlevel(int count, char **word);
int step_await(int count, char **word);
int step_random_ready(int count, char **word);
int step_init(int count, char **word);
int step_login(int count, char **word);
int step_stop(int count, char **word);
int step_serve(int count, char **word);

/* Makes a directory and the ones above it, 0755; 0 or -1 with errno. */
int make_directories(const char *path);

#endif
