/*
 * posix DIRECTORY: what a program may expect of a local file system.
 * Runs as root in DIRECTORY; prints a line for each case, exits 1 if one failed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "check.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

int failures;

static struct stat status(const char *path)
{
	struct stat st = {};

	OK(lstat(path, &st));
	return st;
}

static int make(const char *path, const char *text)
{
	int fd = OK(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));

	EQ(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void make_closed(const char *path, const char *text)
{
	close(make(path, text));
}

static const char *content(const char *path)
{
	static char buf[4096];
	int fd = OK(open(path, O_RDONLY));
	ssize_t n = OK(read(fd, buf, sizeof(buf) - 1));

	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static int renameat2_(const char *a, const char *b, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static int newer(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

/* The host's clock for files ticks at most every 10 ms. */
static void tick(void)
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

/* Runs in a child as this user, with its failures counted. */
#define AS(uid, gid, ...) do {						\
	fflush(stdout);							\
	pid_t as_pid = fork();						\
	if (!as_pid) {							\
		failures = 0;						\
		if (syscall(SYS_setgroups, 0, NULL) || setresgid(gid, gid, gid) || \
		    setresuid(uid, uid, uid))				\
			FAIL("cannot become %d", uid);			\
		__VA_ARGS__;						\
		fflush(stdout);						\
		_exit(failures > 255 ? 255 : failures);			\
	}								\
	int as_status;							\
	waitpid(as_pid, &as_status, 0);					\
	failures += WEXITSTATUS(as_status);				\
} while (0)

static void owner_of_new(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "sock" };

	chmod(".", 0777);
	AS(1000, 2000, {
		umask(027);
		make_closed("file", "x");
		OK(mkdir("dir", 0777));
		OK(symlink("x", "link"));
		OK(mkfifo("fifo", 0666));
		int s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
		OK(bind(s, (void *)&address, sizeof(address)));
		FAILS(EPERM, mknod("node", S_IFCHR | 0666, makedev(1, 3)));
	});
	const char *names[] = { "file", "dir", "link", "fifo", "sock" };
	const unsigned modes[] = { S_IFREG | 0640, S_IFDIR | 0750, S_IFLNK | 0777, S_IFIFO | 0640, S_IFSOCK | 0750 };

	for (int i = 0; i < 5; i++) {
		struct stat st = status(names[i]);

		EQ(st.st_uid, 1000);
		EQ(st.st_gid, 2000);
		EQ(st.st_mode, modes[i]);
	}
	AS(1001, 2001, {
		FAILS(EACCES, open("file", O_RDONLY));
		FAILS(EACCES, open("dir/x", O_CREAT | O_RDWR, 0600));
		FAILS(EPERM, chmod("file", 0777));
		FAILS(EPERM, chown("file", 1001, -1));
	});
}

static void setgid_directory(void)
{
	OK(mkdir("d", 0777));
	OK(chown("d", 0, 3000));
	OK(chmod("d", 02777));
	AS(1000, 2000, {
		umask(0);
		make_closed("d/file", "");
		OK(mkdir("d/sub", 0755));
		int fd = OK(open("d/sgid", O_CREAT | O_RDWR, 02775));
		close(fd);
	});
	EQ(status("d/file").st_gid, 3000);
	EQ(status("d/file").st_uid, 1000);
	EQ(status("d/sub").st_gid, 3000);
	EQ(status("d/sub").st_mode & 07777, 02755);
	/* Not in the group: may not make it a set-group-id program. */
	EQ(status("d/sgid").st_mode & 07777, 0775);
}

static void sticky_directory(void)
{
	OK(mkdir("d", 0777));
	OK(chmod("d", 01777));
	AS(1000, 1000, make_closed("d/a", ""));
	AS(1001, 1001, {
		FAILS(EPERM, unlink("d/a"));
		FAILS(EPERM, rename("d/a", "d/b"));
	});
	AS(1000, 1000, OK(unlink("d/a")));
}

static void set_id_bits(void)
{
	make_closed("f", "x");
	OK(chmod("f", 06755));
	EQ(status("f").st_mode & 07777, 06755);
	OK(chown("f", 1000, 1000));
	EQ(status("f").st_mode & 07777, 0755);
	OK(chmod("f", 06777));
	AS(1001, 1001, {
		int fd = OK(open("f", O_WRONLY));
		EQ(write(fd, "y", 1), 1);
	});
	EQ(status("f").st_mode & 07777, 0777);
	OK(chmod("f", 06777));
	AS(1001, 1001, OK(truncate("f", 0)));
	EQ(status("f").st_mode & 07777, 0777);
	/* Without group execution it is no set-group-id program. */
	OK(chmod("f", 02666));
	OK(chown("f", 0, 0));
	EQ(status("f").st_mode & 07777, 02666);
}

static void chown_rules(void)
{
	gid_t groups[] = { 5, 6 };

	make_closed("f", "");
	OK(symlink("f", "l"));
	OK(chown("f", 1000, 5));
	AS(1000, 5, {
		FAILS(EPERM, chown("f", 1001, -1));
		FAILS(EPERM, chown("f", -1, 7));
		OK(chown("f", 1000, 5));
	});
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		OK(setgroups(2, groups));
		OK(setresgid(5, 5, 5));
		OK(setresuid(1000, 1000, 1000));
		OK(chown("f", -1, 6));
		_exit(failures);
	}
	int st;
	waitpid(pid, &st, 0);
	failures += WEXITSTATUS(st);
	EQ(status("f").st_gid, 6);
	OK(lchown("l", 7, 8));
	EQ(status("l").st_uid, 7);
	EQ(status("l").st_gid, 8);
	EQ(status("f").st_uid, 1000);
	OK(chown("f", 65535, 65535));
	EQ(status("f").st_uid, 65535);
}

static void link_counts(void)
{
	make_closed("a", "x");
	EQ(status("a").st_nlink, 1);
	OK(link("a", "b"));
	EQ(status("a").st_nlink, 2);
	EQ(status("b").st_ino, status("a").st_ino);
	OK(rename("a", "c"));
	EQ(status("b").st_nlink, 2);
	OK(unlink("b"));
	EQ(status("c").st_nlink, 1);
	FAILS(ENOENT, open("b", O_RDONLY));
	OK(rename("c", "c"));
	OK(link("c", "d"));
	OK(rename("c", "d"));		/* the same file: nothing happens */
	EQ(status("c").st_nlink, 2);
	make_closed("e", "y");
	OK(rename("e", "d"));
	EQ(status("c").st_nlink, 1);
	OK(symlink("c", "s"));
	OK(link("s", "s2"));
	EQ(status("s").st_nlink, 2);
	FAILS(EPERM, link(".", "dot"));
	FAILS(EEXIST, link("c", "d"));
}

static void names_go_and_come(void)
{
	FAILS(ENOENT, open("n", O_RDONLY));
	OK(symlink("target", "n"));
	EQ(status("n").st_size, 6);
	OK(unlink("n"));
	FAILS(ENOENT, open("n", O_RDONLY));
	OK(mkdir("n", 0755));
	FAILS(EEXIST, mkdir("n", 0755));
	OK(rmdir("n"));
	FAILS(ENOENT, rmdir("n"));
	OK(mkfifo("n", 0600));
	OK(unlink("n"));
	make_closed("m", "1");
	FAILS(ENOENT, access("n", F_OK));
	OK(link("m", "n"));
	OK(access("n", F_OK));
	OK(unlink("n"));
	OK(rename("m", "n"));
	FAILS(ENOENT, access("m", F_OK));
	TRUE(!strcmp(content("n"), "1"));
}

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

static void removed_directory(void)
{
	struct stat st;

	OK(mkdir("d", 0755));
	int fd = OK(open("d", O_RDONLY | O_DIRECTORY));
	OK(rmdir("d"));
	OK(fstat(fd, &st));
	EQ(st.st_nlink, 0);
	FAILS(ENOENT, openat(fd, "x", O_CREAT | O_RDWR, 0600));
	FAILS(ENOENT, mkdirat(fd, "x", 0700));
	OK(mkdir("d", 0755));
	make_closed("d/y", "");
	FAILS(ENOENT, faccessat(fd, "y", F_OK, 0));
	close(fd);
}

static void rename_over_open(void)
{
	char buf[8] = "";
	struct stat st;
	int old = make("old", "old"), new;

	make_closed("new", "new");
	OK(rename("new", "old"));
	EQ(pread(old, buf, 3, 0), 3);
	TRUE(!strcmp(buf, "old"));
	OK(fstat(old, &st));
	EQ(st.st_nlink, 0);
	TRUE(!strcmp(content("old"), "new"));
	new = OK(open("old", O_RDWR));
	OK(rename("old", "renamed"));
	EQ(pwrite(new, "NEW", 3, 0), 3);
	TRUE(!strcmp(content("renamed"), "NEW"));
	close(old);
	close(new);
}

static void rename_rules(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	make_closed("f", "f");
	make_closed("d/x", "x");
	FAILS(ENOTDIR, rename("d", "f"));
	FAILS(EISDIR, rename("f", "d"));
	FAILS(ENOTEMPTY, rename("e", "d"));
	FAILS(EINVAL, rename("d", "d/y"));
	OK(rename("d", "e"));
	TRUE(!strcmp(content("e/x"), "x"));
	FAILS(ENOENT, access("d/x", F_OK));
	OK(mkdir("d", 0755));
	FAILS(EEXIST, renameat2_("f", "d", RENAME_NOREPLACE));
	OK(renameat2_("f", "g", RENAME_NOREPLACE));
	make_closed("h", "h");
	ino_t g = status("g").st_ino, h = status("h").st_ino, e = status("e").st_ino;
	OK(renameat2_("g", "h", RENAME_EXCHANGE));
	EQ(status("g").st_ino, h);
	EQ(status("h").st_ino, g);
	TRUE(!strcmp(content("g"), "h"));
	OK(renameat2_("g", "e", RENAME_EXCHANGE));
	EQ(status("g").st_ino, e);
	TRUE(!strcmp(content("g/x"), "x"));
	TRUE(!strcmp(content("e"), "h"));
	FAILS(ENOENT, renameat2_("nothing", "e", RENAME_EXCHANGE));
	OK(renameat2_("e", "w", RENAME_WHITEOUT));
	EQ(status("e").st_mode & S_IFMT, S_IFCHR);
	EQ(status("e").st_rdev, 0);
}

static void deep_rename(void)
{
	char path[600] = "r";

	OK(mkdir("r", 0755));
	for (int i = 0; i < 50; i++) {
		strcat(path, "/directory");
		OK(mkdir(path, 0755));
	}
	strcat(path, "/f");
	int fd = make(path, "deep");
	OK(rename("r", "s"));
	path[0] = 's';
	TRUE(!strcmp(content(path), "deep"));
	EQ(pwrite(fd, "D", 1, 0), 1);
	TRUE(!strcmp(content(path), "Deep"));
	close(fd);
}

static void deeper_than_path_max(void)
{
	char name[256];
	struct stat st;
	int root = OK(open(".", O_RDONLY));

	memset(name, 'n', 255);
	name[255] = '\0';
	for (int i = 0; i < 40; i++) {
		OK(mkdir(name, 0755));
		OK(chdir(name));
	}
	make_closed("bottom", "here");
	TRUE(!strcmp(content("bottom"), "here"));
	OK(chmod("bottom", 0600));
	EQ(status("bottom").st_mode & 0777, 0600);
	OK(unlink("bottom"));
	for (int i = 0; i < 40; i++) {
		OK(chdir(".."));
		OK(stat(name, &st));
		OK(rmdir(name));
	}
	OK(fchdir(root));
	close(root);
}

static void long_and_odd_names(void)
{
	char name[300], target[5000], got[5000];

	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	FAILS(ENAMETOOLONG, open(name, O_CREAT | O_RDWR, 0600));
	FAILS(ENAMETOOLONG, open(name, O_RDONLY));
	name[255] = '\0';
	make_closed(name, "x");
	OK(unlink(name));
	for (int c = 1; c < 256; c++) {
		if (c == '/' || c == '.')
			continue;
		name[0] = c;
		name[1] = '\0';
		make_closed(name, "");
	}
	int seen = 0;
	DIR *dir = opendir(".");
	while (readdir(dir))
		seen++;
	closedir(dir);
	EQ(seen, 253 + 2);
	memset(target, 't', sizeof(target));
	target[4095] = '\0';
	OK(symlink(target, "long"));
	EQ(readlink("long", got, sizeof(got)), 4095);
	EQ(memcmp(target, got, 4095), 0);
	EQ(status("long").st_size, 4095);
	EQ(readlink("long", got, 10), 10);
	target[4095] = 't';
	target[4096] = '\0';
	FAILS(ENAMETOOLONG, symlink(target, "longer"));
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

static void times(void)
{
	struct timespec set[2] = { { 123456789, 123456789 }, { 987654321, 987654321 } };
	struct stat st, dir, before;

	make_closed("f", "x");
	OK(utimensat(AT_FDCWD, "f", set, 0));
	st = status("f");
	EQ(st.st_atim.tv_nsec, 123456789);
	EQ(st.st_mtim.tv_sec, 987654321);
	EQ(st.st_mtim.tv_nsec, 987654321);
	set[0].tv_nsec = UTIME_OMIT;
	set[1] = (struct timespec) { -5, 7 };
	OK(utimensat(AT_FDCWD, "f", set, 0));
	EQ(status("f").st_atim.tv_nsec, 123456789);
	EQ(status("f").st_mtim.tv_sec, -5);
	OK(symlink("f", "l"));
	set[1].tv_sec = 77;
	OK(utimensat(AT_FDCWD, "l", set, AT_SYMLINK_NOFOLLOW));
	EQ(status("l").st_mtim.tv_sec, 77);
	EQ(status("f").st_mtim.tv_sec, -5);

	before = status("f");
	tick();
	OK(chmod("f", 0600));
	st = status("f");
	TRUE(newer(st.st_ctim, before.st_ctim));
	EQ(st.st_mtim.tv_sec, -5);
	tick();
	dir = status(".");
	before = status("f");
	make_closed("f", "yy");
	st = status("f");
	TRUE(newer(st.st_mtim, before.st_mtim));
	TRUE(newer(st.st_ctim, before.st_ctim));
	EQ(status(".").st_mtim.tv_nsec, dir.st_mtim.tv_nsec);
	tick();
	dir = status(".");
	tick();
	make_closed("new", "");
	TRUE(newer(status(".").st_mtim, dir.st_mtim));
	before = status("f");
	tick();
	OK(link("f", "f2"));
	TRUE(newer(status("f").st_ctim, before.st_ctim));
	before = status("f");
	tick();
	OK(rename("f", "f3"));
	TRUE(newer(status("f3").st_ctim, before.st_ctim));
	before = status("f3");
	tick();
	int fd = OK(open("f3", O_RDWR));
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	map[0] = 'm';
	munmap(map, 4096);
	close(fd);
	TRUE(newer(status("f3").st_mtim, before.st_mtim));
}

static void times_hold_still(void)
{
	struct stat open_, closed, later;
	int fd = make("f", "x");

	OK(fstat(fd, &open_));
	close(fd);
	closed = status("f");
	EQ(closed.st_mtim.tv_nsec, open_.st_mtim.tv_nsec);
	EQ(closed.st_ctim.tv_nsec, open_.st_ctim.tv_nsec);
	sync();
	fd = OK(open("/proc/sys/vm/drop_caches", O_WRONLY));
	EQ(write(fd, "3", 1), 1);
	close(fd);
	later = status("f");
	EQ(later.st_mtim.tv_nsec, closed.st_mtim.tv_nsec);
	EQ(later.st_ctim.tv_nsec, closed.st_ctim.tv_nsec);
	EQ(later.st_ino, closed.st_ino);
	TRUE(!strcmp(content("f"), "x"));
}

static void locks(void)
{
	int a = make("f", ""), b = OK(open("f", O_RDWR));
	struct flock lock = { .l_type = F_WRLCK, .l_start = 10, .l_len = 5 };

	OK(flock(a, LOCK_EX));
	FAILS(EWOULDBLOCK, flock(b, LOCK_EX | LOCK_NB));
	OK(flock(a, LOCK_UN));
	OK(flock(b, LOCK_SH | LOCK_NB));
	OK(flock(b, LOCK_UN));
	OK(fcntl(a, F_OFD_SETLK, &lock));
	FAILS(EAGAIN, fcntl(b, F_OFD_SETLK, &lock));
	close(a);
	OK(fcntl(b, F_OFD_SETLK, &lock));
	close(b);
	a = OK(open("f", O_RDWR));
	OK(fcntl(a, F_SETLK, &lock));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		FAILS(EAGAIN, fcntl(a, F_SETLK, &lock));
		_exit(failures);
	}
	int st;
	waitpid(pid, &st, 0);
	failures += WEXITSTATUS(st);
	close(a);
}

static void notification(void)
{
	char buf[4096] __attribute__((aligned(8)));
	int fd = OK(inotify_init1(IN_NONBLOCK));
	unsigned seen = 0;

	OK(inotify_add_watch(fd, ".", IN_ALL_EVENTS));
	make_closed("f", "x");
	OK(rename("f", "g"));
	OK(chmod("g", 0600));
	OK(unlink("g"));
	ssize_t n = OK(read(fd, buf, sizeof(buf)));
	for (ssize_t at = 0; at < n; at += sizeof(struct inotify_event) + ((struct inotify_event *)(buf + at))->len)
		seen |= ((struct inotify_event *)(buf + at))->mask;
	EQ(seen & (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE),
	   IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE);
	close(fd);
}

static void directories(void)
{
	char name[32];
	int seen = 0, again = 0;
	struct dirent *entry;
	static char found[2000];

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		make_closed(name, "");
	}
	DIR *dir = opendir(".");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		EQ(entry->d_type, DT_REG);
		int i = atoi(entry->d_name + 4);
		EQ(found[i]++, 0);
		if (!seen)
			EQ(entry->d_ino, status(entry->d_name).st_ino);
		seen++;
	}
	EQ(seen, 2000);
	make_closed("late", "");
	rewinddir(dir);
	while (readdir(dir))
		again++;
	EQ(again, 2003);
	rewinddir(dir);
	readdir(dir);
	readdir(dir);
	readdir(dir);
	long pos = telldir(dir);
	snprintf(name, sizeof(name), "%s", readdir(dir)->d_name);
	for (int i = 0; i < 1000; i++)
		readdir(dir);
	seekdir(dir, pos);
	TRUE(!strcmp(readdir(dir)->d_name, name));
	/* Removing while reading skips nothing. */
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			OK(unlink(entry->d_name));
	closedir(dir);
	OK(chdir(".."));
	OK(rmdir("d"));
	/* Renaming while reading ends. */
	OK(mkdir("e", 0755));
	OK(chdir("e"));
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make_closed(name, "");
	}
	dir = opendir(".");
	for (seen = 0; (entry = readdir(dir)) && seen < 5000; seen++) {
		char to[300];

		if (entry->d_name[0] == '.' || entry->d_name[0] == 'r')
			continue;
		snprintf(to, sizeof(to), "r%s", entry->d_name);
		OK(rename(entry->d_name, to));
	}
	TRUE(seen < 2000);
	closedir(dir);
	OK(chdir(".."));
	FAILS(ENOTEMPTY, rmdir("e"));
}

static void nodes(void)
{
	struct stat st;
	int fd;

	OK(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	OK(chmod("null", 0666));
	OK(mknod("disk", S_IFBLK | 0640, makedev(7, 100)));
	st = status("null");
	EQ(st.st_mode, S_IFCHR | 0666);
	EQ(st.st_rdev, makedev(1, 3));
	EQ(status("disk").st_mode, S_IFBLK | 0640);
	EQ(status("disk").st_rdev, makedev(7, 100));
	fd = OK(open("null", O_RDWR));
	EQ(write(fd, "x", 1), 1);
	char c;
	EQ(read(fd, &c, 1), 0);
	close(fd);
	OK(chown("disk", 5, 6));
	OK(chmod("disk", 0600));
	OK(rename("disk", "disk2"));
	OK(link("disk2", "disk3"));
	fd = OK(open("/proc/sys/vm/drop_caches", O_WRONLY));
	EQ(write(fd, "3", 1), 1);
	close(fd);
	EQ(status("disk3").st_mode, S_IFBLK | 0600);
	EQ(status("disk3").st_uid, 5);
	EQ(status("disk3").st_nlink, 2);
	EQ(status("null").st_rdev, makedev(1, 3));
	DIR *dir = opendir(".");
	struct dirent *entry;
	while ((entry = readdir(dir)))
		if (!strcmp(entry->d_name, "null"))
			TRUE(entry->d_type == DT_CHR || entry->d_type == DT_UNKNOWN);
	closedir(dir);
	FAILS(ENODATA, getxattr("null", "user.hostfs.node", &c, 1));
	OK(mkfifo("fifo", 0644));
	fd = OK(open("fifo", O_RDWR));
	EQ(write(fd, "p", 1), 1);
	EQ(read(fd, &c, 1), 1);
	EQ(c, 'p');
	close(fd);
	make_closed("sticky", "");
	OK(chmod("sticky", 01644));
	EQ(status("sticky").st_mode, S_IFREG | 01644);
	EQ(access("sticky", R_OK), 0);
}

static void sockets(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "s" };
	int a = OK(socket(AF_UNIX, SOCK_STREAM, 0)), b = OK(socket(AF_UNIX, SOCK_STREAM, 0));

	OK(bind(a, (void *)&address, sizeof(address)));
	OK(listen(a, 1));
	OK(connect(b, (void *)&address, sizeof(address)));
	OK(rename("s", "t"));
	strcpy(address.sun_path, "t");
	close(b);
	b = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(connect(b, (void *)&address, sizeof(address)));
	OK(unlink("t"));
	close(a);
	close(b);
}

static void attributes(void)
{
	char buf[256];
	const unsigned char caps[20] = { 1, 0, 0, 2, 0, 4 };

	make_closed("f", "");
	OK(mkdir("d", 0755));
	OK(setxattr("f", "user.one", "1", 1, XATTR_CREATE));
	FAILS(EEXIST, setxattr("f", "user.one", "2", 1, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.two", "2", 1, XATTR_REPLACE));
	EQ(getxattr("f", "user.one", buf, 256), 1);
	OK(setxattr("f", "user.empty", "", 0, 0));
	EQ(getxattr("f", "user.empty", buf, 256), 0);
	OK(setxattr("f", "trusted.t", "tt", 2, 0));
	EQ(getxattr("f", "trusted.t", buf, 256), 2);
	OK(setxattr("d", "trusted.overlay.opaque", "y", 1, 0));
	EQ(getxattr("d", "trusted.overlay.opaque", buf, 256), 1);
	OK(setxattr("f", "security.capability", caps, 20, 0));
	EQ(getxattr("f", "security.capability", buf, 256), 20);
	ssize_t n = OK(listxattr("f", buf, 256));
	int names = 0, odd = 0;
	for (char *name = buf; name < buf + n; name += strlen(name) + 1) {
		names++;
		odd += strstr(name, "hostfs") != NULL;
	}
	EQ(names, 4);
	EQ(odd, 0);
	EQ(listxattr("f", NULL, 0), n);
	FAILS(ERANGE, listxattr("f", buf, 3));
	AS(1000, 1000, {
		FAILS(ENODATA, getxattr("f", "trusted.t", buf, 256));
		FAILS(EACCES, setxattr("f", "user.x", "1", 1, 0));
		FAILS(EPERM, setxattr("f", "trusted.x", "1", 1, 0));
	});
	/* Writing takes the capabilities away. */
	int fd = OK(open("f", O_WRONLY));
	EQ(write(fd, "x", 1), 1);
	close(fd);
	FAILS(ENODATA, getxattr("f", "security.capability", buf, 256));
	OK(setxattr("f", "security.capability", caps, 20, 0));
	OK(chown("f", 1, 1));
	FAILS(ENODATA, getxattr("f", "security.capability", buf, 256));
	OK(removexattr("f", "user.one"));
	FAILS(ENODATA, removexattr("f", "user.one"));
	FAILS(ENODATA, getxattr("f", "user.hostfs.trusted.t", buf, 256));
	FAILS(EPERM, setxattr("f", "user.hostfs.node", "c 1:1", 5, 0));
	OK(symlink("f", "l"));
	FAILS(EPERM, lsetxattr("l", "user.x", "1", 1, 0));
}

/* u::rw-, u:1000:rw-, g::r--, m::rw-, o::--- as the xattr has it. */
static const unsigned char acl[] = {
	2, 0, 0, 0,
	1, 0, 6, 0, 255, 255, 255, 255,
	2, 0, 6, 0, 0xe8, 3, 0, 0,
	4, 0, 4, 0, 255, 255, 255, 255,
	16, 0, 6, 0, 255, 255, 255, 255,
	32, 0, 0, 0, 255, 255, 255, 255,
};

static void access_lists(void)
{
	unsigned char got[256];

	make_closed("f", "secret");
	OK(setxattr("f", "system.posix_acl_access", acl, sizeof(acl), 0));
	EQ(status("f").st_mode & 0777, 0660);
	AS(1000, 1000, OK(open("f", O_RDWR)));
	AS(1001, 1001, FAILS(EACCES, open("f", O_RDONLY)));
	EQ(getxattr("f", "system.posix_acl_access", got, 256), sizeof(acl));
	OK(chmod("f", 0640));
	AS(1000, 1000, {
		FAILS(EACCES, open("f", O_RDWR));
		OK(open("f", O_RDONLY));
	});
	OK(mkdir("d", 0755));
	OK(setxattr("d", "system.posix_acl_default", acl, sizeof(acl), 0));
	umask(077);
	close(OK(open("d/g", O_CREAT | O_RDWR, 0666)));
	OK(mkdir("d/sub", 0777));
	umask(022);
	EQ(status("d/g").st_mode & 0777, 0660);
	EQ(getxattr("d/g", "system.posix_acl_access", got, 256), sizeof(acl));
	EQ(getxattr("d/sub", "system.posix_acl_default", got, 256), sizeof(acl));
	OK(removexattr("f", "system.posix_acl_access"));
	FAILS(ENODATA, getxattr("f", "system.posix_acl_access", got, 256));
}

static void file_system(void)
{
	struct statvfs st;

	OK(statvfs(".", &st));
	TRUE(st.f_blocks > 0 && st.f_bfree <= st.f_blocks && st.f_bsize >= 512);
	EQ(st.f_namemax, 255);
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
	char path[PATH_MAX], c;
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
	(void)c;
}

static const struct test tests[] = {
	{ "owner_of_new", owner_of_new },
	{ "setgid_directory", setgid_directory },
	{ "sticky_directory", sticky_directory },
	{ "set_id_bits", set_id_bits },
	{ "chown_rules", chown_rules },
	{ "link_counts", link_counts },
	{ "names_go_and_come", names_go_and_come },
	{ "unlinked_but_open", unlinked_but_open },
	{ "unlinked_place", unlinked_place },
	{ "removed_directory", removed_directory },
	{ "rename_over_open", rename_over_open },
	{ "rename_rules", rename_rules },
	{ "deep_rename", deep_rename },
	{ "deeper_than_path_max", deeper_than_path_max },
	{ "long_and_odd_names", long_and_odd_names },
	{ "open_flags", open_flags },
	{ "tmpfile", tmpfile_ },
	{ "sparse", sparse },
	{ "truncation", truncation },
	{ "shared_mapping", shared_mapping },
	{ "write_from_own_mapping", write_from_own_mapping },
	{ "times", times },
	{ "times_hold_still", times_hold_still },
	{ "locks", locks },
	{ "notification", notification },
	{ "directories", directories },
	{ "nodes", nodes },
	{ "sockets", sockets },
	{ "attributes", attributes },
	{ "access_lists", access_lists },
	{ "file_system", file_system },
	{ "copying", copying },
	{ "many_open", many_open },
	{ "run_program", run_program },
};

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 2 && !strcmp(argv[1], "--uid"))
		return geteuid() & 255;
	if (argc < 2 || chdir(argv[1]))
		return 2;
	int home = open(".", O_RDONLY);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (argc > 2 && strcmp(argv[2], tests[i].name))
			continue;
		umask(022);
		failures = 0;
		OK(fchdir(home));
		OK(mkdir(tests[i].name, 0755));
		OK(chdir(tests[i].name));
		tests[i].run();
		printf("%s %s\n", failures ? "FAILED" : "ok    ", tests[i].name);
		failed += failures > 0;
	}
	printf("%d failed\n", failed);
	return failed > 0;
}
