/* The TAP that the machine was given. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hostile.h"

void tap(void)
{
	char request[40] = "gtstolen";
	static const struct {
		const char *name;
		unsigned long number;
	} calls[] = {
		{ "TUNSETNOCSUM", 0x400454c8 }, { "TUNSETDEBUG", 0x400454c9 }, { "TUNSETIFF", 0x400454ca },
		{ "TUNSETPERSIST", 0x400454cb }, { "TUNSETOWNER", 0x400454cc }, { "TUNSETLINK", 0x400454cd },
		{ "TUNSETGROUP", 0x400454ce }, { "TUNSETOFFLOAD", 0x400454d0 }, { "TUNSETTXFILTER", 0x400454d1 },
		{ "TUNSETSNDBUF", 0x400454d4 }, { "TUNATTACHFILTER", 0x401054d5 }, { "TUNDETACHFILTER", 0x401054d6 },
		{ "TUNSETVNETHDRSZ", 0x400454d8 }, { "TUNSETQUEUE", 0x400454d9 }, { "TUNSETIFINDEX", 0x400454da },
		{ "TUNSETVNETLE", 0x400454dc }, { "TUNSETSTEERINGEBPF", 0x800454e0 }, { "TUNSETFILTEREBPF", 0x800454e1 },
		{ "TUNSETCARRIER", 0x400454e2 }, { "TUNGETDEVNETNS", 0x54e3 }, { "SIOCSIFHWADDR", 0x8924 },
		{ "SIOCGIFHWADDR", 0x8927 }, { "SIOCGSKNS", 0x894c },
	};
	int again;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		TRY(calls[i].name, ioctl(4, calls[i].number, request), EPERM);
	/* /proc opens the device anew: a TAP of nobody's, to be made into one. */
	again = open("/proc/self/fd/4", O_RDWR);
	if (again >= 0 || errno == EPERM || errno == EACCES)
		TRY("another TAP", again < 0 ? (errno = EPERM, -1) : ioctl(again, 0x400454ca, request), EPERM);
	close(again);
}
