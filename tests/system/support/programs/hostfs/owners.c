/* Whose files are, and what others may do with them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include "posix.h"

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

const struct test owners[] = {
	{ "owner_of_new", owner_of_new },
	{ "setgid_directory", setgid_directory },
	{ "sticky_directory", sticky_directory },
	{ "set_id_bits", set_id_bits },
	{ "chown_rules", chown_rules },
	{ "access_lists", access_lists },
	{ "attributes", attributes },
	{}
};
