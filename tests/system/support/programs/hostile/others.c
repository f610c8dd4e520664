/* Other processes, and the limits of this one. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

void others(void)
{
	char buffer[8];
	struct iovec here = { buffer, 8 }, there = { (void *)0x400000, 8 };
	int found = 0;

	for (int pid = 2; pid < 1 << 16; pid++)
		found += !kill(pid, 0) || errno != ESRCH;
	errno = ESRCH;
	TRY("see a process of the host", found ? 0 : -1, ESRCH);
	TRY("signal the host's first process' parent", kill(getppid() ? getppid() : 2, SIGKILL), ESRCH);
	TRY("signal everybody", kill(-1, SIGKILL), ESRCH); /* all but itself, and there is nobody */
	TRY("trace another", ptrace(PTRACE_ATTACH, 2, 0, 0), ESRCH);
	TRY("read another's memory", process_vm_readv(2, &here, 1, &there, 1, 0), ESRCH);
	TRY("limit another", prlimit(2, RLIMIT_NOFILE, NULL, &(struct rlimit){ 0 }), ESRCH);
	TRY("escape the OOM killer", put("/proc/self/oom_score_adj", "-1000"), EACCES);
	TRY("be nicer to oneself", setpriority(PRIO_PROCESS, 0, -10), EACCES);
	TRY("more descriptors", setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1 << 20, 1 << 20 }), EPERM);
	TRY("core dumps", setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }), EPERM);
	TRY("locked memory", mlock(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 20), ENOMEM);
	TRY("other groups", setgroups(1, &(gid_t){ 0x7ffffffe }), EINVAL);
	TRY("another user", setresuid(0x7ffffffe, -1, -1), EINVAL);
}

void core(void)
{
	pid_t child = fork();
	int status = 0;

	if (!child) {
		prctl(PR_SET_DUMPABLE, 1);
		chdir("/gaol");
		abort();
	}
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
		printf("odd core: no death\n");
		return;
	}
	errno = ENOEXEC;
	TRY("dump core", WCOREDUMP(status) ? 0 : -1, ENOEXEC);
}
