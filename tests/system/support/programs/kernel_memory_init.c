/* The only program of a machine in tests/system/kernel/test_memory.py: families of processes that write to memory which
 * fork(2) has left them in common, and look whether each sees what it wrote itself, and nothing else.
 *
 * Prints "memory right" or what is wrong, and powers off.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 100, WORDS = 1024, GENERATIONS = 8, FAMILIES = 8, CHILD = 4, PARENT = 5, RIGHT = 7 };

static unsigned data[PAGES * WORDS] = { 1 }; /* private pages of a file, where `heap` is anonymous */
static unsigned *heap;

static unsigned *word(unsigned *memory, int page, unsigned value)
{
	return memory + page * WORDS + 16 + (value + page * 7) % (WORDS - 16);
}

static void fill(unsigned value)
{
	for (int page = 0; page < PAGES; page++)
		*word(heap, page, value) = *word(data, page, value) = value ^ page;
}

static void need(int holds, const char *what)
{
	if (holds)
		return;
	printf("wrong: %s\n", what);
	fflush(stdout);
	_exit(1);
}

static int filled(unsigned value)
{
	for (int page = 0; page < PAGES; page++)
		if (*word(heap, page, value) != (value ^ page) || *word(data, page, value) != (value ^ page))
			return 0;
	return 1;
}

/* Every third page, so that written and unwritten ones lie side by side. */
static void mark(int first, int place, unsigned value)
{
	for (int page = first; page < PAGES; page += 3)
		heap[page * WORDS + place] = data[page * WORDS + place] = value;
}

static int marked(int first, int place, unsigned value)
{
	for (int page = first; page < PAGES; page += 3)
		if (heap[page * WORDS + place] != value || data[page * WORDS + place] != value)
			return 0;
	return 1;
}

static int status_of(pid_t child)
{
	int status;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void child(unsigned value, int generation)
{
	pid_t grandchild;

	need(filled(value), "a child sees what its parent wrote");
	mark(generation % 3, CHILD, value);
	mprotect(heap, PAGES / 2 * 4096, PROT_READ);
	need(filled(value), "memory stays what it was when it is protected");
	mprotect(heap, PAGES / 2 * 4096, PROT_READ | PROT_WRITE);
	need(marked(generation % 3, CHILD, value), "a child sees what it wrote");
	if (generation % 4 == 3)
		execl("/init", "init", "nothing", NULL);
	grandchild = fork();
	if (grandchild == 0) {
		need(marked(generation % 3, CHILD, value), "a grandchild sees what its parent wrote");
		mark(0, CHILD, value + 1);
		_exit(RIGHT);
	}
	need(status_of(grandchild) == RIGHT, "a grandchild ends well");
	need(marked(generation % 3, CHILD, value), "a child does not see what its child wrote");
	_exit(RIGHT);
}

static void family(unsigned number)
{
	for (int generation = 0; generation < GENERATIONS; generation++) {
		unsigned value = number * 1000 + generation;
		int first = generation % 2, status;
		pid_t pid;

		fill(value);
		mark(generation % 3, CHILD, 0);
		pid = fork();
		if (pid == 0)
			child(value, generation);
		if (first)
			status = status_of(pid); /* else both write at the same time */
		mark(first, PARENT, value);
		if (!first)
			status = status_of(pid);
		need(status == RIGHT, "a child ends well");
		need(filled(value) && marked(first, PARENT, value), "a parent sees what it wrote");
		need(marked(generation % 3, CHILD, 0), "a parent does not see what its child wrote");
	}
	_exit(RIGHT);
}

int main(int argc, char **argv)
{
	pid_t families[FAMILIES];
	int right = 1;

	if (argc > 1)
		return RIGHT;
	heap = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < FAMILIES; i++) {
		families[i] = fork();
		if (families[i] == 0)
			family(i + 1);
	}
	kill(families[0], SIGKILL); /* wherever it is: its pages and its stub are used again */
	waitpid(families[0], NULL, 0);
	for (int i = 1; i < FAMILIES; i++)
		right &= status_of(families[i]) == RIGHT;
	printf(right ? "memory right\n" : "memory wrong\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
}
