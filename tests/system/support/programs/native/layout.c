/* Where a program is in memory, what of it can be executed, and what turns the first off. Static and position-independent. */

#include "case.h"
#include <sys/auxv.h>
#include <sys/personality.h>

#define RUNS 8
enum place { TEXT, HEAP, MAPPING, STACK, VDSO, PLACES };
static const char *const names[] = { "text", "heap", "mapping", "stack", "vdso" };

static void *pages(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* In a program of its own: tell where all is */
static int tell(void)
{
	unsigned long places[PLACES];

	places[TEXT] = (unsigned long)tell;
	places[HEAP] = (unsigned long)sbrk(0);
	places[MAPPING] = (unsigned long)pages(PROT_READ);
	places[STACK] = (unsigned long)places;
	places[VDSO] = getauxval(AT_SYSINFO_EHDR);
	return write(1, places, sizeof(places)) != sizeof(places);
}

static void ask(unsigned long persona, unsigned long places[PLACES])
{
	int ends[2], status;
	pid_t child;

	if (pipe(ends))
		exit(1);
	child = fork();
	if (!child) {
		dup2(ends[1], 1);
		personality(persona);
		execl("/proc/self/exe", "layout", "tell", NULL);
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], places, PLACES * sizeof(*places)) != PLACES * sizeof(*places))
		exit(1);
	close(ends[0]);
	waitpid(child, &status, 0);
}

/* How much of each address is the same in all runs: not exactly, as it's random. */
static void spread(const char *how, unsigned long persona)
{
	unsigned long first[PLACES], next[PLACES], different[PLACES] = { 0 };
	char name[64];

	ask(persona, first);
	for (int run = 1; run < RUNS; run++) {
		ask(persona, next);
		for (int i = 0; i < PLACES; i++)
			different[i] |= first[i] ^ next[i];
	}
	for (int i = 0; i < PLACES; i++) {
		int bits = different[i] ? 64 - __builtin_clzl(different[i]) : 0;

		snprintf(name, sizeof(name), "%s, %s", names[i], how);
		result(name, "%s", !bits ? "the same" : bits > (i == HEAP ? 22 : 28) ? "random" : "hardly random");
	}
}

static void protection(const char *name, const void *address)
{
	unsigned long from, to;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], how[8];

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, how) != 3 || (unsigned long)address < from || (unsigned long)address >= to)
			continue;
		result(name, "%s%s", how, strstr(line, "[vdso]") ? " [vdso]" : strstr(line, "[stack]") ? " [stack]" :
			strstr(line, "[heap]") ? " [heap]" : "");
		break;
	}
	fclose(maps);
}

static void implied(const char *name)
{
	void *page;

	personality(READ_IMPLIES_EXEC);
	page = pages(PROT_READ | PROT_WRITE);
	*(volatile char *)page = 0xc3;
	protection("a mapping where reading implies executing", page);
	((void (*)(void))page)();
	result(name, "executed");
}

static void goes_up(const char *name)
{
	char *first = pages(PROT_READ), *second;

	mprotect(first, 4096, PROT_NONE);	/* so that they aren't one */
	second = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	result(name, "%s", second > first ? "up" : "down");
}

static void directions(void)
{
	pid_t child;
	int status;

	goes_up("mappings go");
	child = fork();
	if (!child) {
		personality(ADDR_COMPAT_LAYOUT);
		execl("/proc/self/exe", "layout", "legacy", NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
}

int main(int argc, char **argv)
{
	char on_stack = 0;

	if (argc > 1 && !strcmp(argv[1], "tell"))
		return tell();
	if (argc > 1) {
		char name[64];

		snprintf(name, sizeof(name), "mappings go, %s", argv[1]);
		goes_up(name);
		return 0;
	}
	spread("as it is", 0);
	spread("not randomized", ADDR_NO_RANDOMIZE);
	protection("the stack", &on_stack);
	protection("the heap", sbrk(4096));
	protection("the text", main);
	protection("the vdso", (void *)getauxval(AT_SYSINFO_EHDR));
	apart("reading implies executing", implied);
	directions();
	return 0;
}
