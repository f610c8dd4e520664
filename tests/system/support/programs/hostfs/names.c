/* Names: made, linked, removed, renamed, read; long, deep and odd ones. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include "posix.h"

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

const struct test names[] = {
	{ "link_counts", link_counts },
	{ "names_go_and_come", names_go_and_come },
	{ "removed_directory", removed_directory },
	{ "rename_over_open", rename_over_open },
	{ "rename_rules", rename_rules },
	{ "deep_rename", deep_rename },
	{ "deeper_than_path_max", deeper_than_path_max },
	{ "long_and_odd_names", long_and_odd_names },
	{ "directories", directories },
	{}
};
