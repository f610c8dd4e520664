/*
 * init of a machine in test_kernel_clock.py: reads the clocks by way of the vDSO, as musl's clock_gettime() does, and by
 * system call, and says what of what kernel/patches promise of them holds.
 */

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const clockid_t clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
};
#define CLOCKS (sizeof(clocks) / sizeof(*clocks))

static void check(const char *what, int right)
{
	printf("check %s %s\n", what, right ? "ok" : "failed");
	fflush(stdout);
}

static int64_t ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000LL + ts->tv_nsec;
}

static int64_t by_vdso(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) ? -1 : ns(&ts);
}

static int64_t by_call(clockid_t clock)
{
	struct timespec ts;

	return syscall(SYS_clock_gettime, clock, &ts) ? -1 : ns(&ts);
}

/* In a child, whose exit status says whether it is so. */
static int child(int (*so)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(!so());
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Whatever asks the kernel for the time is refused from here on. */
static void refuse_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettimeofday, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_getres, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(2);
}

static int without_calls(void)
{
	refuse_calls();
	for (size_t i = 0; i < CLOCKS; i++)
		if (by_call(clocks[i]) != -1 || by_vdso(clocks[i]) == -1)
			return 0;
	return 1;
}

/* From the first tick on that comes after the first program began. */
static int soon_without_calls(void)
{
	int64_t end = by_call(CLOCK_MONOTONIC) + 2000000000LL;

	while (by_call(CLOCK_MONOTONIC) < end)
		if (child(without_calls))
			return 1;
	return 0;
}

static int never_back(void)
{
	for (size_t i = 0; i < CLOCKS; i++) {
		int64_t last = 0;

		for (int n = 0; n < 5000; n++) {
			int64_t now = n % 8 ? by_vdso(clocks[i]) : by_call(clocks[i]);

			if (now < last) {
				printf("clock %d: %lld after %lld\n", clocks[i], (long long)now, (long long)last);
				return 0;
			}
			last = now;
		}
	}
	return 1;
}

static int set_is_seen(void)
{
	struct timespec ahead;
	int64_t before = by_vdso(CLOCK_REALTIME), mono = by_vdso(CLOCK_MONOTONIC), now;
	struct timeval tv;

	clock_gettime(CLOCK_REALTIME, &ahead);
	ahead.tv_sec += 100000;
	if (clock_settime(CLOCK_REALTIME, &ahead))
		return 0;
	now = by_vdso(CLOCK_REALTIME);
	if (now - before < 100000LL * 1000000000 || now - before > 100060LL * 1000000000)
		return 0;
	if (by_vdso(CLOCK_MONOTONIC) - mono > 60000000000LL)
		return 0;
	gettimeofday(&tv, NULL);
	return tv.tv_sec >= ahead.tv_sec && tv.tv_sec < ahead.tv_sec + 60 && time(NULL) >= ahead.tv_sec &&
	       time(NULL) < ahead.tv_sec + 60;
}

static int in_many_processes(void)
{
	for (int i = 0; i < 40; i++)
		if (!child(without_calls))
			return 0;
	return 1;
}

static int64_t offset_mono;

static int shifted(void)
{
	int64_t here = by_vdso(CLOCK_MONOTONIC);

	return here - offset_mono > 500000LL * 1000000000 && by_call(CLOCK_MONOTONIC) >= here &&
	       by_vdso(CLOCK_MONOTONIC) >= here && never_back();
}

static int in_a_time_namespace(int (*so)(void))
{
	static const char offsets[] = "monotonic 500000 0\nboottime 700000 0\n";
	int fd;

	offset_mono = by_vdso(CLOCK_MONOTONIC);
	if (unshare(CLONE_NEWTIME))
		return 0;
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0 || write(fd, offsets, strlen(offsets)) != (ssize_t)strlen(offsets))
		return 0;
	close(fd);
	return child(so);
}

static int shifted_there(void)
{
	return in_a_time_namespace(shifted);
}

static int without_calls_there(void)
{
	return in_a_time_namespace(without_calls);
}

static volatile int64_t told_last, told;
static volatile int went_back;

static void told_by_signal(int signal)
{
	int64_t now = by_vdso(CLOCK_MONOTONIC);

	(void)signal;
	if (now < told_last)
		went_back = 1;
	told_last = now;
	told++;
}

static int among_signals(void)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	int64_t last = 0;

	signal(SIGALRM, told_by_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	while (told < 20) {
		int64_t now = by_vdso(CLOCK_MONOTONIC);

		if (now < last)
			went_back = 1;
		last = now;
	}
	return !went_back;
}

/* A function of the vDSO; musl itself takes clock_gettime() alone from there. It is prelinked to where it is not. */
static void *vdso(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR), *names = NULL;
	const Elf64_Ehdr *head = (const void *)base;
	const Elf64_Phdr *part = (const void *)(base + head->e_phoff);
	const Elf64_Sym *symbols = NULL;
	const Elf64_Word *hash = NULL;
	const Elf64_Dyn *entry = NULL;
	intptr_t moved = 0;

	for (int i = 0; i < head->e_phnum; i++) {
		if (part[i].p_type == PT_LOAD)
			moved = (intptr_t)base + part[i].p_offset - part[i].p_vaddr;
		else if (part[i].p_type == PT_DYNAMIC)
			entry = (const void *)(base + part[i].p_offset);
	}
	for (; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_STRTAB)
			names = (const char *)(moved + entry->d_un.d_ptr);
		else if (entry->d_tag == DT_SYMTAB)
			symbols = (const void *)(moved + entry->d_un.d_ptr);
		else if (entry->d_tag == DT_HASH)
			hash = (const void *)(moved + entry->d_un.d_ptr);
	}
	for (Elf64_Word i = 0; i < hash[1]; i++)
		if (!strcmp(names + symbols[i].st_name, name))
			return (void *)(moved + symbols[i].st_value);
	return NULL;
}

static int resolution(void)
{
	int (*getres)(clockid_t clock, struct timespec *ts) = vdso("__vdso_clock_getres");
	struct timespec told, call;

	for (size_t i = 0; i < CLOCKS; i++)
		if (!getres || getres(clocks[i], &told) || syscall(SYS_clock_getres, clocks[i], &call) || ns(&told) != ns(&call))
			return 0;
	return 1;
}

/* As the kernel's own: each between two looks at that. */
static int in_seconds(void)
{
	int (*timeofday)(struct timeval *tv, void *tz) = vdso("__vdso_gettimeofday");
	time_t (*seconds)(time_t *t) = vdso("__vdso_time");
	struct timeval before, now, after;
	time_t first, told, last;

	if (!timeofday || !seconds)
		return 0;
	for (int i = 0; i < 1000; i++) {
		syscall(SYS_gettimeofday, &before, NULL);
		timeofday(&now, NULL);
		syscall(SYS_gettimeofday, &after, NULL);
		first = syscall(SYS_time, NULL);
		told = seconds(NULL);
		last = syscall(SYS_time, NULL);
		if (timercmp(&now, &before, <) || timercmp(&now, &after, >) || told < first || told > last)
			return 0;
	}
	return 1;
}

static int others_without_calls(void)
{
	int (*getres)(clockid_t clock, struct timespec *ts) = vdso("__vdso_clock_getres");
	int (*timeofday)(struct timeval *tv, void *tz) = vdso("__vdso_gettimeofday");
	struct timespec ts;
	struct timeval tv;

	refuse_calls();
	return getres && timeofday && getres(CLOCK_MONOTONIC, &ts) == 0 && timeofday(&tv, NULL) == 0;
}

/* Four pages of data come before the vDSO; they begin with where the host's clock_gettime() is. */
typedef int host_clock(clockid_t clock, struct timespec *ts);

static host_clock *hosts(void)
{
	return *(host_clock **)(getauxval(AT_SYSINFO_EHDR) - 4 * 4096);
}

/* What the host's vDSO can't tell it asks the host for: not this one, and then it is not asked again. */
static int host_is_not_called(void)
{
	struct timespec ts;

	return hosts()(CLOCK_PROCESS_CPUTIME_ID, &ts) == -ENOSYS;
}

static int with_calls_alone(void)
{
	refuse_calls();
	return by_vdso(CLOCK_MONOTONIC) == -1;
}

int main(void)
{
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	check("they begin with the machine", by_call(CLOCK_MONOTONIC) < 30000000000LL && by_call(CLOCK_BOOTTIME) < 30000000000LL);
	check("no call is made", soon_without_calls());
	check("no clock goes back", never_back());
	check("no call is made by many processes", in_many_processes());
	check("no call is made in a time namespace", child(without_calls_there));
	check("a clock that is set", child(set_is_seen));
	check("a time namespace", child(shifted_there));
	check("signals", child(among_signals));
	check("resolution", resolution());
	check("seconds", in_seconds());
	check("no call is made for them", child(others_without_calls));
	check("the host is not called", child(host_is_not_called));
	check("the kernel is asked instead", child(with_calls_alone));
	check("and is right", never_back());
	reboot(RB_POWER_OFF);
}
