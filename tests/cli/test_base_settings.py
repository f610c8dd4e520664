"""gaol base set, and how what it has set is shown."""

import pytest

BASE = {"name": "course", "generation": "2", "source": None, "created": 1.0, "machines": 0, "files": 1, "size": 1, "moved_files": None,
    "moved_bytes": None, "interval": None, "held": False, "syncing": False, "synced": None, "result": None, "seconds": None, "reason": None,
    "good": None, "failures": 0, "lacks": []}  # fmt: skip
STANDS = {"owner": "bob", "name": "lab", "generation": "2", "state": "ready"}
SET = {"memory": 1 << 30, "cpus": None, "ttl": 7200, "home": False, "network": None, "welcome": "Tasks:\nin /srv"}


def test_set(daemon, gaol, tmp_path):
    (tmp_path / "text").write_text("Tasks:\nin /srv\n")
    daemon.answer("BaseSet", base={**BASE, "defaults": SET})
    done = gaol("base", "set", "course", "memory=1G", "home=off", "cpus=", f"welcome=@{tmp_path}/text")
    assert (done.returncode, done.stdout) == (0, "course: memory 1G, ttl 2h, home off, a welcome\n"), done.stderr
    assert daemon.calls == [
        ("BaseSet", {"name": "course", "unset": ["cpus"], "memory": 1 << 30, "home": False, "welcome": "Tasks:\nin /srv"})
    ]


@pytest.mark.parametrize("word", ["disk=1G", "memory", "memory=much", "home=perhaps", "ttl=2", "welcome=" + "x" * 5000])
def test_what_makes_no_sense(daemon, gaol, word):
    assert (gaol("base", "set", "course", word).returncode, daemon.calls) == (2, [])


def test_a_welcome_that_is_too_long(daemon, gaol, tmp_path):
    (tmp_path / "text").write_text("x" * 5000)
    for text in ("x" * 5000, f"@{tmp_path}/text"):
        done = gaol("base", "set", "course", f"welcome={text}")
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, "gaol: the welcome is too long: more than 4000 letters")


def test_info_and_ls_show_it(daemon, gaol):
    daemon.answer("BaseInspect", base={**BASE, "defaults": SET}, generations=[])
    shown = gaol("base", "info", "course").stdout
    assert "they get    memory 1G, ttl 2h, home off, a welcome\nwelcome     Tasks:\n            in /srv\n" in shown
    daemon.answer("BaseList", bases=[{**BASE, "defaults": SET}, {**BASE, "name": "plain", "defaults": None}])
    head, course, plain = gaol("base", "ls").stdout.splitlines()
    assert (head.split()[-2:], course.endswith("memory 1G, ttl 2h, home off, a welcome"), "memory" in plain) == (["MACHINES", "GET"], True, False)


def test_a_welcome_is_shown_before_the_shell(daemon, gaol):
    def shell(streams, command):
        control, _, output, _errors = streams
        output.sendall(b"shell\n")
        control.sendall(b"E\x02\x00\x00\x00\x00\x00")
        for stream in streams:
            stream.close()

    daemon.play("Exec", shell)
    daemon.told = {"name": "web", "welcome": "Tasks:\nin /srv \x1b[2J"}
    done = gaol("shell", "web")
    assert (done.returncode, done.stdout, done.stderr) == (0, "shell\n", "Tasks:\nin /srv \N{REPLACEMENT CHARACTER}[2J\n")


@pytest.mark.parametrize(("known", "who"), [({"standing": [STANDS]}, " (bob/lab)"), ({}, "")])
def test_whoever_may_know_is_told_whose_machines_stand_on_a_base_that_goes(daemon, gaol, known, who):
    daemon.answer("BaseInspect", base={**BASE, "machines": 1}, generations=[], **known)
    daemon.answer("BaseRemove")
    assert gaol("base", "rm", "course").stdout == f"deleted course: 0 generations; 1 machine made from it{who} keeps its files\n"
