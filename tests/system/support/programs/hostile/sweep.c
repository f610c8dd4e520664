/* Every system call and many ioctls by number. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"

static sigjmp_buf no_interface;

static void no_interrupt(int number)
{
	siglongjmp(no_interface, number);
}

/* Every number that the allowlist lacks, of every interface of the processor; what is listed was never called. */
void sweep(char *allowed)
{
	static char skip[1024];
	volatile long made = 0;

	for (char *word = strtok(allowed, ","); word; word = strtok(NULL, ","))
		skip[atoi(word)] = 1;
	/* Linux asks no filter about uretprobe and uprobe (335, 336), which are of use to its own probes alone. */
	signal(SIGILL, no_interrupt);
	for (volatile long number = 0; number < 1024; number++) {
		if (skip[number])
			continue;
		made++;
		errno = 0;
		if (sigsetjmp(no_interface, 1)) {
			if (number != 335 && number != 336)
				printf("call %ld ended by a signal\n", number);
			continue;
		}
		if (syscall(number, 0, 0, 0, 0, 0, 0) != -1 ||
		    !(errno == EPERM || (number == SYS_clone3 && errno == ENOSYS) || (number == 336 && errno == ENXIO)))
			printf("call %ld %s\n", number, strerror(errno));
	}
	for (long number = 0; number < 1024; number++) {
		made++;
		if (syscall(number | 0x40000000, 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
			printf("x32 %ld %s\n", number, strerror(errno));
	}
	signal(SIGSEGV, no_interrupt); /* on a host without 32-bit programs the interrupt itself is one too many */
	for (volatile long number = 0; number < 1024; number++) {
		long result = number;

		made++;
		if (sigsetjmp(no_interface, 1))
			continue;
		asm volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
		if (result != -EPERM)
			printf("i386 %ld %ld\n", number, result);
	}
	printf("made %ld\n", made);
	for (unsigned long number = 0; number < 1 << 16; number++)
		for (unsigned long size = 0; size < 4; size++) {
			unsigned long whole = number | (size == 1 ? 0x40040000 : size == 2 ? 0x80040000 : size == 3 ? 0xc0080000 : 0);

			if (ioctl(0, whole, 0) == 0 || errno != EPERM)
				printf("ioctl %#lx\n", whole);
		}
}
