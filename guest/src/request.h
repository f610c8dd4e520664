/* What is to be run: the exec frame as a struct. */

#ifndef REQUEST_H
#define REQUEST_H

#include "frame.h"

#include <sys/types.h>

struct request {
	char cookie[COOKIE + 1];
	const char *user, *cwd;
	int tty, login;
	mode_t mask;                  /* umask(2) of the command */
	unsigned short rows, cols;
	char **env, **arg;            /* NULL-terminated; the strings lie in `text` */
	unsigned char *text;          /* owned */
};

/* Takes the frame's payload over. NULL, or what is wrong with it. */
const char *request_parse(struct request *request, struct frame *frame);
void request_free(struct request *request);

#endif
