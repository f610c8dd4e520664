"""What a session inside is, and what ends the machine from inside."""

from __future__ import annotations

import re

import pytest

from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_a_session_of_the_owner_is_a_login(quiet, gateway, alice):
    quiet.sh(
        f"echo COURSE=algebra >> /etc/environment; echo '{alice.name} hard nofile 2000' >> /etc/security/limits.conf;"
        f" echo '{alice.name} soft nofile 999' >> /etc/security/limits.conf"
    )
    told = quiet.sh("echo $COURSE $(ulimit -n) $(ulimit -Hn) $HOME $SHELL $TERM", guest_user=alice.name)
    assert told == f"algebra 999 2000 {alice.home} /bin/bash"
    assert quiet.sh("echo none$COURSE").endswith("none"), "root's session is what it was"
    # It is closed when the command has ended, and what the caller says counts more.
    until(lambda: "agent login" not in quiet.sh("ps -eo args"), "PAM's session is over")
    quiet.sh("echo TERM=dumb >> /etc/environment; mv /etc/pam.d/su /root")
    assert quiet.sh("echo none$COURSE; id -un", guest_user=alice.name) == f"none\n{alice.name}"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_is_the_callers(quiet, gateway, alice, mask):
    for user in ("root", alice.name):
        assert quiet.exec("sh", "-c", "umask", guest_user=user, umask=mask).stdout == f"{mask:04o}\n"


@pytest.mark.parametrize("by", ["poweroff", "halt", "reboot", "shutdown -h now", "shutdown -r +0", "init 0", "/sbin/telinit 6"])
def test_what_ends_a_machine(quiet, by):
    done = quiet.exec("sh", "-c", by)
    assert "systemd" not in done.stderr
    until(lambda: quiet.state == "stopped", f"{by} has ended it")


@pytest.mark.parametrize("by", ["poweroff -f", "reboot -f"])
def test_what_ends_a_machine_as_it_is(quiet, by):
    quiet.exec("sh", "-c", f"echo kept > /root/kept; {by}")
    until(lambda: quiet.state == "failed", f"{by} has ended it")
    assert quiet.info()["reason"].startswith("its kernel ended by itself; the last on its console: reboot: ")
    quiet.up()
    assert quiet.sh("cat /root/kept") == "kept"


def test_a_shutdown_is_for_later_and_can_be_cancelled(quiet):
    told = quiet.exec("shutdown", "-h", "+100").stderr
    assert re.fullmatch(r"shutdown: it will poweroff at \w+ [\d-]+ [\d:]+ UTC; shutdown -c cancels it\n", told)
    assert "sleep 6000" in quiet.sh("ps -eo args")
    quiet.sh("shutdown -r +200; shutdown -c; ! ps -eo args | grep -q '^sleep'")
    assert quiet.exec("shutdown", "25:00").stderr == "shutdown: can't tell the time 25:00: now, +MINUTES or HOURS:MINUTES\n"
    assert quiet.exec("init", "3").returncode == 1
    assert quiet.state == "ready"
    # A minute that is over at once.
    quiet.sh(
        "printf '#!/bin/sh\\necho $1 > /root/waited; sync\\n' > /usr/local/sbin/sleep; chmod +x /usr/local/sbin/sleep; shutdown +1"
    )
    until(lambda: quiet.state == "stopped", "the time has come")
    quiet.up()
    assert quiet.sh("cat /root/waited") == "60"


def test_beside_systemd_they_are_systemds(gateway, alice):
    with running(gateway, alice, "unit", "--init", "systemd", "--no-network") as machine:
        machine.up()
        said = machine.exec("shutdown", "-h", "+100")
        assert said.returncode == 0
        assert "shutdown -c" in said.stderr
        assert "MODE=poweroff" in machine.sh("cat /run/systemd/shutdown/scheduled; shutdown -c")
        machine.exec("init", "0")
        until(lambda: machine.state == "stopped", "init 0 has ended it")
