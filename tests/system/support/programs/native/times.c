/* Whose time it was: the process's or the system's, as getrusage(), times(), /proc and control groups have it. */

#include "case.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <time.h>

#define LONG 0.5	/* s; a tick is 10 ms at most */

static double spent(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void compute(clockid_t clock)
{
	double end = spent(clock) + LONG;
	volatile unsigned int x = 1;

	while (spent(clock) < end)
		for (int i = 0; i < 1000000; i++)
			x = x * 1664525 + 1013904223;
}

/* In few calls, so that how soon a busy host lets the two processes of a machine take turns is no matter */
static void ask_the_system(clockid_t clock)
{
	double end = spent(clock) + LONG;
	static char buffer[1 << 20];
	static struct iovec pieces[512];
	int zero = open("/dev/zero", O_RDONLY);

	for (int i = 0; i < 512; i++)
		pieces[i] = (struct iovec){ buffer, sizeof(buffer) };
	while (spent(clock) < end)
		if (readv(zero, pieces, 512) < 0)
			break;
	close(zero);
}

static const char *share(double user, double system)
{
	double all = user + system;

	return all < LONG * 0.2 ? "too little" : user > all * 0.8 ? "the user's" : system > all * 0.8 ? "the system's" : "both";
}

static const char *of(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return share(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6, usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6);
}

static void tell(const char *name)
{
	double tick = sysconf(_SC_CLK_TCK);
	unsigned long user, system;
	char text[1024];
	struct tms tms;
	FILE *stat;

	times(&tms);
	result(name, "getrusage %s, times %s", of(RUSAGE_SELF), share(tms.tms_utime / tick, tms.tms_stime / tick));
	stat = fopen("/proc/self/stat", "r");
	if (fgets(text, sizeof(text), stat) &&
	    sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2) {
		snprintf(text, sizeof(text), "%s, /proc/PID/stat", name);
		result(text, "%s", share(user / tick, system / tick));
	}
	fclose(stat);
}

static void computing(const char *name)
{
	compute(CLOCK_PROCESS_CPUTIME_ID);
	tell(name);
}

static void asking(const char *name)
{
	ask_the_system(CLOCK_PROCESS_CPUTIME_ID);
	tell(name);
}

static void *thread(void *what)
{
	((void (*)(clockid_t))what)(CLOCK_THREAD_CPUTIME_ID);
	result(what == compute ? "a thread that computes" : "a thread that asks", "%s", of(RUSAGE_THREAD));
	return NULL;
}

static void threads(const char *name)
{
	pthread_t one, two;

	pthread_create(&one, NULL, thread, compute);
	pthread_join(one, NULL);
	pthread_create(&two, NULL, thread, ask_the_system);
	pthread_join(two, NULL);
	result(name, "%s", of(RUSAGE_SELF));
}

static void children(const char *name)
{
	int status;

	if (!fork()) {
		ask_the_system(CLOCK_PROCESS_CPUTIME_ID);
		_exit(0);
	}
	wait(&status);
	result(name, "%s", of(RUSAGE_CHILDREN));
}

/* Only where nobody else is: init of a machine is our parent */
static double field(const char *path, const char *name)
{
	char line[256];
	double found = 0, value;
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && sscanf(line + strlen(name), "%lf", &value) == 1)
			found = value / 1e6;
	if (file)
		fclose(file);
	return found;
}

static void all_of_them(double *user, double *system)
{
	double nice, tick = sysconf(_SC_CLK_TCK);
	FILE *file = fopen("/proc/stat", "r");

	if (fscanf(file, "cpu %lf %lf %lf", user, &nice, system) != 3)
		exit(1);
	fclose(file);
	*user /= tick;
	*system /= tick;
}

static void machine(const char *name, void (*what)(clockid_t))
{
	double user, system, user_after, system_after;
	const char *group = "/sys/fs/cgroup/times", *cpu = "/sys/fs/cgroup/times/cpu.stat";
	char text[64];
	int file;

	mkdir(group, 0755);
	file = open("/sys/fs/cgroup/times/cgroup.procs", O_WRONLY);
	if (write(file, "0", 1) != 1)
		exit(1);
	close(file);
	all_of_them(&user, &system);
	what(CLOCK_PROCESS_CPUTIME_ID);
	all_of_them(&user_after, &system_after);
	snprintf(text, sizeof(text), "%s, /proc/stat", name);
	result(text, "%s", share(user_after - user, system_after - system));
	snprintf(text, sizeof(text), "%s, control group", name);
	result(text, "%s", share(field(cpu, "user_usec"), field(cpu, "system_usec")));
	file = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	if (write(file, "0", 1) != 1)
		exit(1);
	close(file);
	rmdir(group);
}

int main(void)
{
	if (getppid() == 1) {
		machine("computing", compute);
		machine("asking the system", ask_the_system);
	}
	apart("computing", computing);
	apart("asking the system", asking);
	apart("threads", threads);
	apart("a child's", children);
	return 0;
}
