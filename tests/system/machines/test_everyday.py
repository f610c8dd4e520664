"""What a person does all day, and what they are told when it goes wrong."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from gaoler.client import Gaoler
from gaoler.errors import Usage
from system.support.terminal import Terminal
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


# command lines


@pytest.mark.parametrize("words", [["x" * 9] * 100_000, ["y" * 120_000] * 16, ["\u00e9" * 40_000] * 20, ['"'] * 90_000])
def test_command_lines_are_as_long_as_on_the_host(gateway, quiet, alice, words):
    """2 MiB with a pointer for each word, as execve(2) has it; a word of 128 KiB at most."""
    script = 'echo $#; printf "%s" "$@" | wc -c'
    done = gateway.gaol("exec", quiet.name, "--", "sh", "-c", script, "sh", *words, user=alice)
    assert (done.stdout.split(), done.stderr) == ([str(len(words)), str(sum(len(word.encode()) for word in words))], "")


def test_more_than_a_machine_takes_is_one_clear_error(gateway, quiet, alice):
    done = gateway.gaol("exec", quiet.name, "--", "true", *["x" * 100_000] * 19, user=alice)
    assert done.returncode in (0, 126)  # the host's own environment takes from what is left of the 2 MiB
    with (
        Gaoler(str(gateway.socket)) as gaoler,
        pytest.raises(Usage, match="the command line is too long: gaoler takes 4 MiB of it"),
    ):
        gaoler.exec("quiet", owner=alice.name, arguments=["true", *["x" * 1000] * 5000])


# what is not there


@pytest.mark.parametrize(
    ("command", "said", "tried"),
    [
        (["nosuch", "-x"], "nosuch is not installed in this machine", "gaol exec quiet -- apt-get install -y nosuch"),
        (["ls | head"], 'there is no program "ls | head"', "gaol exec quiet -- sh -c 'ls | head'"),
        (["cd", "/tmp"], "cd is part of a shell, not a program", "gaol exec quiet -- sh -c 'cd /tmp'"),
        (["/opt/x/run"], "there is no /opt/x/run in the machine", "gaol exec quiet -- ls /opt/x"),
    ],
)
def test_a_command_that_is_not_there(gateway, quiet, alice, command, said, tried):
    done = gateway.gaol("exec", "quiet", "--", *command, user=alice)
    first, second = done.stderr.splitlines()
    assert (done.returncode, first.startswith(f"gaol: {said}: "), second) == (127, True, f"try: {tried}")


# what ends, and what is full


@pytest.mark.parametrize("way", ["killed", "stopped", "deleted"])
def test_a_machine_that_ends_under_a_command_is_not_ready_afterwards(gateway, quiet, alice, way):
    with gateway.popen(
        "exec", "quiet", "--", "sh", "-c", "echo up; exec tail -f /dev/null", user=alice, stdin=-3, stdout=-1, stderr=-1
    ) as process:
        assert process.stdout.readline() == b"up\n"
        if way == "killed":
            os.kill(gateway.json("info", "quiet", user=alice)["pid"], signal.SIGKILL)
        elif way == "stopped":
            gateway.gaol("down", "--force", "quiet", user=alice, check=True)
        else:
            gateway.gaol("rm", "--force", "quiet", user=alice, check=True)
        code = process.wait(30)
        said = process.stderr.read().decode()
        after = gateway.gaol("info", "quiet", "--json", user=alice)
    assert '"ready"' not in after.stdout
    if way == "killed":
        assert code == 125
        assert said.startswith("gaol: the machine ended before the command did: ")


def test_a_program_killed_for_want_of_memory_is_told_of(gateway, quiet, alice):
    done = gateway.gaol("exec", "quiet", "--", "sh", "-c", "tail /dev/zero", user=alice)
    assert done.returncode == 137
    assert re.search(r"^gaol: tail was killed inside: out of memory \(\w+\)", done.stderr, re.MULTILINE), done.stderr
    assert gateway.json("info", "quiet", user=alice)["killed"] == "tail"
    assert "tail, inside: its memory (256M) was full" in gateway.gaol("info", "quiet", user=alice).stdout
    with Terminal([gateway.program, "shell", "quiet"], **gateway.options(alice)) as terminal:
        terminal.expect("# ")
        terminal.type("tail /dev/zero\n")
        terminal.expect(r"gaol: tail was killed inside: out of memory \(\w+\)")
        terminal.type("exit\n")
    assert "killed inside" not in gateway.gaol("exec", "quiet", "--", "false", user=alice).stderr


def test_df_says_at_once_that_the_disk_is_full(gateway, alice):
    gateway.gaol("up", "small", "--no-network", "--disk", "48M", user=alice, check=True)
    try:
        script = (
            "dd if=/dev/urandom of=/root/much bs=1M count=100 2>&1 | grep -q quota && sleep 1.2; df --output=pcent / | tail -1"
        )
        done = gateway.gaol("exec", "small", "--", "sh", "-c", script, user=alice)
        assert int(done.stdout.strip().rstrip("%")) >= 95, done
    finally:
        gateway.gaol("rm", "--force", "small", user=alice)


# what there is


def test_snapshots_are_listed_with_their_time(gateway, quiet, alice):
    assert (
        gateway.gaol("snapshot", "quiet", "--list", user=alice).stdout
        == "no snapshots yet; try: gaol snapshot quiet before-upgrade\n"
    )
    before = time.time()
    for tag in ("zebra", "ape"):
        gateway.gaol("snapshot", "quiet", tag, user=alice, check=True)
    listed = gateway.json("snapshot", "quiet", "--list", user=alice)
    assert [one["tag"] for one in listed] == ["zebra", "ape"]
    assert all(before - 1 <= one["taken"] <= time.time() + 1 for one in listed)
    assert gateway.gaol("snapshot", "quiet", "--list", user=alice).stdout.startswith("TAG    TAKEN\nzebra  20")


def test_nothing_is_cloned_from_a_base_that_is_not_there(gateway, alice):
    done = gateway.gaol("up", "x", "--base", "nosuch", user=alice)
    assert done.returncode == 3
    assert "cloning" not in done.stderr


def test_a_newer_generation_is_told(gateway, quiet, alice):
    gateway.gaol("base", "add", "course", "--machine", f"{alice.name}/quiet", check=True)
    try:
        gateway.gaol("up", "old", "--no-network", "--base", "course", user=alice, check=True)
        gateway.gaol("exec", "quiet", "--", "touch", "/srv/more", user=alice, check=True)
        gateway.gaol("base", "sync", "course", check=True)
        assert gateway.json("info", "old", user=alice)["newer"] == "2"
        assert gateway.json("info", "quiet", user=alice)["newer"] is None
        shown = gateway.gaol("ls", user=alice).stdout
        assert "course 1*" in shown
        assert shown.endswith("gaol info old\n")
        told = gateway.gaol("up", "old", user=alice).stderr
        assert "gaol: course has generation 2 by now; old was made of 1: gaol rebase old, once it is stopped\n" in told
        standing = f"{alice.name}/old, generation 1 (there is a newer one), ready"
        assert standing in gateway.gaol("base", "info", "course").stdout
        assert alice.name not in gateway.gaol("base", "info", "course", user=alice).stdout.partition("machines")[2]
        assert "standing" not in gateway.json("base", "info", "course", user=alice)
        with Terminal([gateway.program, "base", "rm", "course"], **gateway.options(None)) as terminal:
            terminal.expect(rf"1 machine made from it \({alice.name}/old\) keep")
            terminal.expect(r"Delete it\? \[y/N\]")
            terminal.type("\n")
            assert terminal.wait() == 1
    finally:
        gateway.gaol("rm", "--force", "old", user=alice)
        gateway.gaol("base", "rm", "course", check=True)


def test_rm_asks_on_a_terminal(gateway, alice):
    gateway.gaol("up", "doomed", "--no-network", user=alice, check=True)
    with Terminal([gateway.program, "rm", "doomed"], **gateway.options(alice)) as terminal:
        terminal.expect(r"doomed: .* of files, made .* ago")
        terminal.expect(r"Delete it\? \[y/N\]")
        terminal.type("\n")
        assert terminal.wait() == 1
    assert gateway.json("info", "doomed", user=alice)["state"] == "ready"
    with Terminal([gateway.program, "rm", "doomed"], **gateway.options(alice)) as terminal:
        terminal.type("y\n")
        terminal.expect("deleted doomed: ")
        assert terminal.wait() == 0
    until(lambda: gateway.gaol("info", "doomed", user=alice).returncode == 3, "it is gone")


def test_the_log_begins_after_the_kernel_s_start(gateway, quiet, alice):
    shown = gateway.gaol("log", "quiet", user=alice).stdout
    assert "Linux version" in shown.splitlines()[0]
    assert "Memory:" not in shown
    assert "Memory:" in gateway.gaol("log", "quiet", "--boot", user=alice).stdout


# changed afterwards


def test_a_machine_can_be_changed(gateway, quiet, alice):
    told = gateway.gaol("set", "quiet", "memory=300M", "cpus=0.5", "disk=100M", "ttl=2h", user=alice, check=True).stdout
    assert told.startswith("quiet: cpus, disk, ttl changed\nquiet: memory will change at its next start")
    info = gateway.json("info", "quiet", user=alice)
    assert (info["memory"], info["cpus"], info["disk"]) == (300 << 20, 0.5, 100 << 20)
    assert info["expires"] - time.time() == pytest.approx(7200, abs=300)
    begin = gateway.json("top", user=alice)[0]["cpu_seconds"]
    gateway.gaol("exec", "quiet", "--", "timeout", "4", "sh", "-c", "while :; do :; done", user=alice)
    assert gateway.json("top", user=alice)[0]["cpu_seconds"] - begin < 3
    gateway.gaol("extend", "quiet", "1h", user=alice, check=True)
    assert gateway.json("info", "quiet", user=alice)["expires"] - time.time() == pytest.approx(10800, abs=300)
    gateway.gaol("set", "quiet", "ttl=never", user=alice, check=True)
    assert gateway.json("info", "quiet", user=alice)["expires"] is None
    done = gateway.gaol("extend", "quiet", "1h", user=alice)
    assert (done.returncode, "has no time to live" in done.stderr) == (1, True)
    done = gateway.gaol("set", "quiet", "memory=90G", user=alice)
    assert (done.returncode, "set by the administrator" in done.stderr) == (5, True)
    assert "try: gaol set quiet memory=" in done.stderr, "as it is typed here"
    gateway.gaol("down", "quiet", user=alice, check=True)
    gateway.gaol("set", "quiet", "network=on", "home=off", user=alice, check=True)
    gateway.gaol("up", "quiet", user=alice, check=True)
    assert gateway.json("info", "quiet", user=alice)["address"]
    inside = gateway.gaol(
        "exec", "quiet", "--", "sh", "-c", "grep MemTotal /proc/meminfo; grep -c hostfs.*/home /proc/mounts", user=alice
    )
    assert int(inside.stdout.split()[1]) > 256 << 10
    assert inside.stdout.split()[-1] == "0"


def test_a_time_to_live_that_was_set_ends_it(gateway, quiet, alice):
    gateway.gaol("set", "quiet", "ttl=1h", user=alice, check=True)
    gateway.gaol("set", "quiet", "ttl=2s", user=alice, check=True)
    until(lambda: gateway.json("info", "quiet", user=alice)["state"] == "stopped", "its time is over")


def test_a_machine_gets_another_name(gateway, quiet, alice):
    assert gateway.gaol("rename", "quiet", "still", user=alice).returncode == 1  # it runs
    gateway.gaol("down", "quiet", user=alice, check=True)
    gateway.gaol("up", "other", "--no-network", user=alice, check=True)
    assert gateway.gaol("rename", "quiet", "other", user=alice).returncode == 1
    gateway.gaol("rename", "quiet", "still", user=alice, check=True)
    gateway.gaol("up", "still", user=alice, check=True)
    assert gateway.gaol("exec", "still", "--", "hostname", user=alice).stdout == "still\n"
    for name in ("other", "still"):
        gateway.gaol("rm", "--force", name, user=alice, check=True)


def test_a_command_left_running(gateway, quiet, alice):
    pid = gateway.gaol(
        "exec", "--detach", "quiet", "--", "sh", "-c", "echo says; exec sleep 1000", user=alice, check=True
    ).stdout.strip()
    assert gateway.gaol("exec", "quiet", "--", "cat", f"/proc/{pid}/comm", user=alice).stdout == "sleep\n"
    until(lambda: "says" in gateway.gaol("log", "quiet", user=alice).stdout, "it is in the log")
    assert gateway.gaol("exec", "-d", "quiet", "--", "nosuch", user=alice).returncode == 127


def test_what_has_changed_in_a_machine(gateway, quiet, alice):
    gateway.gaol("snapshot", "quiet", "fresh", user=alice, check=True)
    script = """echo 10.0.0.1 friend >> /etc/hosts; mkdir /srv/app; head -c 5000 /dev/zero > /srv/app/data; rm -r /usr/share/doc/dpkg
        ln -s /etc/shadow /srv/app/link; mkfifo /srv/app/pipe; chmod 700 /opt; printf 'new\\n' > "/srv/app/$(printf 'a\\nb\\033[31m')" """
    gateway.gaol("exec", "quiet", "--", "sh", "-c", script, user=alice, check=True)
    found = gateway.json("diff", "quiet", "fresh", user=alice)
    told = {one["path"]: one for one in found["differences"]}
    assert {"/etc/hosts", "/srv/app", "/srv/app/data", "/srv/app/link", "/srv/app/pipe", "/opt", "/usr/share/doc/dpkg"} <= set(
        told
    )
    assert told["/srv/app/data"]["size"] == 5000
    assert told["/opt"]["how"] == ["mode"]
    assert told["/usr/share/doc/dpkg"]["change"] == "removed"
    assert all(
        path.startswith(("/etc/hosts", "/srv", "/opt", "/usr/share/doc/dpkg", "/var", "/tmp", "/root", "/run")) for path in told
    )
    patch = gateway.gaol("diff", "quiet", "fresh", "--patch", user=alice, check=True).stdout
    assert "+++ b/etc/hosts\n" in patch
    assert "+10.0.0.1 friend\n" in patch
    assert "+++ b/srv/app/a\\nb\\x1b[31m\n" in patch, patch
    assert "root:" not in patch, "a link to a secret is a link"
    against_base = gateway.gaol("diff", "quiet", user=alice, check=True).stdout
    assert re.search(r"^\+ +5000|^\+ +4\.9K", against_base, re.MULTILINE), against_base
    assert "since debian" in against_base.splitlines()[-1]
    assert gateway.gaol("diff", "quiet", "nosuch", user=alice).returncode == 3
    assert gateway.gaol("diff", f"{alice.name}/quiet", user=alice, check=True)
    gateway.gaol("down", "quiet", user=alice, check=True)
    assert "/srv/app/" in gateway.gaol("diff", "quiet", "fresh", user=alice, check=True).stdout
