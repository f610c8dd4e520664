/* crun runs this for each machine, inside its user namespace and before its kernel (OCI hook createContainer): from then
 * on nobody makes a user namespace in there. Whatever fails here ends the start.
 *
 * /proc/sys/user shows every process the limits of its own user namespace.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char text[4096];

/* In the host's own namespace this would take user namespaces from everybody. A machine's root is somebody else there. */
static int on_the_host(void)
{
	int map = open("/proc/self/uid_map", O_RDONLY);
	char *outside;

	return read(map, text, sizeof text - 1) <= 0 || strtoul(text, &outside, 10) == strtoul(outside, NULL, 10);
}

int main(void)
{
	int limit;

	/* What crun tells its hooks: it dies of SIGPIPE where one ends before it has told all. */
	while (read(0, text, sizeof text) > 0)
		;
	if (on_the_host())
		return 1;
	limit = open("/proc/sys/user/max_user_namespaces", O_WRONLY);
	return write(limit, "0", 1) != 1;
}
