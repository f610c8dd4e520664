/* What a seccomp filter's SIGSYS tells, and what a filter is told: the sandboxes of browsers make calls up from it. */

#include "case.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

static void filter(unsigned int nr, unsigned int what)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, what),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static long address;

static void made_up(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	result("trap handler", "signal %d code %d errno %d syscall %d arch %#x address %s ip %s rax %lld rdi %lld", sig, info->si_code,
	       info->si_errno, info->si_syscall, info->si_arch, (long)info->si_call_addr == address ? "right" : "wrong",
	       regs[REG_RIP] == address ? "right" : "wrong", regs[REG_RAX], regs[REG_RDI]);
	regs[REG_RAX] = 4711;
}

static void trap(const char *name)
{
	struct sigaction action = { .sa_sigaction = made_up, .sa_flags = SA_SIGINFO };
	long got;

	sigaction(SIGSYS, &action, NULL);
	filter(SYS_umask, SECCOMP_RET_TRAP | 77);
	asm volatile("lea 1f(%%rip), %%rcx; mov %%rcx, %1; syscall; 1:" : "=a"(got), "=m"(address)
		     : "0"(SYS_umask), "D"(123L) : "rcx", "r11", "memory");
	result(name, "the call gave %ld", got);
}

static void trap_kills(const char *name)
{
	filter(SYS_umask, SECCOMP_RET_TRAP);
	syscall(SYS_umask, 0);
}

static void number(const char *name)
{
	filter(SYS_umask, SECCOMP_RET_ERRNO | 42);
	long got = syscall(SYS_umask, 0);

	result(name, "%ld %d", got, errno);
}

/* A filter that allows by address, as some check that calls come from one place only */
static void by_address(const char *name)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_umask, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 2),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };
	long got;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* The call below is the first one from here on: its address is what the filter is to know */
	asm volatile("lea 1f(%%rip), %%rcx; mov %%ecx, %1; mov %3, %%edi; mov %4, %%esi; mov %5, %%rdx; mov $%c6, %%eax; syscall;"
		     "mov $%c2, %%eax; syscall; 1:" : "=a"(got), "=m"(code[4].k)
		     : "i"(SYS_umask), "i"(PR_SET_SECCOMP), "i"(SECCOMP_MODE_FILTER), "r"(&program), "i"(SYS_prctl)
		     : "rcx", "r11", "rdi", "rsi", "rdx", "memory");
	result(name, "%ld", got);
}

int main(void)
{
	apart("trap", trap);
	apart("trap kills", trap_kills);
	apart("errno", number);
	apart("by address", by_address);
	return 0;
}
