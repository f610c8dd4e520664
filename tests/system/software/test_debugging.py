"""What people look into programs with: gdb, strace, valgrind and sanitizers, in both ways to run a machine's processes."""

from __future__ import annotations

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]

PROGRAM = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
volatile int watched;
double half(double x) { return x / 2; }
static void *thread(void *name) { watched = 3; return name; }
int child(void) { return 7; }
int main(int argc, char **argv)
{
    pthread_t other;
    int status;
    watched = 1;
    printf("%g\n", half(5));
    watched = 2;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    if (!fork()) _exit(child());
    wait(&status);
    printf("child %d\n", WEXITSTATUS(status));
    if (argc > 1) abort();
    return 0;
}
"""
WRONG = r"""
#include <stdlib.h>
int main(int argc, char **argv) { int *some = malloc(10 * sizeof(int)); some[argc * 10] = 1; return 0; }
"""
RACE = r"""
#include <pthread.h>
int shared;
static void *add(void *none) { for (int i = 0; i < 1000; i++) shared++; return none; }
int main(void) { pthread_t one, two; pthread_create(&one, 0, add, 0); pthread_create(&two, 0, add, 0); pthread_join(one, 0); pthread_join(two, 0); return 0; }
"""


@pytest.fixture(scope="module", params=["seccomp", "ptrace"])
def box(request, workshop, smith):
    with (
        leaving_nothing(workshop),
        running(workshop, smith, "box", "--no-network", "--memory", "1G", "--mode", request.param) as machine,
    ):
        machine.sh("cat > /root/program.c", input=PROGRAM)
        machine.sh("cat > /root/wrong.c", input=WRONG)
        machine.sh("cat > /root/race.c", input=RACE)
        machine.sh("cd /root; gcc -g -O0 -pthread -o program program.c; gcc -g -o wrong wrong.c", timeout=120)
        yield machine


def gdb(box, *commands, program="./program", more=""):
    told = " ".join(f"-ex '{command}'" for command in commands)
    return box.sh(f"cd /root; gdb -q -batch -nx -iex 'set debuginfod enabled off' {told} {more} {program} 2>&1", timeout=120)


def test_gdb_stops_tells_and_goes_on(box):
    said = gdb(
        box, "break half", "run", "print x", "print $xmm0.v2_double[0]", "info registers rip", "backtrace", "finish", "continue"
    )
    assert "$1 = 5" in said and "$2 = 5" in said and "in main (" in said
    assert "Value returned is $3 = 2.5" in said
    assert "exited normally" in said


def test_gdb_sets_registers_and_calls_functions(box):
    said = gdb(
        box,
        "break half",
        "run",
        "delete",
        "set var x = 9",
        "print half(20)",
        "print $ymm0",
        "set var $xmm1.v2_double[0] = 1.5",
        "print $xmm1.v2_double[0]",
        "finish",
    )
    assert "= 10" in said and "= 1.5" in said and "= 4.5" in said


def test_gdb_watches(box):
    said = gdb(box, "break main", "run", "watch watched", "continue", "continue", "continue", "delete", "continue")
    assert "Hardware watchpoint" in said
    assert [f"New value = {value}" in said for value in (1, 2, 3)] == [True] * 3
    assert "exited normally" in said


def test_gdb_breaks_by_hardware(box):
    said = gdb(box, "start", "hbreak half", "continue", "print x", "continue")
    assert "= 5" in said and "exited normally" in said


@pytest.mark.parametrize("who", ["parent", "child"])
def test_gdb_follows_a_fork(box, who):
    on = ["continue"] if who == "child" else []
    said = gdb(box, f"set follow-fork-mode {who}", "break child", "run", "print 40 + 2", *on)
    assert "= 42" in said
    assert ("Breakpoint 1, child" in said) == (who == "child")
    assert "exited with code 07" in said if who == "child" else "child 7" in said


def test_gdb_steps_and_goes_to_a_running_process(box):
    said = gdb(box, "break main", "run", "next", "stepi", "stepi", "step", "info threads")
    assert "watched = 1" in said or "printf" in said
    said = box.sh("cd /root; sleep 100 & gdb -q -batch -nx -p $! -ex 'info registers rip' -ex detach 2>&1; kill $!", timeout=120)
    assert "rip" in said and "detached" in said


def test_gdb_opens_a_core(box):
    box.sh(
        "cd /root; rm -f core*; ulimit -c unlimited; echo /root/core > /proc/sys/kernel/core_pattern; ./program die || true; test -s core"
    )
    said = gdb(box, "backtrace", "print watched", "print $sp", "info registers xmm0", program="./program core")
    assert "SIGABRT" in said and "main" in said and "= 3" in said and "v2_double" in said


def test_strace_names_calls_and_children(box):
    said = box.sh("cd /root; strace -f -o trace ./program > said; cat trace")
    assert 'write(1, "2.5' in said and "exited with 7" in said and "SIGCHLD" in said
    counted = box.sh("strace -c true 2>&1")
    assert "execve" in counted


def test_valgrind_finds_what_is_wrong(box):
    said = box.sh("cd /root; valgrind ./wrong 2>&1", timeout=180)
    assert "Invalid write of size 4" in said and "ERROR SUMMARY: 1 errors" in said
    assert "child 7" in box.sh("cd /root; valgrind -q ./program 2>&1", timeout=180)


@pytest.mark.parametrize(("how", "source", "found"), [
    ("address", "wrong.c", "heap-buffer-overflow"), ("thread", "race.c", "data race"), ("leak", "wrong.c", "detected memory leaks"),
])  # fmt: skip
def test_sanitizers(box, how, source, found):
    said = box.sh(
        f"cd /root; gcc -g -pthread -fsanitize={how} -o sanitized {source}; for i in 1 2 3; do ./sanitized 2>&1 || true; done",
        timeout=240,
    )
    assert said.count(found) >= 3
