/* The records that tell who and last of sessions, and Debian's tools of a run level: utmp(5). */

#ifndef UTMP_H
#define UTMP_H

#include <sys/types.h>

/* From now on sessions are recorded: inside a machine, and not where tests run the agent. */
void utmp_open(void);

/* The session on the terminal pts/NUMBER has begun, and has ended. */
void utmp_login(int number, const char *user, pid_t pid);
void utmp_logout(void);

#endif
