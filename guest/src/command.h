/* Starting a command as a user of the machine. */

#ifndef COMMAND_H
#define COMMAND_H

#include "request.h"

#include <sys/types.h>

struct failure {
	int code;                     /* exit code for the host: 125, 126, 127 */
	char text[512];
};

/* Starts the command in a process group of its own, with these descriptors; `tty` is the terminal's slave
 * or -1. Returns its process id, or -1 with the failure told. */
pid_t command_start(const struct request *request, const int stdio[3], int tty, struct failure *failure);

#endif
