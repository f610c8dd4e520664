/* int $0x80 from a 64-bit program: the calls of i386, by its numbers, registers and sizes. Below 4 GiB: not position-independent. */

#include "case.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

static char text[] = "case written by int 0x80: yes\n", path[] = "/nowhere", buffer[64];
static int sleep32[2] = { 0, 1000000 }, now32, status;

static long int80(long nr, long bx, long cx, long dx)
{
	long ret;

	asm volatile("push %%rbx; mov %2, %%rbx; int $0x80; pop %%rbx" : "=a"(ret) : "0"(nr), "D"(bx), "c"(cx), "d"(dx) : "memory");
	return ret;
}

static void exits(const char *name)
{
	int80(1, 7, 0, 0);
}

static void caught(int sig, siginfo_t *info, void *context)
{
	result("SIGSYS", "syscall %d arch %#x rax %lld", info->si_syscall, info->si_arch,
	       ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX]);
	_exit(0);
}

/* Filters by the number on x86-64 don't take it for that, and those by architecture see it */
static void filtered(const char *name)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 20, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };
	struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &action, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	syscall(SYS_writev, 1, NULL, 0);	/* 20 */
	int80(20, 0, 0, 0);
	result(name, "got past the filter");
}

/* What is allowed for one architecture isn't for the other: 1 is write() there and exit() here */
static void remembered(const char *name)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 5),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };
	long got;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	syscall(SYS_getpid);
	got = int80(39, (long)path, 0755, 0);	/* getpid() there, mkdir() here */
	result(name, "%ld", got);
}

static void strict(const char *name)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	int80(15, (long)path, 0777, 0);		/* rt_sigreturn() there, chmod() here */
	asm volatile("syscall" :: "a"(SYS_exit), "D"(0));
}

static void traced(const char *name)
{
	struct __ptrace_syscall_info info;
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		int80(20, 0x1111111122222222, 3, 4);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD);
	for (;;) {
		ptrace(PTRACE_SYSCALL, child, 0, 0);
		waitpid(child, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == 20)
			result(name, "arch %#x arguments %#llx %#llx %#llx", info.arch, (unsigned long long)info.entry.args[0],
			       (unsigned long long)info.entry.args[1], (unsigned long long)info.entry.args[2]);
	}
}

int main(void)
{
	unsigned long r8, r9, r10, r11;
	time_t now = time(NULL);
	pid_t child;
	long got;

	fflush(stdout);
	result("write", "%ld", int80(4, 1, (long)text, sizeof(text) - 1));
	result("getpid", "%s", int80(20, 0, 0, 0) == getpid() ? "right" : "wrong");
	result("open", "%ld", int80(5, (long)path, 0, 0));
	result("close", "%ld", int80(6, -1, 0, 0));
	result("lseek", "%ld", int80(19, syscall(SYS_memfd_create, "case", 0), -1, 0));
	result("no such call", "%ld", int80(999, 0, 0, 0));
	result("a negative one", "%ld", int80(-5, 0, 0, 0));
	result("cut to 32 bits", "%ld", int80(0x100000000 | 20, 0, 0, 0) == getpid() ? 1L : 0L);
	result("an address above", "%ld", int80(5, 0x7fff00001000, 0, 0));
	result("getcwd", "%ld", int80(183, (long)buffer, 1, 0));
	result("time", "%s", int80(13, (long)&now32, 0, 0) - now < 3 && now32 - now < 3 ? "right" : "wrong");
	result("nanosleep", "%ld", int80(162, (long)sleep32, 0, 0));
	child = fork();
	if (!child)
		_exit(9);
	got = int80(7, child, (long)&status, 0);
	result("waitpid", "%s, %d", got == child ? "right" : "wrong", WEXITSTATUS(status));
	asm volatile("mov $8, %%r8; mov $9, %%r9; mov $10, %%r10; mov $11, %%r11; mov $20, %%eax; int $0x80;"
		     "mov %%r8, %0; mov %%r9, %1; mov %%r10, %2; mov %%r11, %3"
		     : "=m"(r8), "=m"(r9), "=m"(r10), "=m"(r11) :: "rax", "r8", "r9", "r10", "r11");
	result("registers", "%lu %lu %lu %lu", r8, r9, r10, r11);
	apart("exit", exits);
	apart("filtered", filtered);
	apart("remembered", remembered);
	apart("strict", strict);
	apart("traced", traced);
	return 0;
}
