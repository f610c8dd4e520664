/* Faults of the processor: which signal, code, address, trap number and error code a handler sees. */

#include "case.h"
#include <fenv.h>
#include <xmmintrin.h>

static const char *name;
static void *target;
static char stack[65536];
static int traps;

static const char *where(const siginfo_t *info, const ucontext_t *context)
{
	static char other[32];

	if (info->si_code == SI_USER || info->si_code == SI_KERNEL)
		return info->si_pid || info->si_uid ? "somebody" : "nowhere";
	if (!info->si_addr)
		return "0";
	if ((long)info->si_addr == context->uc_mcontext.gregs[REG_RIP])
		return "ip";
	if (info->si_addr == target)
		return "target";
	snprintf(other, sizeof(other), "%p", info->si_addr);
	return other;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	asm volatile("pushf; andl $~0x40000, (%%rsp); popf" ::: "memory", "cc");
	result(name, "signal %d code %d address %s trap %d error %#x%s", sig, info->si_code, where(info, context),
	       (int)regs[REG_TRAPNO], (unsigned int)regs[REG_ERR] & (regs[REG_TRAPNO] == 14 ? ~1u : ~0u),	/* 1: was the page there */
	       regs[REG_TRAPNO] != 14 ? "" : (long)target == regs[REG_CR2] ? " cr2 target" : " cr2 wrong");
	_exit(0);
}

static void catch(void (*with)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = with, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };

	sigaltstack(&other, NULL);
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

#define FAULT(function, ...)				\
	static void function(const char *given)		\
	{						\
		name = given;				\
		catch(handler);				\
		__VA_ARGS__;				\
		result(name, "nothing happened");	\
	}

static const char constant[4096] __attribute__((aligned(4096)));
static char data[4096] __attribute__((aligned(4096))) = { (char)0xc3 };

FAULT(movaps, asm volatile("movaps (%0), %%xmm0" :: "r"(data + 8) : "xmm0"))
FAULT(hlt, asm volatile("hlt"))
FAULT(cli, asm volatile("cli"))
FAULT(port, asm volatile("inb $0x80, %%al" ::: "al"))
FAULT(cr0, asm volatile("mov %%cr0, %%rax" ::: "rax"))
FAULT(msr, asm volatile("rdmsr" :: "c"(0x10) : "rax", "rdx"))
FAULT(not_canonical, asm volatile("movb (%0), %%al" :: "r"(0x8000000000000000) : "al"))
FAULT(not_canonical_write, asm volatile("movb %%al, (%0)" :: "r"(0x8000000000000000)))
FAULT(not_canonical_jump, asm volatile("jmp *%0" :: "r"(0x8000000000000000)))
FAULT(not_canonical_stack, asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; pop %%rax" :: "r"(0x8000000000000000) : "rax", "rbx"))
FAULT(interrupt, asm volatile("int $0x21"))
FAULT(overflow, asm volatile("int $4"))
FAULT(segment, asm volatile("mov %0, %%ds" :: "r"(0x1234)))
FAULT(ud2, asm volatile("ud2"))
FAULT(lock_nop, asm volatile(".byte 0xf0, 0x90"))
FAULT(int3, asm volatile("int3"))
FAULT(int3_long, asm volatile("int $3"))
FAULT(icebp, asm volatile(".byte 0xf1"))
FAULT(step, asm volatile("pushf; orl $0x100, (%%rsp); popf; nop" ::: "memory"))
FAULT(divide, asm volatile("divl %0" :: "r"(0), "a"(1), "d"(0)))
FAULT(divide_overflow, asm volatile("divl %0" :: "r"(1), "a"(0), "d"(2) : "cc"))
FAULT(x87, feenableexcept(FE_DIVBYZERO); asm volatile("fld1; fldz; fdivrp; fwait"))
FAULT(sse, _mm_setcsr(_mm_getcsr() & ~0x200); asm volatile("divss %0, %1" :: "x"(0.0f), "x"(1.0f)))
FAULT(sse_invalid, _mm_setcsr(_mm_getcsr() & ~0x80); asm volatile("divss %0, %1" :: "x"(0.0f), "x"(0.0f)))
FAULT(alignment, asm volatile("pushf; orl $0x40000, (%%rsp); popf; movl (%0), %%eax" :: "r"(data + 1) : "eax", "memory"))
FAULT(null_read, target = NULL; asm volatile("movb (%0), %%al" :: "r"(target) : "al"))
FAULT(null_write, target = NULL; asm volatile("movb %%al, (%0)" :: "r"(target)))
FAULT(null_call, target = NULL; asm volatile("call *%0" :: "r"(target)))
FAULT(low_read, target = (void *)0x1234; asm volatile("movb (%0), %%al" :: "r"(target) : "al"))
FAULT(kernel_read, target = (void *)0xffff888000001234; asm volatile("movb (%0), %%al" :: "r"(target) : "al"))
FAULT(kernel_write, target = (void *)0xffff888000001234; asm volatile("movb %%al, (%0)" :: "r"(target)))
FAULT(constant_write, target = (void *)constant; (void)*(volatile char *)target; asm volatile("movb %%al, (%0)" :: "r"(target)))
FAULT(data_call, target = data; (void)*(volatile char *)target; asm volatile("call *%0" :: "r"(target)))
FAULT(stack_call, char code[64] = { (char)0xc3 }; target = code; asm volatile("call *%0" :: "r"(target) : "memory"))
FAULT(heap_call, target = malloc(64); *(volatile char *)target = 0xc3; asm volatile("call *%0" :: "r"(target) : "memory"))

static void *map(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FAULT(none_read, target = map(PROT_NONE); asm volatile("movb (%0), %%al" :: "r"(target) : "al"))
FAULT(none_call, target = map(PROT_NONE); asm volatile("call *%0" :: "r"(target)))
FAULT(mapped_call, target = map(PROT_READ | PROT_WRITE); *(volatile char *)target = 0xc3; asm volatile("call *%0" :: "r"(target)))
FAULT(untouched_call, target = map(PROT_READ | PROT_WRITE); asm volatile("call *%0" :: "r"(target)))
FAULT(taken_back, target = map(PROT_READ | PROT_WRITE | PROT_EXEC); *(volatile char *)target = 0xc3;
	asm volatile("call *%0" :: "r"(target) : "memory"); mprotect(target, 4096, PROT_READ | PROT_WRITE);
	asm volatile("call *%0" :: "r"(target) : "memory"))

static void execute(const char *given)
{
	name = given;
	catch(handler);
	target = map(PROT_READ | PROT_WRITE);
	*(volatile char *)target = 0xc3;
	mprotect(target, 4096, PROT_READ | PROT_EXEC);
	asm volatile("call *%0" :: "r"(target) : "memory");
	result(name, "executed");
}

static void end_of_file(const char *given)
{
	char path[] = "/tmp/caseXXXXXX";
	int file = mkstemp(path);

	name = given;
	unlink(path);
	catch(handler);
	target = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	asm volatile("movb (%0), %%al" :: "r"(target) : "al");
	result(name, "nothing happened");
}

static void count(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned long now;

	asm volatile("pushf; pop %0" : "=r"(now));
	traps += info->si_code == TRAP_TRACE && (long)info->si_addr == regs[REG_RIP] && !(now & 0x500);
}

static void steps(const char *given)
{
	catch(count);
	asm volatile("std; pushf; orl $0x100, (%%rsp); popf; nop; nop; nop; pushf; andl $~0x100, (%%rsp); popf; cld"
		     ::: "memory", "cc");
	result(given, "%d", traps);
}

static void many(int sig, siginfo_t *info, void *context)
{
	traps++;
}

static void loop(const char *given)
{
	catch(many);
	for (int i = 0; i < 50; i++)
		asm volatile("int3");
	result(given, "%d", traps);
}

/* Without a handler, and with the signal blocked */
static void plain(const char *given)
{
	asm volatile("pushf; orl $0x40000, (%%rsp); popf; movl (%0), %%eax" :: "r"(data + 1) : "eax", "memory");
}

static void blocked(const char *given)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	asm volatile("movaps (%0), %%xmm0" :: "r"(data + 8) : "xmm0");
}

int main(void)
{
#define CASE(function) apart(#function, function)
	CASE(movaps); CASE(hlt); CASE(cli); CASE(port); CASE(cr0); CASE(msr);
	CASE(not_canonical); CASE(not_canonical_write); CASE(not_canonical_jump); CASE(not_canonical_stack);
	CASE(interrupt); CASE(overflow); CASE(segment); CASE(ud2); CASE(lock_nop);
	CASE(int3); CASE(int3_long); CASE(icebp); CASE(step); CASE(steps); CASE(loop);
	CASE(divide); CASE(divide_overflow); CASE(x87); CASE(sse); CASE(sse_invalid); CASE(alignment); CASE(plain); CASE(blocked);
	CASE(null_read); CASE(null_write); CASE(null_call); CASE(low_read); CASE(kernel_read); CASE(kernel_write);
	CASE(constant_write); CASE(data_call); CASE(stack_call); CASE(heap_call); CASE(none_read); CASE(none_call);
	CASE(mapped_call); CASE(untouched_call); CASE(taken_back); CASE(execute); CASE(end_of_file);
	return 0;
}
