/* Times, locks, notification, and what is no regular file. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include "posix.h"

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

static void file_system(void)
{
	struct statvfs st;

	OK(statvfs(".", &st));
	TRUE(st.f_blocks > 0 && st.f_bfree <= st.f_blocks && st.f_bsize >= 512);
	EQ(st.f_namemax, 255);
}

const struct test kinds[] = {
	{ "times", times },
	{ "times_hold_still", times_hold_still },
	{ "locks", locks },
	{ "notification", notification },
	{ "nodes", nodes },
	{ "sockets", sockets },
	{ "file_system", file_system },
	{}
};
