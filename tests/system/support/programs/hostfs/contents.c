/* What is in files: opened, unlinked, sparse, cut short, mapped, copied, executed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include "posix.h"

static void unlinked_but_open(void)
{
	struct stat st;
	char buf[16] = "";
	int fd = make("f", "hello"), again;

	OK(unlink("f"));
	OK(fstat(fd, &st));
	EQ(st.st_nlink, 0);
	EQ(st.st_size, 5);
	OK(fchmod(fd, 0600));
	OK(fchown(fd, 3, 4));
	OK(ftruncate(fd, 3));
	EQ(pwrite(fd, "XY", 2, 3), 2);
	OK(fstat(fd, &st));
	EQ(st.st_mode & 07777, 0600);
	EQ(st.st_uid, 3);
	EQ(st.st_size, 5);
	EQ(pread(fd, buf, 16, 0), 5);
	TRUE(!strcmp(buf, "helXY"));
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRUE(map != MAP_FAILED);
	map[0] = 'J';
	OK(msync(map, 4096, MS_SYNC));
	EQ(pread(fd, buf, 1, 0), 1);
	EQ(buf[0], 'J');
	munmap(map, 4096);
	OK(fsync(fd));
	struct timespec times[2] = { { 5, 6 }, { 7, 8 } };
	OK(futimens(fd, times));
	OK(fstat(fd, &st));
	EQ(st.st_mtim.tv_nsec, 8);
	OK(fsetxattr(fd, "user.a", "b", 1, 0));
	/* Through its place alone, and with the name taken by another. */
	make_closed("f", "other");
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = OK(open(path, O_RDONLY));
	EQ(pread(again, buf, 5, 0), 5);
	TRUE(!memcmp(buf, "JelXY", 5));
	close(again);
	close(fd);
	TRUE(!strcmp(content("f"), "other"));
}

static void unlinked_place(void)
{
	struct stat st;
	char path[64];

	make_closed("f", "abc");
	int fd = OK(open("f", O_PATH));
	OK(unlink("f"));
	OK(fstat(fd, &st));
	EQ(st.st_nlink, 0);
	EQ(st.st_size, 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(chmod(path, 0611));
	OK(fstat(fd, &st));
	EQ(st.st_mode & 0777, 0611);
	int again = OK(open(path, O_RDWR));
	EQ(write(again, "xyz!", 4), 4);
	close(again);
	OK(fstat(fd, &st));
	EQ(st.st_size, 4);
	close(fd);
}

static void open_flags(void)
{
	make_closed("f", "12345");
	FAILS(EEXIST, open("f", O_CREAT | O_EXCL | O_RDWR, 0600));
	int fd = OK(open("f", O_WRONLY | O_APPEND));
	EQ(write(fd, "6", 1), 1);
	EQ(pwrite(fd, "7", 1, 0), 1);		/* appends, on Linux */
	close(fd);
	TRUE(!strcmp(content("f"), "1234567"));
	fd = OK(open("f", O_RDONLY | O_TRUNC));
	close(fd);
	EQ(status("f").st_size, 0);
	FAILS(EISDIR, open(".", O_RDWR));
	FAILS(ENOTDIR, open("f/x", O_RDONLY));
	FAILS(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	OK(symlink("f", "l"));
	FAILS(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
	OK(symlink("loop", "loop"));
	FAILS(ELOOP, open("loop", O_RDONLY));
	fd = OK(open("ro", O_CREAT | O_RDWR, 0400));	/* the mode is for later */
	EQ(write(fd, "x", 1), 1);
	close(fd);
	fd = OK(open("f", O_RDWR | O_DIRECT));
	void *page = aligned_alloc(4096, 4096);
	memset(page, 'd', 4096);
	EQ(write(fd, page, 4096), 4096);
	EQ(pread(fd, page, 4096, 0), 4096);
	close(fd);
	fd = OK(open("f", O_WRONLY | O_SYNC));
	EQ(write(fd, "s", 1), 1);
	close(fd);
	AS(1000, 1000, FAILS(EACCES, open("ro", O_RDONLY)));
}

static void tmpfile_(void)
{
	struct stat st;
	char path[64];
	int fd = OK(open(".", O_TMPFILE | O_RDWR, 0640));

	EQ(write(fd, "temporary", 9), 9);
	OK(fstat(fd, &st));
	EQ(st.st_nlink, 0);
	EQ(st.st_mode & 0777, 0640);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	OK(fstat(fd, &st));
	EQ(st.st_nlink, 1);
	close(fd);
	TRUE(!strcmp(content("named"), "temporary"));
	fd = OK(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "no", AT_SYMLINK_FOLLOW));
	close(fd);
	chmod(".", 0777);
	AS(1000, 1001, {
		int f = OK(open(".", O_TMPFILE | O_RDWR, 0600));
		struct stat s;
		OK(fstat(f, &s));
		EQ(s.st_uid, 1000);
		EQ(s.st_gid, 1001);
	});
}

static void sparse(void)
{
	struct stat st;
	int fd = OK(open("f", O_RDWR | O_CREAT, 0644));
	char buf[8192];

	EQ(pwrite(fd, "end", 3, 10 << 20), 3);
	OK(fstat(fd, &st));
	EQ(st.st_size, (10 << 20) + 3);
	OK(fsync(fd));
	EQ(lseek(fd, 0, SEEK_DATA), 10 << 20);
	EQ(lseek(fd, 0, SEEK_HOLE), 0);
	EQ(lseek(fd, 10 << 20, SEEK_HOLE), (10 << 20) + 3);
	FAILS(ENXIO, lseek(fd, 11 << 20, SEEK_DATA));
	EQ(pread(fd, buf, 8192, 4096), 8192);
	for (int i = 0; i < 8192; i++)
		if (buf[i]) {
			FAIL("the hole holds %d", buf[i]);
			break;
		}
	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 8; i++)
		EQ(pwrite(fd, buf, 8192, i * 8192), 8192);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 20000));
	EQ(pread(fd, buf, 8192, 4096), 8192);
	EQ(buf[903], 'x');
	EQ(buf[904], 0);
	EQ(buf[8191], 0);
	EQ(pread(fd, buf, 1, 25000), 1);
	EQ(buf[0], 'x');
	EQ(pread(fd, buf, 1, 24999), 1);
	EQ(buf[0], 0);
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 30000, 10));
	EQ(pread(fd, buf, 12, 29999), 12);
	EQ(buf[0], 'x');
	EQ(buf[1], 0);
	EQ(buf[10], 0);
	EQ(buf[11], 'x');
	OK(fallocate(fd, 0, 0, 12 << 20));
	OK(fstat(fd, &st));
	EQ(st.st_size, 12 << 20);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 13 << 20));
	OK(fstat(fd, &st));
	EQ(st.st_size, 12 << 20);
	close(fd);
}

static void truncation(void)
{
	char buf[10000];
	struct stat st;
	int fd = OK(open("f", O_RDWR | O_CREAT, 0644));

	memset(buf, 'a', sizeof(buf));
	EQ(write(fd, buf, 10000), 10000);
	OK(ftruncate(fd, 5001));
	OK(ftruncate(fd, 9000));
	EQ(pread(fd, buf, 10000, 0), 9000);
	EQ(buf[5000], 'a');
	EQ(buf[5001], 0);
	EQ(buf[8999], 0);
	char *map = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	map[8990] = 'm';
	map[9500] = 'g';		/* behind the end: never part of the file */
	OK(ftruncate(fd, 12000));
	EQ(pread(fd, buf, 10000, 0), 10000);
	EQ(buf[8990], 'm');
	EQ(buf[9500], 0);
	OK(ftruncate(fd, 100));
	EQ(map[99], 'a');
	OK(fstat(fd, &st));
	EQ(st.st_size, 100);
	munmap(map, 12288);
	OK(truncate("f", 7));
	EQ(status("f").st_size, 7);
	FAILS(EINVAL, ftruncate(fd, -1));
	close(fd);
	fd = OK(open("f", O_RDONLY));
	FAILS(EINVAL, ftruncate(fd, 1));
	close(fd);
	FAILS(EISDIR, truncate(".", 0));
}

static void shared_mapping(void)
{
	char buf[8192];
	int fd = make("f", "");

	OK(ftruncate(fd, 3 * 4096 + 10));
	char *a = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int fd2 = OK(open("f", O_RDWR));
	char *b = mmap(NULL, 4 * 4096, PROT_READ, MAP_SHARED, fd2, 0);
	a[5000] = 'z';
	EQ(b[5000], 'z');
	EQ(pread(fd2, buf, 1, 5000), 1);
	EQ(buf[0], 'z');
	EQ(pwrite(fd2, "w", 1, 5001), 1);
	EQ(a[5001], 'w');
	fflush(stdout);
	if (!fork()) {
		a[6000] = 'c';
		_exit(0);
	}
	wait(NULL);
	EQ(a[6000], 'c');
	munmap(a, 4 * 4096);
	close(fd);
	munmap(b, 4 * 4096);
	close(fd2);
	fd = OK(open("f", O_RDONLY));
	EQ(pread(fd, buf, 8192, 0), 8192);
	EQ(buf[5000], 'z');
	EQ(buf[5001], 'w');
	EQ(buf[6000], 'c');
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
	p[0] = 'p';
	EQ(pread(fd, buf, 1, 4096), 1);
	EQ(buf[0], 0);
	close(fd);
	munmap(p, 4096);
}

static void write_from_own_mapping(void)
{
	int fd = make("f", "");
	char buf[8192];

	for (int i = 0; i < 8192; i++)
		buf[i] = i % 251;
	EQ(write(fd, buf, 8192), 8192);
	char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	EQ(pwrite(fd, map, 8192, 4096), 8192);
	EQ(pwrite(fd, map + 4096, 4096, 4096), 4096);
	EQ(lseek(fd, 0, SEEK_END), 12288);
	munmap(map, 8192);
	FAILS(EFAULT, pwrite(fd, (void *)16, 10, 0));
	struct iovec iov[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
	EQ(pwritev(fd, iov, 3, 4094), 5);
	EQ(pread(fd, buf, 5, 4094), 5);
	TRUE(!memcmp(buf, "abcde", 5));
	close(fd);
}

static void copying(void)
{
	char buf[20000];
	int a = make("a", ""), b = make("b", "0123456789");
	off_t from = 100, to = 5;

	for (int i = 0; i < 20000; i++)
		buf[i] = i % 253;
	EQ(write(a, buf, 20000), 20000);
	EQ(copy_file_range(a, &from, b, &to, 10000, 0), 10000);
	EQ(lseek(b, 0, SEEK_END), 10005);
	char got[20000];
	EQ(pread(b, got, 20000, 0), 10005);
	EQ(memcmp(got, "01234", 5), 0);
	EQ(memcmp(got + 5, buf + 100, 10000), 0);
	close(a);
	close(b);
}

static void many_open(void)
{
	static int fd[3000];
	char name[32], c;
	int n;

	for (n = 0; n < 3000; n++) {
		snprintf(name, sizeof(name), "m%d", n);
		fd[n] = open(name, O_CREAT | O_RDWR, 0600);
		if (fd[n] < 0)
			break;
		EQ(write(fd[n], name, 5), 5);
	}
	TRUE(n == 3000 || errno == EMFILE);
	for (int i = 0; i < n; i++) {
		EQ(pread(fd[i], &c, 1, 0), 1);
		close(fd[i]);
	}
}

static void run_program(void)
{
	char path[PATH_MAX];
	int from, to, st;
	ssize_t n;

	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n] = '\0';
	from = OK(open(path, O_RDONLY));
	to = OK(open("program", O_CREAT | O_WRONLY, 0755));
	while ((n = read(from, path, sizeof(path))) > 0)
		EQ(write(to, path, n), n);
	close(from);
	FAILS(ETXTBSY, execl("program", "program", "--uid", NULL));
	close(to);
	OK(chown("program", 1000, 1000));
	OK(chmod("program", 04755));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		OK(setresuid(1001, 1001, 1001));
		execl("program", "program", "--uid", NULL);
		_exit(99);
	}
	waitpid(pid, &st, 0);
	EQ(WEXITSTATUS(st), 1000 & 255);
}

const struct test contents[] = {
	{ "unlinked_but_open", unlinked_but_open },
	{ "unlinked_place", unlinked_place },
	{ "open_flags", open_flags },
	{ "tmpfile", tmpfile_ },
	{ "sparse", sparse },
	{ "truncation", truncation },
	{ "shared_mapping", shared_mapping },
	{ "write_from_own_mapping", write_from_own_mapping },
	{ "copying", copying },
	{ "many_open", many_open },
	{ "run_program", run_program },
	{}
};
