/* A session of the owner is a login, as PAM has it in this tree: limits, environment, and with systemd a bus. */

#ifndef LOGIN_H
#define LOGIN_H

#include <sys/resource.h>

enum { LIMITS = RLIM_NLIMITS };

struct login {
	char **environment;           /* NULL-terminated: what was given, with what PAM says over it; NULL without a session */
	struct rlimit limit[LIMITS];
	const char *group;            /* the control group that logind has made for it, or NULL */
};

/* Opens a PAM session for a user, which lasts as long as this process. 0, or -1 where the tree has no PAM or it refuses:
 * the command runs all the same, with what it would have had. The descriptor that holds it open is kept to the end. */
int login_open(const char *user, char **environment, struct login *login);

#endif
