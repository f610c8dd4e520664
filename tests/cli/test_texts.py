"""What a person sees: tables, errors with what, why and what to do, exit codes. Nothing of a machine's reaches the terminal raw."""

import json
import os
import shlex
import subprocess

import pytest

from gaoler.cli.commands import COMMANDS
from gaoler.cli.help_text import spelled
from gaoler.cli.made import EXIT_CODES, declared, manual, reference
from gaoler.cli.made.__main__ import REFERENCE

MACHINE = {
    "name": "web", "owner": "alice", "state": "ready", "missing": [], "base": "debian", "generation": "1", "kernel": "7.2.13-abc",
    "address": "10.83.0.16", "address6": None, "mac": "02:00:00:00:00:01", "memory": 512 << 20, "host_memory": 563 << 20, "cpus": 1.0, "disk": None, "disk_used": None, "ttl": None,
    "created": 0.0, "started": None, "expires": None, "pid": 1, "console": "gaol shell web", "init": "startenv", "mode": "seccomp",
    "home": True, "network": True, "desktop": False, "reason": None, "snapshots": [], "killed": None, "newer": None, "shares": [], "access": None, "gone": None,
    "autostart": False,
}  # fmt: skip


def test_ls(daemon, gaol):
    daemon.answer("List", machines=[MACHINE, {**MACHINE, "name": "db", "state": "stopped", "address": None}])
    assert gaol("ls").stdout == (
        "NAME  STATE    ADDRESS     BASE      MEMORY  UP  STOPS\n"
        "web   ready    10.83.0.16  debian 1  512M\n"
        "db    stopped              debian 1  512M\n"
    )


def test_down_reminds_of_what_starts_with_the_host_all_the_same(daemon, gaol):
    daemon.answer("Down", machine={**MACHINE, "state": "stopped", "autostart": True})
    done = gaol("down", "web")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "gaol: web starts with this host all the same; gaol set web autostart=no ends that\n"
    daemon.answer("Down", machine={**MACHINE, "state": "stopped"})
    assert gaol("down", "web").stderr == ""


def test_ls_and_top_of_everybody_sum_by_user(daemon, gaol):
    up = {**MACHINE, "started": 1.0, "disk_used": 1 << 20}
    daemon.answer("List", machines=[up, {**MACHINE, "name": "db"}, {**up, "owner": "bob", "memory": 1 << 30, "host_memory": 1 << 30}])
    assert gaol("ls", "--all").stdout.split("\n\n")[-1] == (
        "OWNER  MACHINES  RUNNING  MEMORY  AT MOST  DISK\n"
        "bob    1         1        1G      1G       1M\n"
        "alice  2         1        512M    563M     1M\n"
    )
    sums = json.loads(gaol("ls", "--all", "--by-user", "--json").stdout)
    assert sums[0] == {
        "owner": "alice", "machines": 2, "running": 1, "memory": 512 << 20, "host_memory": 563 << 20, "disk_used": 1 << 20,
    }  # fmt: skip
    usage = {"name": "web", "owner": "alice", "memory": 1 << 20, "memory_limit": 1 << 30, "cpu_seconds": 2.0, "tasks": 3, "uptime": 8.0}
    daemon.answer("Top", usage=[usage, {**usage, "name": "db"}, {**usage, "owner": "bob"}])
    assert gaol("top", "--all").stdout.split("\n\n")[-1] == (
        "OWNER  MACHINES  MEMORY  LIMIT  CPU  TASKS\n"
        "alice  2         2M      2G     4s   6\n"
        "bob    1         1M      1G     2s   3\n"
    )
    assert gaol("top", "--all", "--by-user").stdout.startswith("OWNER  MACHINES")
    assert "MACHINES" not in gaol("top").stdout


def test_ls_as_json_is_one_array(daemon, gaol):
    daemon.answer("List", machines=[MACHINE])
    assert json.loads(gaol("ls", "--json").stdout) == [MACHINE]


def test_ls_of_nothing_says_what_to_do(daemon, gaol):
    daemon.answer("List", machines=[])
    assert gaol("ls").stdout == "no machines yet; try: gaol up\n"
    assert gaol("ls", "--json").stdout == "[]\n"


def test_up(daemon, gaol):
    daemon.answer("Up", machine=MACHINE)
    done = gaol("up", "web", "--memory", "256M", "--ttl", "2h", "--no-home")
    assert (done.returncode, done.stdout) == (0, "web  10.83.0.16\n")
    assert daemon.calls == [("Up", {"name": "web", "spec": {"home": False, "memory": 256 << 20, "ttl": 7200}})]


def test_up_tells_what_is_missing(daemon, gaol):
    daemon.answer("Up", machine={**MACHINE, "state": "running", "missing": ["address"], "address": None})
    done = gaol("up", "web")
    assert (done.returncode, done.stdout) == (0, "web  -\n")
    assert done.stderr == "gaol: web is up, but something is missing: address\ntry: gaol log web\n"


def test_an_error_says_what_why_and_what_to_do(daemon, gaol):
    daemon.refuse("Up", 'no base "trixie"', "this host has: debian", "gaol base add trixie", 3)
    done = gaol("up", "--base", "trixie")
    assert done.returncode == 3
    assert done.stderr == 'gaol: no base "trixie": this host has: debian\ntry: gaol base add trixie\n'


def test_no_daemon(gaol):
    done = gaol("ls")
    assert done.returncode == 6
    assert done.stderr.startswith("gaol: the gaoler daemon does not answer: ")
    assert "\ntry: gaol doctor" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["bogus"], ["up", "--colour"], ["up", "a", "b"], ["run"], ["run", "ls"], ["exec", "web"], ["exec", "--", "ls"], ["info", "a", "b"],
     ["up", "--memory", "lots"], ["up", "--ttl", "soon"], ["wait", "web"], ["down", "web", "--all"], ["cp", "a", "b"], ["cp", "a:b", "c:d"], ["base"], ["base", "paint"],
     ["base", "add", "x"], ["kernel"], ["up", "--cpus", "many"], ["up", "--mode", "magic"]],
)  # fmt: skip
def test_wrong_usage(daemon, gaol, arguments):
    done = gaol(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(("gaol: ", "usage: "))
    assert daemon.calls == []


@pytest.mark.parametrize(
    ("noun", "verb"), [("base", "rollback  make an older"), ("kernel", "rm        delete one"), ("store", "init      create and")]
)
def test_a_noun_says_what_its_verbs_do(gaol, noun, verb):
    done = gaol(noun, "--help")
    assert (done.returncode, f"\n  {verb}" in done.stdout) == (0, True)


def test_a_snapshot_is_deleted_by_its_tag(daemon, gaol):
    daemon.answer("SnapshotRemove")
    assert gaol("snapshot", "web", "--delete").returncode == 2
    done = gaol("snapshot", "web", "first", "--delete")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert daemon.calls[-1] == ("SnapshotRemove", {"name": "web", "tag": "first"})


@pytest.mark.skipif(os.geteuid() != 0, reason="others are not told what only root may look at")
def test_doctor_tells_the_mistake_that_keeps_the_daemon_from_starting(gaol, tmp_path, monkeypatch):
    program = tmp_path / "gaoler"
    program.write_text(
        "#!/bin/sh\necho 'gaoler: the configuration has a mistake: x.toml:3: bad\ntry: sudo editor x.toml' >&2; exit 2\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = gaol("doctor").stdout
    assert "the configuration has a mistake: x.toml:3: bad" in told
    assert "try: sudo editor x.toml" in told
    assert "can't be run" not in told


def test_doctor_without_a_daemon_does_not_send_to_doctor(gaol):
    assert "gaol doctor" not in gaol("doctor").stdout


def test_help_of_a_command(gaol):
    assert gaol("help", "run").stdout == gaol("run", "--help").stdout
    assert gaol("help").stdout == gaol("--help").stdout


@pytest.mark.parametrize(
    ("line", "hint"),
    [("run make -j4", "gaol run -- make -j4"), ("exec web --", "gaol exec web -- id"), ("exec web", "gaol exec web -- id"),
     ("run --memory 1G make 'a b'", "gaol run --memory 1G -- make 'a b'")],
)  # fmt: skip
def test_a_command_without_its_dashes(gaol, line, hint):
    done = gaol(*shlex.split(line))
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"try: {hint}")


def test_an_answer_that_can_not_be_written(daemon, gaol):
    daemon.answer("List", machines=[MACHINE])
    with open("/dev/full", "w") as full:
        done = gaol("ls", stdout=full)
    assert (done.returncode, done.stderr) == (1, "gaol: the answer can't be written: No space left on device\ntry: df .\n")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "names"])
def test_every_command_has_help(gaol, command):
    done = gaol(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith((f"usage: gaol {command} ", f"usage: gaol {command}\n"))


def test_the_reference_is_that_of_the_commands():
    assert REFERENCE.read_text() == reference.page(), "python3 -m gaoler.cli.made"


def test_the_manual_page_is_one(tmp_path):
    """groff finds nothing to complain of, and what it prints has every command, its options and the examples as they are typed."""
    (tmp_path / "gaol.1").write_text(manual.page())
    done = subprocess.run(
        ["man", "-l", "--warnings", tmp_path / "gaol.1"],
        capture_output=True,
        text=True,
        env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C"},
    )
    assert done.stderr == ""
    for name, command in declared().items():
        for line in (
            f"gaol {name}",
            *(spelled(one) for one in command.arguments if one.names and one.about),
            *(line for line, _ in command.examples),
        ):
            assert line in done.stdout


def test_exit_codes_of_the_documents():
    from gaoler import errors

    codes = {kind.code for kind in errors.GaolerError.__subclasses__()}
    assert {int(code) for code, _ in EXIT_CODES if len(code) == 1} == codes | {0}


def test_failures_of_run_are_told_from_the_commands_own(daemon, gaol):
    daemon.refuse("Run", "no kernel", "it is gone", "", 1)
    assert gaol("run", "--", "true").returncode == 125
    daemon.refuse("Run", "no base", "", "", 3)
    assert gaol("run", "--", "true").returncode == 3


def test_a_hostile_machine_cannot_drive_the_terminal(daemon, gaol):
    daemon.answer("Log", text="boot\x1b]0;owned\x07\x1b[2J\x9b31m\nlogin:\n")
    daemon.answer("List", machines=[{**MACHINE, "name": "a\x1b[31m", "address": "1\n2"}])
    for done in (gaol("log", "web"), gaol("ls")):
        assert not set(done.stdout) & {"\x1b", "\x07", "\x9b"}
    assert gaol("log", "web").stdout.count("\n") == 2
    assert gaol("ls").stdout.count("\n") == 2


def test_another_users_machine_is_named_by_owner(daemon, gaol):
    daemon.answer("Inspect", machine=MACHINE)
    gaol("info", "alice/web")
    assert daemon.calls == [("Inspect", {"name": "alice/web"})]


def test_down_all_asks_each_that_runs_and_tells_of_those_that_stay(daemon, gaol):
    daemon.answer("List", machines=[MACHINE, {**MACHINE, "owner": "bob"}, {**MACHINE, "name": "old", "state": "stopped"}])
    daemon.answer("Down", machine=MACHINE)
    daemon.answer_after("Down", "List", machines=[])
    assert gaol("down", "--all").returncode == 0
    asked = [(call["owner"], call["name"]) for method, call in daemon.calls if method == "Down"]
    assert sorted(asked) == [("alice", "web"), ("bob", "web")]
    daemon.answer("List", machines=[MACHINE, {**MACHINE, "owner": "bob"}])
    daemon.refuse("Down", "it stays", "", "", 1)
    told = gaol("down", "--all")
    assert told.returncode == 1
    assert "2 machines could not be stopped" in told.stderr
    assert "alice/web: it stays" in told.stderr and "bob/web: it stays" in told.stderr


def test_down_all_does_not_take_silence_for_a_stop(daemon, gaol):
    """`no machine` is the answer for a throw-away one that has ended; one that is listed still has not."""
    daemon.answer("List", machines=[{**MACHINE, "owner": "#1998", "gone": "alice"}])
    daemon.refuse("Down", 'no machine "#1998/web"', "", "", 3)
    told = gaol("down", "--all")
    assert told.returncode == 1
    assert "#1998/web: it runs on" in told.stderr


def test_whose_account_has_gone_is_said(daemon, gaol):
    gone = {**MACHINE, "owner": "#1998", "gone": "alice"}
    daemon.answer("List", machines=[gone])
    daemon.answer("Inspect", machine=gone)
    daemon.answer("Give", machine={**MACHINE, "owner": "bob"})
    told = gaol("ls", "--all").stdout
    assert "#1998  web" in told and "#1998/web was alice's, whose account has gone: gaol give '#1998/web' USER" in told
    assert "owner       #1998, once alice: that account has gone" in gaol("info", "#1998/web").stdout
    assert "#1998/web is bob/web now, without a home" in gaol("give", "#1998/web", "bob").stdout
    assert daemon.calls[-1] == ("Give", {"name": "#1998/web", "to": "bob"})


def test_a_hint_names_the_configuration_of_the_installation_that_says_it(daemon, gaol, monkeypatch):
    daemon.refuse("List", "it is off", "", 'store.quotas = "simple", in /etc/gaoler/gaoler.toml', 1)
    assert "in /etc/gaoler/gaoler.toml\n" in gaol("ls").stderr
    monkeypatch.setenv("GAOLER_CONFIG", "/etc/gaoler-trial/gaoler.toml")
    assert "in /etc/gaoler-trial/gaoler.toml\n" in gaol("ls").stderr


def test_a_daemon_that_speaks_nonsense(daemon, gaol):
    daemon.replies["List"] = [{"error": "org.varlink.service.MethodNotFound", "parameters": {}}]
    done = gaol("ls")
    assert done.returncode == 2
    assert "gaoler --version" in done.stderr


def test_a_command_line_starts_fast(gaol):
    """The libraries that cost tens of milliseconds stay out of the way from `gaol run` to its first byte."""
    import subprocess
    import sys

    from gaoler.cli import main as cli_main

    code = (
        f"import sys; sys.path.insert(0, {str(cli_main.__file__.rsplit('/gaoler/', 1)[0])!r})\n"
        "import gaoler.cli.main, gaoler.cli.commands, gaoler.cli.views, gaoler.cli.machines, gaoler.cli.sessions, gaoler.cli.arguments, gaoler.client.session, gaoler.units\n"
        "print(' '.join(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    slow = {"argparse", "asyncio", "dataclasses", "enum", "http", "importlib", "inspect", "json", "logging", "pydantic", "pyroute2", "re",
            "rich", "signal", "socket", "subprocess", "threading", "typing"}  # fmt: skip
    assert not slow & set(loaded)


@pytest.mark.parametrize(("file", "why"), [("/etc", "Is a directory"), ("/nothing", "No such file or directory")])
def test_a_file_that_can_not_be_imported_is_named(gaol, file, why):
    assert gaol("import", file).stderr == f"gaol: {file} can't be read: {why}\ntry: gaol import --help\n"
