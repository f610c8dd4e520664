/* The initramfs' only program: mounts the trees that gaoler gave, by name, and goes on in them.
 *
 * A hostfs tree is named on the kernel's command line (hostfs_tree=); GAOL_HOME, when it is there, is where the
 * owner's home belongs. Whatever fails here would leave a machine without its root or its owner's home: then it
 * says so on the console and ends, and the host sees the end.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static void give_up(const char *what, const char *where)
{
	dprintf(2, "init: %s %s: %s; powering off\n", what, where, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* Makes a mount point and the directories above it as root's, 0755. */
static void make_place(const char *place)
{
	char part[4096];
	size_t length = strlen(place);

	if (length >= sizeof part) {
		errno = ENAMETOOLONG;
		give_up("directory", place);
	}
	for (size_t i = 1; i <= length; i++) {
		if (place[i] != '/' && place[i] != '\0')
			continue;
		memcpy(part, place, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			give_up("directory", part);
	}
}

static void mount_on(const char *source, const char *place, const char *type, unsigned long flags, const char *options)
{
	if (mount(source, place, type, flags, options) == 0)
		return;
	if (errno == ENOENT) {
		make_place(place);
		if (mount(source, place, type, flags, options) == 0)
			return;
	}
	give_up(source, place);
}

int main(void)
{
	static char *const arguments[] = { "/uml/bin/startenv", NULL };
	static char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const char *home = getenv("GAOL_HOME");

	mount_on("root", "/root", "hostfs", 0, NULL);
	/* Into the tree before the rest: its symbolic links (/home -> /srv/home) mean what they mean there. */
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		give_up("change to the root of", "the machine");
	/* As systemd leaves it, and as containers expect it: what is mounted later is seen in their mount namespaces, too. */
	if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) < 0)
		give_up("share mounts of", "the machine");
	mount_on("uml", "/uml", "hostfs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL);
	mount_on("tmpfs", "/run", "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755,size=25%");
	mount_on("config", "/run/gaoler", "hostfs", MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL);
	if (home && *home == '/')
		mount_on("home", home, "hostfs", MS_NODEV | MS_NOSUID, NULL);

	execve(arguments[0], arguments, environment);
	give_up("execute", arguments[0]);
}
