"""What hands bring along from docker, podman, incus, multipass and ssh, and what a slip of the finger means."""

import os
import shlex

import pytest

from cli.test_texts import MACHINE


def test_a_mistyped_command_is_guessed(gaol):
    assert gaol("shel", "web").stderr == 'gaol: no command "shel": did you mean shell?\ntry: gaol shell web\n'
    assert gaol("qqq").stderr == 'gaol: no command "qqq": gaol --help lists them\ntry: gaol --help\n'


@pytest.mark.parametrize(
    ("line", "method", "asked"),
    [
        ("ps -a", "List", {"all": False, "shared": True}),
        ("list", "List", {"all": False, "shared": True}),
        ("ls -a", "List", {"all": False, "shared": True}),
        ("inspect web", "Inspect", {"name": "web"}),
        ("logs web", "Log", {"name": "web"}),
        ("stats", "Top", {"all": False}),
        ("stop web", "Down", {"name": "web", "force": False}),
        ("start web", "Up", {"name": "web", "spec": {}}),
        ("pause web", "Freeze", {"name": "web"}),
        ("unpause web", "Thaw", {"name": "web"}),
        ("hibernate web", "Sleep", {"name": "web"}),
        ("images", "BaseList", {}),
    ],
)
def test_other_programs_words_are_taken(daemon, gaol, line, method, asked):
    daemon.answer(method, machine=MACHINE, machines=[], usage=[], bases=[], text="")
    assert gaol(*line.split()).returncode == 0
    assert daemon.calls == [(method, asked)]


@pytest.mark.parametrize("line", ["exec -it web ls -l", "exec web -it -- ls -l", "exec -i -t web ls -l", "exec web ls -l"])
def test_an_exec_of_docker_s_is_ours(daemon, gaol, line):
    daemon.refuse("Exec", "no", code=4)
    assert gaol(*line.split()).returncode == 4
    assert daemon.calls == [("Exec", {"name": "web", "command": {"arguments": ["ls", "-l"], "user": "root"}})]


DESTROYS = ("rm", "base rm", "kernel rm", "restore", "publish", "snapshot")


@pytest.mark.parametrize(
    ("line", "why", "hint"),
    [
        ("restart 'a b'", "a restart is two commands", "gaol down 'a b' && gaol up 'a b'"),
        ("delete web", "rm deletes a machine, with its files and snapshots", "gaol rm --help"),
        ("snapshots web", "snapshot --list shows them", "gaol snapshot web --list"),
        ("resize web", "set changes a machine's memory, processors and disk", "gaol set web memory=1G"),
        ("suspend web", "sleep keeps a machine with its memory until somebody wants it, freeze has it stand still", "gaol sleep web"),
        ("save web", "export writes a machine to a file, snapshot keeps it as it is now", "gaol export --help"),
        ("pull debian", "what machines are made from is on this host already; cp copies files out of a machine", "gaol base ls"),
        ("image ls", "machines are made from bases", "gaol base ls"),
        ("container ls -a", "a container is a machine here", "gaol ls"),
        ("network ls", "a machine has an address of its own; how machines are connected is the administrator's choice", "gaol ls"),
        ("share web", "the user to let in", "gaol share --help"),
        ("copy web web2", "cp copies files, clone copies a machine", "gaol cp --help"),
        ("snapshott web", "did you mean snapshot?", "gaol snapshot --help"),
        ("restor web", "did you mean restore?", "gaol restore --help"),
        ("base remove debian", "it has ls, info, history, add, sync, set, rollback, rm", "gaol base --help"),
        ("base lst", "did you mean ls?", "gaol base ls --help"),
        ("run -it debian bash", "and a base is named with --base", "gaol run --base debian -- bash"),
        ("run make -j4", "its options would be taken for gaol's", "gaol run -- make -j4"),
    ],
)
def test_what_is_not_clear_is_told_in_a_sentence_that_harms_nobody(gaol, line, why, hint):
    done = gaol(*shlex.split(line))
    assert done.returncode == 2
    said, tried = done.stderr.splitlines()
    assert (said.partition(": ")[2].partition(": ")[2], tried) == (why, f"try: {hint}")
    if any(tried.startswith(f"try: gaol {word}") for word in DESTROYS):
        assert tried.endswith(("--help", "--list"))


def test_several_machines_at_once(daemon, gaol):
    daemon.answer("Inspect", machine=MACHINE)
    daemon.answer("Remove", name="a")
    assert gaol("rm", "a", "b").returncode == 0
    assert [call for call in daemon.calls if call[0] == "Remove"] == [("Remove", {"name": name, "force": False, "now": False}) for name in "ab"]


@pytest.mark.parametrize(("words", "answer", "gone"), [((), "n", False), ((), "y", True), (("--yes",), "n", True), (("--force",), "n", True)])
def test_what_goes_for_good_is_asked_for_at_a_terminal(daemon, gaol, words, answer, gone):
    daemon.answer("RemovedDrop")
    master, slave = os.openpty()
    try:
        os.write(master, f"{answer}\n".encode())
        done = gaol("rm", "--removed", "web", "db", *words, stdin=slave, stderr=slave)
        assert ("Delete web, db for good?" in done.stdout + os.read(master, 4096).decode()) == (not words)
    finally:
        os.close(master)
        os.close(slave)
    assert (done.returncode, daemon.calls) == ((0, [("RemovedDrop", {"name": name}) for name in ("web", "db")]) if gone else (1, []))


def test_for_good_is_not_said_twice(daemon, gaol):
    done = gaol("rm", "--removed", "--now", "web")
    assert (done.returncode, "--now can't be combined with --removed" in done.stderr, daemon.calls) == (2, True, [])
