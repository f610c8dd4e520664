/*
 * posix DIRECTORY [CASE]: what a program may expect of a local file system.
 * Runs as root in DIRECTORY; prints a line for each case, exits 1 if one failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include "posix.h"

extern const struct test owners[], names[], contents[], kinds[];
static const struct test *const tables[] = { owners, names, contents, kinds };

int failures;

struct stat status(const char *path)
{
	struct stat st = {};

	OK(lstat(path, &st));
	return st;
}

int make(const char *path, const char *text)
{
	int fd = OK(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));

	EQ(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

void make_closed(const char *path, const char *text)
{
	close(make(path, text));
}

const char *content(const char *path)
{
	static char buf[4096];
	int fd = OK(open(path, O_RDONLY));
	ssize_t n = OK(read(fd, buf, sizeof(buf) - 1));

	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

int renameat2_(const char *a, const char *b, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

int newer(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

/* The host's clock for files ticks at most every 10 ms. */
void tick(void)
{
	struct stat st, first;

	make_closed("tick", "");
	first = status("tick");
	do {
		utimensat(AT_FDCWD, "tick", NULL, 0);
		int fd = open("tick", O_WRONLY);
		(void)!write(fd, "x", 1);
		close(fd);
		lstat("tick", &st);
	} while (!newer(st.st_mtim, first.st_mtim));
	unlink("tick");
}

static int fails(int home, const struct test *test)
{
	umask(022);
	failures = 0;
	OK(fchdir(home));
	OK(mkdir(test->name, 0755));
	OK(chdir(test->name));
	test->run();
	printf("%s %s\n", failures ? "FAILED" : "ok    ", test->name);
	return failures > 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 2 && !strcmp(argv[1], "--uid"))
		return geteuid() & 255;
	if (argc < 2 || chdir(argv[1]))
		return 2;
	int home = open(".", O_RDONLY);
	for (unsigned i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct test *test = tables[i]; test->name; test++)
			if (argc == 2 || !strcmp(argv[2], test->name))
				failed += fails(home, test);
	printf("%d failed\n", failed);
	return failed > 0;
}
