/* Step `account`: the owner of the machine, in the tree's own /etc/passwd, group and shadow.
 *
 *     account [--root DIR] [--subids FIRST:COUNT] NAME UID GID GROUP GECOS HOME SHELL [GROUP:GID | GROUP]...
 *
 * By hand rather than with useradd: the tools may be missing, take tens of milliseconds in a machine, and
 * refuse an id that is taken. The rules, so that any tree and any host account go together:
 *
 * - The owner's ids are those of the host, or the home would not be theirs. An account of that name gets them.
 * - Another account of the same uid stays, but the owner's line stands before it: the id is shown as the owner.
 * - A group whose gid the tree has under another name is that group: the owner joins it.
 * - A group whose name the tree has with another gid is added as host-NAME: files on both sides keep their meaning.
 * - GROUP without a gid is joined, and made as a system group if there is none.
 * - FIRST:COUNT are the owner's in subuid and subgid, where the tree has those files.
 * - A shell that the tree lacks becomes /bin/sh. No password is set: none can be used.
 *
 * A file is replaced whole, by rename, and only if it changes: a second start writes nothing.
 */

#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIELDS = 9, TEXT_MAX = 4 * 1024 * 1024 };

/* A file as its lines. Freed by the end of the process: a step runs once. */
struct table {
	char path[4096];
	char **line;
	size_t count;
	int changed;
};

static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *pattern, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, pattern);
	if (vasprintf(&text, pattern, arguments) < 0)
		abort();
	va_end(arguments);
	return text;
}

/* --- files ------------------------------------------------------------------------------------------- */

static int load(struct table *table, const char *root, const char *name)
{
	struct stat about;
	char *text;
	int fd;

	memset(table, 0, sizeof *table);
	snprintf(table->path, sizeof table->path, "%s/etc/%s", root, name);
	fd = open(table->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &about) < 0 || about.st_size > TEXT_MAX || !(text = calloc(1, about.st_size + 1)) ||
	    read(fd, text, about.st_size) != about.st_size) {
		close(fd);
		return -1;
	}
	close(fd);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		table->line = realloc(table->line, (table->count + 1) * sizeof *table->line);
		if (!table->line)
			abort();
		table->line[table->count++] = line;
	}
	return 0;
}

static void insert(struct table *table, size_t place, char *line)
{
	table->line = realloc(table->line, (table->count + 1) * sizeof *table->line);
	if (!table->line)
		abort();
	memmove(table->line + place + 1, table->line + place, (table->count - place) * sizeof *table->line);
	table->line[place] = line;
	table->count++;
	table->changed = 1;
}

static int store(const struct table *table)
{
	char *new = format("%s+", table->path);
	struct stat about;
	FILE *file;
	int fd;

	if (!table->changed)
		return 0;
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || stat(table->path, &about) < 0 || fchown(fd, about.st_uid, about.st_gid) < 0 ||
	    fchmod(fd, about.st_mode & 07777) < 0 || !(file = fdopen(fd, "w")))
		return complain(errno, "account: %s", new);
	for (size_t i = 0; i < table->count; i++)
		fprintf(file, "%s\n", table->line[i]);
	if (fclose(file) != 0 || rename(new, table->path) < 0)
		return complain(errno, "account: %s", table->path);
	return 0;
}

/* --- lines --------------------------------------------------------------------------------------------- */

/* Field `wanted` of a line, as a copy; NULL if there is none. */
static char *field(const char *line, int wanted)
{
	while (wanted--) {
		line = strchr(line, ':');
		if (!line)
			return NULL;
		line++;
	}
	return strndup(line, strcspn(line, ":"));
}

static int field_is(const char *line, int wanted, const char *value)
{
	char *found = field(line, wanted);
	int same = found && !strcmp(found, value);

	free(found);
	return same;
}

/* The place of the first line with that value, or -1. */
static int find(const struct table *table, int wanted, const char *value)
{
	for (size_t i = 0; i < table->count; i++)
		if (field_is(table->line[i], wanted, value))
			return i;
	return -1;
}

static void join_group(struct table *groups, int place, const char *user)
{
	char *line = groups->line[place], *members = field(line, 3), *rest = members;
	char *member;

	if (!members)
		return;
	while ((member = strsep(&rest, ",")))
		if (!strcmp(member, user))
			return;
	groups->line[place] = format("%s%s%s", line, line[strlen(line) - 1] == ':' ? "" : ",", user);
	groups->changed = 1;
}

static const char *free_system_gid(const struct table *groups)
{
	for (int gid = 999; gid > 99; gid--)
		if (find(groups, 2, format("%d", gid)) < 0)
			return format("%d", gid);
	return "999";
}

/* --- the rules ------------------------------------------------------------------------------------------ */

static void add_group(struct table *groups, const char *name, const char *gid, const char *user, int primary)
{
	int by_id = gid ? find(groups, 2, gid) : -1, by_name = find(groups, 0, name);

	if (by_id < 0 && !gid && by_name >= 0)
		by_id = by_name;
	if (by_id >= 0) {
		if (!primary)
			join_group(groups, by_id, user);
		return;
	}
	if (!gid)
		gid = free_system_gid(groups);
	insert(groups, groups->count, format("%s%s:x:%s:%s", by_name >= 0 ? "host-" : "", name, gid, primary ? "" : user));
}

static void add_user(struct table *users, char **word, const char *shell)
{
	const char *name = word[0], *uid = word[1], *gid = word[2], *gecos = word[4], *home = word[5];
	int by_name = find(users, 0, name), by_id = find(users, 2, uid);
	char *line = format("%s:x:%s:%s:%s:%s:%s", name, uid, gid, gecos, home, shell);

	/* What the owner changed inside with chsh or chfn is the owner's business. */
	if (by_name >= 0 && by_name == by_id && field_is(users->line[by_name], 3, gid) &&
	    field_is(users->line[by_name], 5, home))
		return;
	if (by_name >= 0) {
		memmove(users->line + by_name, users->line + by_name + 1,
			(users->count - by_name - 1) * sizeof *users->line);
		users->count--;
		by_id = find(users, 2, uid);
	}
	insert(users, by_id >= 0 ? (size_t)by_id : users->count, line);
}

/* newuidmap and newgidmap give these ids to a user namespace of the owner's. */
static int add_subordinate(const char *root, const char *file, const char *name, const char *ids)
{
	struct table table;
	char *line = format("%s:%s", name, ids);
	int place;

	if (load(&table, root, file) < 0)
		return 0;
	place = find(&table, 0, name);
	if (place < 0) {
		insert(&table, table.count, line);
	} else if (strcmp(table.line[place], line)) {
		table.line[place] = line;
		table.changed = 1;
	}
	return store(&table);
}

/* Nothing that could end a field or a line early. */
static int is_clean(int count, char **word)
{
	for (int i = 0; i < count; i++)
		if (strpbrk(word[i], "\n:"))
			return 0;
	return count == 7 && *word[0] && strspn(word[1], "0123456789") && strspn(word[2], "0123456789") && *word[3];
}

int step_account(int count, char **word)
{
	struct table users, groups, shadow;
	const char *root = "", *subids = "", *name, *shell;

	for (; count >= 2 && !strncmp(word[0], "--", 2); word += 2, count -= 2) {
		if (!strcmp(word[0], "--root"))
			root = word[1];
		else if (!strcmp(word[0], "--subids"))
			subids = word[1];
	}
	if (count < 7 || !is_clean(7, word))
		return complain(0, "account: wants NAME UID GID GROUP GECOS HOME SHELL, without colons");
	name = word[0];
	/* The superuser of the host is the one of the machine. */
	if (!strcmp(word[1], "0"))
		return 0;
	if (load(&users, root, "passwd") < 0 || load(&groups, root, "group") < 0)
		return complain(errno, "account: %s/etc/passwd and group", root);

	shell = access(format("%s%s", root, word[6]), X_OK) == 0 ? word[6] : "/bin/sh";
	add_user(&users, word, shell);
	add_group(&groups, word[3], word[2], name, 1);
	for (int i = 7; i < count; i++) {
		char *group = strsep(&word[i], ":");

		if (*group)
			add_group(&groups, group, word[i], name, 0);
	}
	/* '*' is a password that nothing matches; '!' would also lock the account for sshd without PAM. */
	if (load(&shadow, root, "shadow") == 0 && find(&shadow, 0, name) < 0)
		insert(&shadow, shadow.count, format("%s:*:::::::", name));
	if (*subids && (add_subordinate(root, "subuid", name, subids) | add_subordinate(root, "subgid", name, subids)))
		return 1;
	return store(&groups) | store(&shadow) | store(&users);
}
