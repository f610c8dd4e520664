"""The daemon with what its unit takes from it, as systemd would: all that it does for machines and bases goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from system.support import sandbox
from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]

UNIT = Path(__file__).parents[3] / "packaging/gaoler.service"


@pytest.fixture
def confined(gateway):
    """The session's gateway, its daemon below the unit's walls; the usual one comes back at the end."""
    gateway.kill()
    gateway.wrapper = [sys.executable, sandbox.__file__, str(UNIT)]
    try:
        gateway.start()
        yield gateway
    finally:
        if gateway.process:
            gateway.kill()
        gateway.wrapper = []
        gateway.start()


def test_nothing_that_is_needed_is_taken(confined, alice, bob):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{confined.process.pid}/status").read_text().splitlines())
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert [number for number in sandbox.dropped(UNIT) if int(status["CapBnd"], 16) >> number & 1] == []
    for mode in ("seccomp", "ptrace"):
        done = confined.gaol("run", "--mode", mode, "--", "sh", "-c", "getent hosts gateway || ip route; id -u", user=alice)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0"), done.stderr
    with running(confined, alice, "walled", "--disk", "200M") as machine:
        assert machine.sh("head -c 4M /dev/zero > /root/full; sync; stat -c %s /root/full") == str(4 << 20)
        machine.gaol("snapshot", "warm", "--memory", check=True)
        machine.gaol("set", "cpus=0.5", check=True)
        machine.gaol("freeze", check=True)
        machine.gaol("thaw", check=True)
        machine.gaol("down", check=True)
        machine.gaol("restore", "warm", check=True)
        assert machine.sh("stat -c %s /root/full") == str(4 << 20), "it goes on"
        machine.gaol("share", bob.name, "--with-home", check=True)
        assert confined.gaol("exec", f"{alice.name}/walled", "--", "true", user=bob).returncode == 0
        machine.gaol("clone", "twin", check=True)
        confined.gaol("rm", "--force", "twin", user=alice, check=True)
        assert "/root/full" in machine.gaol("diff", check=True).stdout
    confined.gaol("base", "sync", "debian", check=True, timeout=240)
    assert confined.gaol("top", "--all").returncode == 0


def test_what_is_taken_is_gone():
    """For who takes over the daemon, and for what it starts."""
    refused = sandbox.refused(UNIT)
    assert {"reboot", "init_module", "finit_module", "kexec_load", "clock_settime", "iopl", "swapon", "syslog"} <= set(refused)
    assert not {"mount", "ptrace", "bpf", "personality", "modify_ldt", "chroot"} & set(refused), "what machines and their daemon use"
