/* Calls that programs have come to expect. */

#include "case.h"
#include <linux/kcmp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

static void compare(const char *name)
{
	int one = open("/dev/null", O_RDONLY), same = dup(one), other = open("/dev/null", O_RDONLY);
	pid_t me = getpid();

	result("kcmp, the same file", "%ld", syscall(SYS_kcmp, me, me, KCMP_FILE, one, same));
	result("kcmp, another", "%s", syscall(SYS_kcmp, me, me, KCMP_FILE, one, other) > 0 ? "differs" : "same");
	result("kcmp, memory", "%ld", syscall(SYS_kcmp, me, me, KCMP_VM, 0, 0));
	result("kcmp, a parent's memory", "%s", syscall(SYS_kcmp, me, getppid(), KCMP_VM, 0, 0) > 0 ? "differs" : "same");
}

#define PAGES 4

static void *serve(void *fd)
{
	static char content[4096] __attribute__((aligned(4096)));
	struct uffd_msg message;
	int faults = *(int *)fd;

	for (int i = 0; i < PAGES; i++) {
		struct pollfd poll_for = { .fd = faults, .events = POLLIN };
		struct uffdio_copy copy = { .src = (long)content, .len = 4096 };

		poll(&poll_for, 1, 10000);
		if (read(faults, &message, sizeof(message)) != sizeof(message) || message.event != UFFD_EVENT_PAGEFAULT)
			exit(1);
		memset(content, 'a' + i, sizeof(content));
		copy.dst = message.arg.pagefault.address & -4096L;
		if (ioctl(faults, UFFDIO_COPY, &copy))
			exit(2);
	}
	return NULL;
}

static void fault(const char *name)
{
	int faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .range.len = PAGES * 4096, .mode = UFFDIO_REGISTER_MODE_MISSING };
	char text[PAGES + 1] = "", *at;
	pthread_t server;
	int file = open("/dev/zero", O_RDONLY);

	at = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area.range.start = (long)at;
	result("userfaultfd", "%s", faults < 0 ? strerrorname_np(errno) : ioctl(faults, UFFDIO_API, &api) ||
	       ioctl(faults, UFFDIO_REGISTER, &area) ? "not for this" : "there");
	pthread_create(&server, NULL, serve, &faults);
	text[0] = at[0];
	at[4096] = 'x';					/* a write */
	text[1] = at[4097];
	if (read(file, at + 3 * 4096, 10) != 10)	/* the kernel's own */
		exit(3);
	text[3] = at[3 * 4096 + 10];
	text[2] = at[2 * 4096];
	pthread_join(server, NULL);
	result(name, "%s", text);
}

int main(void)
{
	apart("compare", compare);
	apart("faults that a program serves", fault);
	return 0;
}
