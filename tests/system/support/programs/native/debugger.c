/* What a debugger gets of a process: registers, their limits, debug registers, steps, and the children it follows. */

#include "case.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define DEBUGREG(n) (offsetof(struct user, u_debugreg) + (n) * 8)
#define XCR0 464
#define HEADER 512
#define YMM_HIGH 576

static volatile long variable, other;
static int status;

static pid_t trace(void (*child)(void))
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		child();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
	return pid;
}

static int go(pid_t pid, int how)
{
	if (ptrace(how, pid, 0, 0))
		return -errno;
	waitpid(pid, &status, 0);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : WIFSIGNALED(status) ? -WTERMSIG(status) : 0;
}

static const char *error(long ret)
{
	return ret == -1 && errno ? strerrorname_np(errno) : "fine";
}

static const char *peek(pid_t pid, unsigned long offset)
{
	errno = 0;
	return error(ptrace(PTRACE_PEEKUSER, pid, offset, 0));
}

static const char *poke(pid_t pid, unsigned long offset, unsigned long value)
{
	errno = 0;
	return error(ptrace(PTRACE_POKEUSER, pid, offset, value));
}

static void nothing(void)
{
}

static void limits(const char *name)
{
	pid_t pid = trace(nothing);

	result("peek, not aligned", "%s %s %s", peek(pid, 1), peek(pid, 4), peek(pid, DEBUGREG(0) + 4));
	result("poke, not aligned", "%s %s %s", poke(pid, 1, 0), poke(pid, 4, 0), poke(pid, DEBUGREG(0) + 4, 0));
	result("peek, past the end", "%s %s %s", peek(pid, sizeof(struct user) - 8), peek(pid, sizeof(struct user) + 64), peek(pid, -8));
	result("poke, past the end", "%s %s", poke(pid, sizeof(struct user) + 64, 0), poke(pid, -8, 0));
	result("peek, between", "%s", peek(pid, offsetof(struct user, u_tsize)));
	result("poke, between", "%s", poke(pid, offsetof(struct user, u_tsize), 0));
	for (int i = 0; i < 8; i++) {
		unsigned long fresh = ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(i), 0);
		const char *poked = poke(pid, DEBUGREG(i), i < 4 ? 0x1000 + i : 0);
		char text[32];

		snprintf(text, sizeof(text), "debug register %d", i);
		errno = 0;
		result(text, "%#lx, then %s, then %#lx", fresh, poked, ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(i), 0));
	}
	result("an address of the kernel's", "%s", poke(pid, DEBUGREG(0), 0xffff888000000000));
	kill(pid, SIGKILL);
}

static void flags(const char *name)
{
	pid_t pid = trace(nothing);
	struct user_regs_struct regs;

	for (int i = 0; i < 2; i++) {
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		regs.eflags = i ? 0x202 : 0x50fd7;
		ptrace(PTRACE_SETREGS, pid, 0, &regs);
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		result(i ? "flags cleared" : "flags set", "%#llx", regs.eflags & 0x50ed5);
	}
	kill(pid, SIGKILL);
}

static void writes(void)
{
	for (int i = 1; i < 4; i++) {
		variable = i * 0x100000001;
		other = i;
	}
}

static void watch(const char *name)
{
	pid_t pid = trace(writes);
	siginfo_t info;
	int hits = 0;

	variable = 0;
	poke(pid, DEBUGREG(0), (unsigned long)&variable);
	poke(pid, DEBUGREG(1), (unsigned long)&other);
	result("two watchpoints", "%s", poke(pid, DEBUGREG(7), 1 | 4 | 1 << 16 | 2 << 18 | 1 << 20 | 3 << 22));
	while (go(pid, PTRACE_CONT) == SIGTRAP && hits < 10) {
		char text[32];

		ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
		snprintf(text, sizeof(text), "hit %d", ++hits);
		result(text, "code %d status %#lx value %#lx", info.si_code, ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(6), 0) & 0xf,
		       ptrace(PTRACE_PEEKDATA, pid, &variable, 0));
	}
	result(name, "%d hits", hits);
}

/* The system's own writes aren't seen */
static void reads_into(void)
{
	int zero = open("/dev/urandom", O_RDONLY);

	if (read(zero, (void *)&variable, sizeof(variable)) < 0)
		_exit(1);
	other = 1;
}

static void watch_system(const char *name)
{
	pid_t pid = trace(reads_into);
	long value;
	int first;

	poke(pid, DEBUGREG(0), (unsigned long)&other);
	poke(pid, DEBUGREG(1), (unsigned long)&variable);
	poke(pid, DEBUGREG(7), 1 | 1 << 16 | 2 << 18);
	first = go(pid, PTRACE_CONT);
	value = ptrace(PTRACE_PEEKDATA, pid, &other, 0);
	result(name, "%d with %ld, then %d", first, value, go(pid, PTRACE_CONT));
}

static __attribute__((noinline, noclone)) void called(void)
{
	variable = 1;
}

static void calls(void)
{
	for (int i = 0; i < 3; i++) {
		called();
		getppid();
	}
}

static void hardware_break(const char *name)
{
	pid_t pid = trace(calls);
	struct user_regs_struct regs;
	siginfo_t info;
	int hits = 0;

	poke(pid, DEBUGREG(2), (unsigned long)called);
	poke(pid, DEBUGREG(7), 1 << 4);
	while (go(pid, PTRACE_CONT) == SIGTRAP && hits < 10) {
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
		hits += regs.rip == (unsigned long)called && info.si_code == 4 &&
			(ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(6), 0) & 0xf) == 4;
		/* As debuggers do: over it without */
		poke(pid, DEBUGREG(7), 0);
		go(pid, PTRACE_SINGLESTEP);
		poke(pid, DEBUGREG(7), 1 << 4);
	}
	result(name, "%d hits", hits);
}

static void odd(const char *name)
{
	pid_t pid = trace(nothing);

	poke(pid, DEBUGREG(0), (unsigned long)&variable + 1);
	result("not aligned", "%s", poke(pid, DEBUGREG(7), 1 | 1 << 16 | 3 << 18));
	result("a port", "%s", poke(pid, DEBUGREG(7), 1 | 2 << 16));
	result("code of four bytes", "%s", poke(pid, DEBUGREG(7), 1 | 3 << 18));
	kill(pid, SIGKILL);
}

static void executes(void)
{
	execl("/proc/self/exe", "debugger", "nothing", NULL);
}

static void gone_after_exec(const char *name)
{
	pid_t pid = trace(executes);

	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC);
	poke(pid, DEBUGREG(0), (unsigned long)&variable);
	poke(pid, DEBUGREG(7), 1 | 1 << 16);
	go(pid, PTRACE_CONT);
	result(name, "event %d, then %#lx", status >> 16, ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(7), 0));
	kill(pid, SIGKILL);
}

static void vectors(void)
{
	unsigned long after[4] = { 0 };
	const unsigned long before[4] = { 1, 2, 3, 4 };

	asm volatile("vmovdqu %1, %%ymm5; int3; vmovdqu %%ymm5, %0" : "=m"(after) : "m"(before) : "xmm5");
	result("vector register after", "%lx %lx %lx %lx", after[0], after[1], after[2], after[3]);
	asm volatile("movdqu %1, %%xmm6; int3; movdqu %%xmm6, %0" : "=m"(after) : "m"(before) : "xmm6");
	result("low half after", "%lx %lx", after[0], after[1]);
}

static void state(const char *name)
{
	static unsigned char area[16384], more[16384];
	struct user_fpregs_struct fp;
	struct iovec iov = { area, sizeof(area) };
	unsigned long *features = (void *)(area + XCR0), *in_use = (void *)(area + HEADER);
	unsigned long *high = (void *)(area + YMM_HIGH + 5 * 16), *low = (void *)(area + 160 + 5 * 16);
	pid_t pid = trace(vectors);
	int zeroes = 1;

	result("stop", "%d", go(pid, PTRACE_CONT));
	ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov);
	for (int i = 1; i < 6; i++)
		zeroes &= !features[i];
	result("features", "%#lx%s, in use %s", *features & 7, zeroes ? "" : " and more", *in_use & ~*features ? "others" : "of these");
	result("vector register", "%lx %lx %lx %lx", low[0], low[1], high[0], high[1]);
	low[0] = 0x11;
	high[1] = 0x44;
	result("set", "%s", error(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov)));
	memcpy(more, area, sizeof(area));
	*(unsigned int *)(more + 24) = ~0u;
	iov.iov_base = more;
	result("set bad control bits", "%s", error(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov)));
	memcpy(more, area, sizeof(area));
	*(unsigned long *)(more + HEADER) = ~0ul;
	result("set features that aren't there", "%s", error(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov)));
	memcpy(more, area, sizeof(area));
	*(unsigned long *)(more + HEADER + 8) = 1ul << 63;
	result("set another format", "%s", error(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov)));
	iov.iov_len = 512;
	result("set a part", "%s", error(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov)));
	go(pid, PTRACE_CONT);
	ptrace(PTRACE_GETFPREGS, pid, 0, &fp);
	fp.xmm_space[6 * 4] = 0x66;
	result("set the low half", "%s", error(ptrace(PTRACE_SETFPREGS, pid, 0, &fp)));
	result("end", "%d", go(pid, PTRACE_CONT));
}

static void a_few(void)
{
	asm volatile("int3; nop; nop; mov %0, %%eax; syscall; nop; int3" :: "i"(SYS_getppid) : "rax", "rcx", "r11");
}

static void steps(const char *name)
{
	pid_t pid = trace(a_few);
	struct user_regs_struct regs;
	unsigned long begin = 0;
	siginfo_t info;

	go(pid, PTRACE_CONT);
	for (int i = 0; i < 7; i++) {
		char text[32];

		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
		if (!begin)
			begin = regs.rip;
		snprintf(text, sizeof(text), "step %d", i);
		result(text, "at %llu code %d flags %llx status %lx", regs.rip - begin, info.si_code, regs.eflags & 0x100,
		       ptrace(PTRACE_PEEKUSER, pid, DEBUGREG(6), 0) & 0xf);
		go(pid, PTRACE_SINGLESTEP);
	}
	kill(pid, SIGKILL);
}

static void forks(void)
{
	pid_t child = fork();

	if (!child)
		_exit(5);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

static void follow(const char *name, int into_child)
{
	pid_t pid = trace(forks), child;
	unsigned long message = 0;
	struct user_regs_struct regs;

	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK);
	go(pid, PTRACE_CONT);
	ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
	child = message;
	waitpid(child, &status, __WALL);
	errno = 0;
	ptrace(PTRACE_GETREGS, child, 0, &regs);
	result(name, "stopped by %d, %s, rax %lld, debug registers %#lx %#lx", WSTOPSIG(status), error(-1), regs.rax,
	       ptrace(PTRACE_PEEKUSER, child, DEBUGREG(6), 0) & 0xf, ptrace(PTRACE_PEEKUSER, child, DEBUGREG(7), 0));
	if (into_child) {
		ptrace(PTRACE_DETACH, pid, 0, 0);
		go(child, PTRACE_CONT);
		result("the child followed", "ended with %d", WEXITSTATUS(status));
	} else {
		ptrace(PTRACE_DETACH, child, 0, 0);
		go(pid, PTRACE_CONT);
		if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCHLD)
			go(pid, PTRACE_CONT);
		result("the parent followed", "ended with %d", WEXITSTATUS(status));
	}
}

static void fork_parent(const char *name)
{
	follow(name, 0);
}

static void fork_child(const char *name)
{
	follow(name, 1);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	apart("limits", limits);
	apart("flags", flags);
	apart("watch", watch);
	apart("watch what the system writes", watch_system);
	apart("break", hardware_break);
	apart("odd", odd);
	apart("gone after exec", gone_after_exec);
	if (__builtin_cpu_supports("avx"))
		apart("state", state);
	apart("steps", steps);
	apart("fork, on in the parent", fork_parent);
	apart("fork, on in the child", fork_child);
	return 0;
}
