/* Who is logged in, and step `runlevel`: the record by which Debian's tools know that the machine runs.
 *
 *     runlevel DIGIT
 *
 * invoke-rc.d, which every package with a daemon calls when it is installed, starts nothing where there is no
 * run level. The record is the GNU C library's, whatever library this program is made with: see utmp(5).
 */

#define _GNU_SOURCE
#include "agent.h"
#include "utmp.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PLACE "/run/utmp"

#define HISTORY "/var/log/wtmp"

enum { RUN_LVL = 1, USER = 7, DEAD = 8 };

struct record {
	int16_t type;
	int32_t pid;                  /* of a run level: the digit, and the one before it in the next byte */
	char line[32], id[4], user[32], host[256];
	int16_t exit[2];
	int32_t session, seconds, microseconds, address[4];
	char unused[20];
};

_Static_assert(sizeof(struct record) == 384, "the size that utmp(5) has on 64-bit machines");

static struct record here;            /* of this process's session */
static int is_open;

/* --- the run level ------------------------------------------------------------------------------------------ */

int step_runlevel(int count, char **word)
{
	struct record record = { .type = RUN_LVL, .line = "~", .id = "~~", .user = "runlevel", .seconds = time(NULL) };
	struct group *owners = getgrnam("utmp");
	int fd, status = 0;

	if (count != 1 || strlen(word[0]) != 1)
		return complain(0, "runlevel: wants a digit");
	record.pid = word[0][0] | 'N' << 8;
	fd = open(PLACE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, &record, sizeof record) != sizeof record)
		status = complain(errno, "runlevel: %s", PLACE);
	/* Programs of that group (screen, terminals) list their users there. */
	else if (owners && (fchown(fd, 0, owners->gr_gid) < 0 || fchmod(fd, 0664) < 0))
		status = complain(errno, "runlevel: %s", PLACE);
	close(fd);
	return status;
}

/* --- sessions ------------------------------------------------------------------------------------------------ */

void utmp_open(void)
{
	is_open = 1;
}

/* Over the record of the same terminal, or of one that nobody has any more; wtmp grows where the tree has one. */
static void write_record(void)
{
	static const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(PLACE, O_RDWR | O_CLOEXEC), log = open(HISTORY, O_WRONLY | O_APPEND | O_CLOEXEC);
	struct record other;
	off_t place = 0;

	here.seconds = time(NULL);
	if (fd >= 0 && fcntl(fd, F_SETLKW, &whole) == 0) {
		while (pread(fd, &other, sizeof other, place) == sizeof other) {
			if (other.type == DEAD || (other.type == USER && !strncmp(other.line, here.line, sizeof here.line)))
				break;
			place += sizeof other;
		}
		if (pwrite(fd, &here, sizeof here, place) < 0)
			complain(errno, "relay: %s", PLACE);
	}
	if (log >= 0 && write(log, &here, sizeof here) < 0)
		complain(errno, "relay: %s", HISTORY);
	close(fd);
	close(log);
}

void utmp_login(int number, const char *user, pid_t pid)
{
	char text[16] = "";

	if (!is_open)
		return;
	here = (struct record){ .type = USER, .pid = pid, .host = "gaol" };
	snprintf(here.line, sizeof here.line, "pts/%d", number);
	snprintf(text, sizeof text, "%d", number);
	memcpy(here.id, text, sizeof here.id);
	memcpy(here.user, user, strnlen(user, sizeof here.user));
	write_record();
}

void utmp_logout(void)
{
	if (here.type != USER)
		return;
	here.type = DEAD;
	memset(here.user, 0, sizeof here.user);
	write_record();
}
