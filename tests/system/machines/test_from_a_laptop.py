"""Machines from a computer that has an ssh client, the gateway's address, and what `gaol ssh-config --jump` printed there."""

from __future__ import annotations

import subprocess

import pytest

from system.support.laptop import NAME, laptop
from system.support.machine import running
from system.support.waiting import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.timeout(300)]


@pytest.fixture
def elsewhere(gateway, alice, bob, tmp_path):
    """Who sits there; alice and bob on the gateway."""
    with laptop(gateway, tmp_path, alice, bob) as user:
        yield user


@pytest.fixture
def ssh(elsewhere):
    def run(*words, **options):
        given = {"env": elsewhere.environment, "cwd": elsewhere.home, "stdin": subprocess.DEVNULL, **options}
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False, **elsewhere.credentials, **given)

    return run


def printed(ssh, elsewhere, owner):
    """Keep the blocks that the gateway prints for `owner`."""
    done = ssh("ssh", f"{owner.name}@{NAME}", "gaol", "ssh-config", "--jump", "--gateway", NAME)
    assert done.returncode == 0, done.stderr
    (elsewhere.home / ".ssh/gaol").write_text(done.stdout)


def test_own_machines(gateway, alice, elsewhere, ssh):
    with running(gateway, alice, "project", "--no-network", "--no-home"):
        printed(ssh, elsewhere, alice)
        (elsewhere.home / "note").write_text("hello")
        for words in (["scp", "note", "project:/tmp/note"], ["sftp", "-b", "-", "root@project"]):
            done = ssh(*words, stdin=None, input="put note /srv/put\n") if words[0] == "sftp" else ssh(*words)
            assert done.returncode == 0, done.stderr
        done = ssh("ssh", "project", "id -un; cat /tmp/note /srv/put; echo err >&2; exit 5")
        assert (done.returncode, done.stdout, done.stderr) == (5, f"{alice.name}\nhellohello", "err\n")
        # A key of another kind, beside the first.
        keygen = ["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", "other"]
        assert ssh(*keygen).returncode == 0
        assert ssh("ssh", "-i", "other", "-oIdentitiesOnly=yes", "project", "true").returncode == 255
        with (alice.home / ".ssh/authorized_keys").open("a") as keys:
            keys.write((elsewhere.home / "other.pub").read_text())
        assert ssh("ssh", "-i", "other", "-oIdentitiesOnly=yes", "project", "true").returncode == 0
    done = ssh("ssh", "project", "true")
    assert (done.returncode, 'no machine "project"' in done.stderr) == (255, True), done.stderr
    # Another one of that name has another host key: the block is as right as before.
    with running(gateway, alice, "project", "--no-network", "--no-home"):
        assert ssh("ssh", "project", "hostname").stdout == "project\n"


def test_what_friends_share(gateway, alice, bob, elsewhere, ssh):
    with running(gateway, alice, "project", "--no-network", "--no-home"):
        gateway.gaol("share", "project", bob.name, "--as", "user", user=alice, check=True)
        printed(ssh, elsewhere, bob)
        host = f"project.{alice.name}"
        assert ssh("ssh", host, "id", "-un").stdout == f"{bob.name}\n"
        assert "Permission denied" in ssh("ssh", f"root@{host}", "id").stderr

        # Whose time is over is out, in the middle of whatever they do.
        for seconds in (3, 10, 30):  # a slow host lets nobody in within three
            gateway.gaol("share", "project", bob.name, "--until", f"{seconds}s", user=alice, check=True)
            done = ssh("ssh", host, "trap '' HUP TERM; echo in; exec tail -f /dev/null")
            assert done.returncode == 255, done.stderr
            if done.stdout:
                break
        assert done.stdout == "in\n"
        assert ssh("ssh", host, "true").returncode == 255
