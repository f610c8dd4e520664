"""A machine shared with a friend: what they may, and that it is never more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from gaoler.client import Gaoler
from gaoler.errors import GaolerError
from gaoler.wire.methods import METHODS
from system.support.machine import running
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]
MAY = {"Inspect", "Exec", "SshConnect", "List"}
"""All that a friend may, of what names a machine."""


@pytest.fixture
def project(gateway, alice):
    with running(gateway, alice, "project", "--no-network", "--no-home") as machine:
        yield machine


def test_a_friend_is_let_in_and_out(gateway, project, alice, bob):
    theirs = f"{alice.name}/project"

    def inside(*words, user=bob):
        return gateway.gaol("exec", theirs, "--", *words, user=user)

    nothing = gateway.gaol("exec", f"{alice.name}/nosuch", "--", "id", user=bob)
    assert (inside("id").returncode, inside("id").stderr) == (3, nothing.stderr.replace("nosuch", "project"))

    told = gateway.gaol("share", "project", bob.name, user=alice, check=True).stdout
    assert told == f"{bob.name} may go into project as root: gaol shell {theirs}\n"
    assert inside("id", "-un").stdout == "root\n"
    assert f"\n{theirs} " in gateway.gaol("ls", user=bob).stdout
    assert gateway.json("ls", user=alice)[0]["shares"][0]["user"] == bob.name
    seen = gateway.json("info", theirs, user=bob)
    assert (seen["access"], seen["shares"], seen["pid"]) == ("root", [], None)
    piped = gateway.gaol("exec", theirs, "--", "sh", "-c", "cat; echo oops >&2; exit 7", user=bob, input="a" * 500_000)
    assert (piped.returncode, len(piped.stdout), piped.stderr) == (7, 500_000, "oops\n")
    (bob.home / "note").write_text("hello")
    gateway.gaol("cp", str(bob.home / "note"), f"{theirs}:/srv/note", user=bob, check=True)
    assert inside("cat", "/srv/note").stdout == "hello"

    # It is bob's by no other name, and nobody else's.
    assert gateway.gaol("exec", "project", "--", "id", user=bob).returncode == 3
    assert gateway.json("info", "project", user=alice)["access"] is None

    # As a user: of their own, and nobody else.
    gateway.gaol("share", "project", bob.name, "--as", "user", user=alice, check=True)
    assert inside("id", "-un").stdout == f"{bob.name}\n"
    assert gateway.gaol("exec", "--user", bob.name, theirs, "--", "id", "-un", user=bob).stdout == f"{bob.name}\n"
    for other in (alice.name, "0", "daemon"):
        assert gateway.gaol("exec", "--user", other, theirs, "--", "id", user=bob).returncode == 4

    # With the home it ends, also where it comes later.
    gateway.gaol("set", "project", "home=on", user=alice, check=True)
    assert inside("id").returncode == 4
    refused = gateway.gaol("share", "project", bob.name, user=alice)
    assert (refused.returncode, "your home directory is in project" in refused.stderr) == (1, True)
    gateway.gaol("share", "project", bob.name, "--with-home", user=alice, check=True)
    assert inside("id").returncode == 0
    gateway.gaol("set", "project", "home=off", user=alice, check=True)

    # A session ends with the share, whatever it does.
    gateway.gaol("share", "project", bob.name, user=alice, check=True)
    stubborn = ["sh", "-c", "trap '' HUP TERM INT; echo in; while read -r line; do echo $line; done; exec tail -f /dev/null"]
    with gateway.popen("exec", theirs, "--", *stubborn, user=bob, stdin=-1, stdout=-1, stderr=-1) as process:
        assert process.stdout.readline() == b"in\n"
        process.stdin.write(b"more\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"more\n"
        gateway.gaol("unshare", "project", bob.name, user=alice, check=True)
        assert process.wait(60) != 0
    assert inside("id").returncode == 3
    assert theirs not in gateway.gaol("ls", user=bob).stdout
    assert gateway.gaol("unshare", "project", bob.name, user=alice).returncode == 3

    # And with its time.
    gateway.gaol("share", "project", bob.name, "--until", "3s", user=alice, check=True)
    with gateway.popen("exec", theirs, "--", "tail", "-f", "/dev/null", user=bob, stdin=-3, stdout=-1, stderr=-1) as process:
        assert process.wait(60) != 0
    until(lambda: inside("id").returncode == 3, "its time is over")

    # It follows a new name, and a clone has none.
    gateway.gaol("share", "project", bob.name, user=alice, check=True)
    gateway.gaol("clone", "project", "copy", user=alice, check=True)
    gateway.gaol("down", "project", user=alice, check=True)
    gateway.gaol("rename", "project", "work", user=alice, check=True)
    try:
        assert [f"{one['owner']}/{one['name']}" for one in gateway.json("ls", user=bob)] == [f"{alice.name}/work"]
        assert gateway.gaol("info", f"{alice.name}/copy", user=bob).returncode == 3
    finally:
        gateway.gaol("rename", "work", "project", user=alice, check=True)
        gateway.gaol("rm", "--force", "copy", user=alice, check=True)


def test_a_friend_comes_by_ssh(gateway, project, alice, bob):
    """Through the daemon: it takes no network, and nothing of the owner's."""
    theirs, host, config = f"{alice.name}/project", f"project.{alice.name}", bob.home / "config"

    def program(*words, **options):
        run = {**gateway.options(bob), "stdin": subprocess.DEVNULL, **options}
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False, **run)

    assert gateway.gaol("ssh", theirs, "true", user=bob).returncode == 3
    gateway.gaol("share", "project", bob.name, user=alice, check=True)
    done = gateway.gaol("ssh", theirs, "id -un; echo err >&2; exit 5", user=bob)
    assert (done.stdout, done.stderr, done.returncode) == ("root\n", "err\n", 5)

    # What is printed once is right for ever, and has all that there is.
    try:
        config.write_text(gateway.gaol("ssh-config", user=bob, check=True).stdout)
        assert f"Host {host}\n    User root\n" in config.read_text()
        (bob.home / "note").write_text("hello")
        for copy in (["scp", "-F", str(config), "note", f"{host}:/srv/note"],
                     ["sftp", "-F", str(config), "-b", "-", host],
                     ["rsync", "-e", f"ssh -F {config}", "note", f"{host}:/srv/synced"]):  # fmt: skip
            done = program(*copy, stdin=None, input="put note /srv/put\n") if copy[0] == "sftp" else program(*copy)
            assert done.returncode == 0 or "rsync: not found" in done.stderr, done.stderr
        assert project.sh("cat /srv/note /srv/put") == "hellohello"
        key = project.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
        known = bob.home / ".cache/gaoler" / host / "host_keys"
        assert known.read_text() == f"{host} ssh-ed25519 {key}\n"
        project.sh("cd /etc/ssh; mkdir before; mv ssh_host_* before; ssh-keygen -q -A")
        assert "ost key verification failed" in program("ssh", "-F", str(config), host, "true").stderr
        project.sh("cd /etc/ssh; rm ssh_host_*; mv before/* .; rmdir before")

        # Nothing of the owner's is given away, nothing of the friend's is left, and as a user one is nobody else.
        assert [path.name for path in known.parent.iterdir()] == ["host_keys"]
        public = program("ssh-keygen", "-y", "-f", str(bob.home / ".cache/gaoler/.own/identity")).stdout.split()[1]
        project.sh(f"! grep -r {public} /run /etc /root /tmp")
        gateway.gaol("share", "project", bob.name, "--as", "user", user=alice, check=True)
        for words in ("ssh", theirs), ("ssh", theirs, "-l", bob.name):
            assert gateway.gaol(*words, "id", "-un", user=bob).stdout == f"{bob.name}\n"
        for login in ("root", alice.name):
            done = gateway.gaol("ssh", theirs, "-l", login, "id", user=bob)
            assert (done.returncode, "Permission denied" in done.stderr) == (255, True), done.stderr

        # It ends with the share, and nothing that is left lets anybody in.
        with gateway.popen("ssh", theirs, "trap '' HUP; echo in; exec tail -f /dev/null", user=bob, stdout=-1, stderr=-1) as process:
            assert process.stdout.readline() == b"in\n"
            gateway.gaol("unshare", "project", bob.name, user=alice, check=True)
            assert process.wait(60) == 255
        done = program("ssh", "-F", str(config), host, "true")
        assert (done.returncode, f'no machine "{theirs}"' in done.stderr) == (255, True), done.stderr
        assert host not in gateway.gaol("ssh-config", user=bob, check=True).stdout
    finally:
        config.unlink(missing_ok=True)


def test_a_friend_may_nothing_else(gateway, project, alice, bob):
    gateway.gaol("share", "project", bob.name, user=alice, check=True)
    gateway.gaol("snapshot", "project", "one", user=alice, check=True)
    before = gateway.json("info", "project", user=alice)
    more = {"new": "mine", "tag": "one", "base": "mine", "user": bob.name, "until": "ready", "timeout": 0.1, "cpus": 0.5,
            "command": {"arguments": ["id"]}, "to": bob.name, "target": "/tmp/backup", "kept": []}  # fmt: skip
    script = """import json, sys
from gaoler.client import Gaoler
from gaoler.errors import GaolerError
for method, parameters in json.load(sys.stdin):
    with Gaoler() as gaoler:
        try:
            gaoler.call(method, **parameters)
            print(method, 0)
        except GaolerError as error:
            print(method, error.code)
"""
    calls = []
    for name, method in METHODS.items():
        fields = method.request.model_fields
        if {"name", "owner"} <= set(fields) and name not in MAY:
            calls.append((name, {"name": f"{alice.name}/project"} | {key: value for key, value in more.items() if key in fields}))
    assert len(calls) > 15
    python = [
        os.path.realpath(sys.executable),
        "-IS",
        "-c",
        f"import sys; sys.path.insert(0, {str(gateway.directory / 'lib')!r})\n{script}",
    ]
    done = subprocess.run(
        python, input=json.dumps(calls), capture_output=True, text=True, timeout=120, check=True, **gateway.options(bob)
    )
    answered = dict(line.split() for line in done.stdout.splitlines())
    assert list(answered) == [name for name, _ in calls]
    assert {name: code for name, code in answered.items() if code not in ("3", "4")} == {}, "no machine, or not allowed"
    after = gateway.json("info", "project", user=alice)
    assert project.lasting(after) == project.lasting(before)


def test_root_and_the_owner_need_no_share(gateway, project, alice):
    for user in ("root", alice.name):
        assert gateway.gaol("share", "project", user, user=alice).returncode == 2
    assert gateway.gaol("share", "project", "no-such-user", user=alice).returncode == 3
    assert gateway.gaol("share", "project", "nobody", "--until", "2000-01-01", user=alice).returncode == 2
    with Gaoler(str(gateway.socket)) as gaoler, pytest.raises(GaolerError, match="that time is over"):
        gaoler.share("project", "nobody", owner=alice.name, ends=time.time() - 1)
