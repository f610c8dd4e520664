/* Step `runlevel`: the record by which Debian's tools know that the machine runs.
 *
 *     runlevel DIGIT
 *
 * invoke-rc.d, which every package with a daemon calls when it is installed, starts nothing where there is no
 * run level. The record is the GNU C library's, whatever library this program is made with: see utmp(5).
 */

#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PLACE "/run/utmp"

enum { RUN_LVL = 1 };

struct record {
	int16_t type;
	int32_t pid;                  /* of a run level: the digit, and the one before it in the next byte */
	char line[32], id[4], user[32], host[256];
	int16_t exit[2];
	int32_t session, seconds, microseconds, address[4];
	char unused[20];
};

_Static_assert(sizeof(struct record) == 384, "the size that utmp(5) has on 64-bit machines");

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
