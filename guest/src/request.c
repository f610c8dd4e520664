/* The exec frame: NUL-terminated key=value strings, into a struct. */

#define _GNU_SOURCE
#include "agent.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

static int number(const char *text, unsigned long most, unsigned long *value)
{
	char *end;

	*value = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && *value <= most;
}

/* One string; returns what is wrong with it, or NULL. */
static const char *take(struct request *request, char *key, size_t *envs, size_t *args)
{
	char *value = strchr(key, '=');
	unsigned long n;

	if (!value)
		return "a string of the request has no '='";
	*value++ = '\0';
	if (!strcmp(key, "arg")) {
		request->arg[(*args)++] = value;
	} else if (!strcmp(key, "env")) {
		if (!strchr(value, '=') || *value == '=')
			return "env wants NAME=VALUE";
		/* A key of its own would be refused by agents of before, which may run for long. */
		if (!strncmp(value, "GAOL_UMASK=", 11))
			request->mask = strtoul(value + 11, NULL, 8) & 0777;
		else
			request->env[(*envs)++] = value;
	} else if (!strcmp(key, "cookie")) {
		if (strlen(value) != COOKIE)
			return "the cookie is not 32 characters long";
		memcpy(request->cookie, value, COOKIE + 1);
	} else if (!strcmp(key, "user")) {
		request->user = value;
	} else if (!strcmp(key, "cwd")) {
		request->cwd = value;
	} else if (!strcmp(key, "tty") && number(value, 1, &n)) {
		request->tty = n;
	} else if (!strcmp(key, "login") && number(value, 1, &n)) {
		request->login = n;
	} else if (!strcmp(key, "umask") && number(value, 0777, &n)) {
		request->mask = n;
	} else if (!strcmp(key, "rows") && number(value, 65535, &n)) {
		request->rows = n;
	} else if (!strcmp(key, "cols") && number(value, 65535, &n)) {
		request->cols = n;
	} else {
		return "the request has a key or a value that this agent does not know";
	}
	return NULL;
}

const char *request_parse(struct request *request, struct frame *frame)
{
	unsigned char *text = frame->payload;
	size_t length = frame->length, strings = 0, envs = 0, args = 0;

	memset(request, 0, sizeof *request);
	request->mask = 022;
	request->text = text;
	frame->payload = NULL;
	if (!length || text[length - 1] != '\0')
		return "the request does not end with NUL";
	for (size_t i = 0; i < length; i++)
		strings += text[i] == '\0';
	request->env = calloc(strings + 1, sizeof *request->env);
	request->arg = calloc(strings + 1, sizeof *request->arg);
	if (!request->env || !request->arg)
		return "out of memory";
	for (size_t i = 0; i < length;) {
		size_t size = strlen((char *)text + i) + 1;
		const char *wrong = take(request, (char *)text + i, &envs, &args);

		if (wrong)
			return wrong;
		i += size;
	}
	if (!*request->cookie)
		return "the request has no cookie";
	if (!request->user || !*request->user)
		return "the request names no user";
	return NULL;
}

void request_free(struct request *request)
{
	free(request->env);
	free(request->arg);
	free(request->text);
}
