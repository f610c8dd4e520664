"""What the administrator grants, held by the host: time to live, idle stop, memory, disk, machines."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gaoler.host import cgroup
from gaoler.host.cgroup import owners
from gaoler.host.jail.bundle import OOM_SCORE
from system.conftest import opened
from system.support import users
from system.support.components import components
from system.support.gateway import Gateway
from system.support.leaks import leaving_nothing
from system.support.machine import running
from system.support.waiting import until
from system.walls.test_socket import ask, connected

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def limited(gateway):
    """Restart the daemon with other limits; the usual ones come back at the end."""

    def restart(**limits):
        gateway.restart(limits=limits)

    yield restart
    gateway.restart()


def test_a_time_to_live_ends(gateway, alice):
    with running(gateway, alice, "brief", "--no-network", "--ttl", "2s") as machine:
        info = machine.info()
        assert info["expires"] == pytest.approx(info["started"] + 2)
        machine.gaol("wait", "--for", "stopped", "--timeout", "20s")
        assert (machine.info()["state"], machine.info()["reason"]) == ("stopped", "its time of 2s was over")
        assert time.time() >= info["expires"]
        machine.gaol("set", "ttl=never", check=True)
        machine.up()
        assert machine.info()["reason"] is None


def test_who_works_in_a_machine_is_told_before_its_time_is_over(gateway, alice):
    with running(gateway, alice, "brief", "--no-network") as machine:
        machine.sh("printf '#!/bin/sh\\necho \"$@\" > /root/told\\n' > /usr/local/sbin/wall; chmod +x /usr/local/sbin/wall")
        machine.gaol(
            "set", f"ttl={int(time.time() - machine.info()['started']) + 20}s", check=True
        )  # a quarter of that before its end
        told = until(lambda: machine.exec("cat", "/root/told").stdout, "it is told")
        assert re.fullmatch(
            r"brief is stopped in \d+s: its time is over then\. Its files stay\. On the host: gaol extend brief 2h\n", told
        )


def test_an_idle_machine_is_stopped_and_a_busy_one_is_not(gateway, alice, limited):
    limited(idle="3s", idle_action="stop")
    with running(gateway, alice, "idler", "--no-network") as idler, running(gateway, alice, "worker", "--no-network") as worker:
        worker.gaol("exec", "--", "sh", "-c", "(while :; do :; done) & sleep 0.1")
        idler.gaol("wait", "--for", "stopped", "--timeout", "30s")
        assert idler.info()["state"] == "stopped"
        assert worker.info()["state"] == "ready"


def test_too_many_machines(gateway, alice, limited):
    limited(machines=1)
    with running(gateway, alice, "one", "--no-network"):
        refused = gateway.gaol("up", "two", user=alice)
        assert refused.returncode == 5
        assert "limits.machines is 1" in refused.stderr
        refused = gateway.gaol("run", "--", "true", user=alice)
        assert refused.returncode == 5


def test_a_user_has_limits_of_his_own(gateway, alice, bob, limited):
    limited(user={alice.name: {"memory": 64 << 20}})
    refused = gateway.gaol("run", "--memory", "128M", "--", "true", user=alice)
    assert refused.returncode == 5
    assert f"limits.user.{alice.name}.memory is 64M" in refused.stderr
    assert gateway.gaol("run", "--memory", "128M", "--no-network", "--", "true", user=bob).returncode == 0


WISHES = {"memory": (0, -1, 1 << 62, 1 << 70), "cpus": (0, -1, 1e-9, 1e300), "disk": (0, -1, 1 << 62, 1 << 70),
          "ttl": (0, -1, 1 << 62, 1 << 70)}  # fmt: skip


@pytest.mark.parametrize("method", ["Up", "Run"])
def test_no_number_that_makes_no_sense_makes_a_machine(gateway, alice, method):
    for key, values in WISHES.items():
        for value in (*values, "NaN", "1e999", "true"):
            spec = json.dumps({key: 0}).replace("0", str(value))
            with connected(gateway, alice) as sock:
                command = ',"command":{"arguments":["true"]}' if method == "Run" else ""
                reply = ask(sock, f'{{"method":"org.gaoler.{method}","parameters":{{"spec":{spec}{command}}}}}'.encode())
            assert reply == {} or reply.get("error"), (spec, reply)
            assert reply == {} or reply["parameters"]["code"] in (2, 5), (spec, reply)
    assert gateway.json("ls", "--all") == []


def test_limits_that_are_lowered_hold_for_clones_at_once_and_from_the_next_start_on(gateway, alice, bob, limited):
    with running(gateway, alice, "rich", "--no-network", "--memory", "256M", "--disk", "500M") as machine:
        limited(memory="128M", disk="64M", pids=256)
        told = gateway.gaol("doctor").stdout
        assert f"{alice.name}/rich has memory 256M (limits.memory is 128M), disk 500M" in told
        assert "rich" not in gateway.gaol("doctor", user=bob).stdout, "who has which machine is nobody's business"
        machine.gaol("clone", "twin", check=True)
        twin = gateway.json("info", "twin", user=alice)
        assert (twin["memory"], twin["disk"]) == (128 << 20, 64 << 20)
        machine.gaol("snapshot", "before", check=True)
        machine.gaol("down", check=True)
        machine.gaol("restore", "before", check=True)
        machine.up()
        assert (machine.info()["memory"], machine.info()["disk"]) == (128 << 20, 64 << 20)
        done = gateway.gaol("exec", "rich", "--", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=100", user=alice)
        assert "Disk quota exceeded" in done.stderr
        assert f"{alice.name}/rich" not in gateway.gaol("doctor").stdout
        gateway.gaol("rm", "--force", "twin", user=alice, check=True)


def _df(machine) -> tuple[int, int, int]:
    """Bytes of the root as programs inside are told: size, used, available."""
    _, figures = machine.sh("df --block-size=1 --output=size,used,avail /").splitlines()
    size, used, available = map(int, figures.split())
    return size, used, available


def test_a_full_disk_is_the_machines_own(gateway, alice):
    with running(gateway, alice, "full", "--no-network", "--disk", "64M") as machine:
        size, used, available = _df(machine)
        assert size == 64 << 20
        assert used < 2 << 20, "what it shares with its base is not counted"
        assert available == size - used
        filled = gateway.gaol("exec", "full", "--", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=200", user=alice)
        assert filled.returncode == 1
        assert "Disk quota exceeded" in filled.stderr
        until(lambda: 48 << 20 < machine.info()["disk_used"] <= machine.info()["disk"] == 64 << 20, "info tells how full it is")
        until(lambda: _df(machine)[1] > 48 << 20, "df inside tells it, too")
        machine.gaol("exec", "--", "rm", "/big")
        machine.gaol("snapshot", "before")
        machine.gaol("down")
        machine.gaol("restore", "before")
        machine.gaol("up")
        again = gateway.gaol("exec", "full", "--", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=200", user=alice)
        assert "Disk quota exceeded" in again.stderr, "restored files are limited as well"
        machine.gaol("exec", "--", "sync")
        machine.gaol("down")
        machine.up()
        assert _df(machine)[1] > 48 << 20, "from its start on"


def test_memory_ends_with_the_machines_own(gateway, alice):
    done = gateway.gaol("run", "--no-network", "--memory", "96M", "--", "tail", "/dev/zero", user=alice)
    assert done.returncode == 137


def test_a_start_that_does_not_fit_is_refused(gateway, alice, bob, limited):
    """Rather than admitted and killed: of what an owner is granted as of what the host has to give."""
    limited(user={alice.name: {"owner_memory": "400M"}})
    with running(gateway, alice, "first", "--no-network", "--memory", "256M") as first:
        for refused in (
            gateway.gaol("up", "second", "--no-network", "--memory", "128M", user=alice),
            gateway.gaol("run", "--no-network", "--memory", "128M", "--", "true", user=alice),
        ):
            assert refused.returncode == 5
            assert "does not fit: it may take 176" in refused.stderr
            assert f"limits.user.{alice.name}.owner_memory" in refused.stderr
        assert gateway.gaol("run", "--no-network", "--memory", "128M", "--", "true", user=bob).returncode == 0
        assert [one["name"] for one in gateway.json("ls", user=alice)] == ["first"], "nothing was made"
        first.gaol("down", check=True)
        gateway.gaol("up", "second", "--no-network", user=alice, check=True)
        refused = gateway.gaol("up", "first", user=alice)
        assert refused.returncode == 5
        assert "try: gaol set first memory=" in refused.stderr
        gateway.gaol("rm", "--force", "second", user=alice, check=True)


def test_an_owners_machines_have_a_ceiling_together(gateway, alice, bob, limited):
    """Each within its own limit, together beyond their owner's, which was lowered while they ran: the one that has most ends, it
    alone, and says why. Those that it made room for go on, and another owner's do not notice. The ceiling of all would be every
    gateway's on this host: other tests' machines would end.
    """
    group = owners.Groups(gateway.prefix).of(str(alice.uid))
    hold = "(head -c 220M /dev/zero | tail -c 220M | (head -c 1; touch /root/full; sleep 1000)) > /dev/null 2>&1 < /dev/null &"
    with ExitStack() as stack:
        large, small, others = (
            stack.enter_context(running(gateway, user, name, "--no-network", "--memory", "300M"))
            for user, name in ((alice, "large"), (alice, "small"), (bob, "others"))
        )
        limited(user={alice.name: {"owner_memory": "400M", "owner_pids": 300}})
        limits = {place.name: place.read_text().strip() for at in cgroup.directories(group) for place in at.glob("pids.max")}
        assert limits == {"pids.max": "300"}
        adjusted = Path(f"/proc/{large.info()['pid']}/oom_score_adj").read_text().strip()
        assert adjusted == str(OOM_SCORE), "machines end before the host's services"
        for machine in (others, large):
            machine.sh(hold)
            until(lambda machine=machine: machine.exec("test", "-e", "/root/full").returncode == 0, "it holds its memory")
        assert small.sh("head -c 200M /dev/zero | tail -c 200M | wc -c") == str(200 << 20), "it goes on"
        until(lambda: large.state == "failed", "the one that has most has ended")
        told = rf"the machines of {alice.name} together .* may have, 400M \(limits\.user\.{alice.name}\.owner_memory\), .* most, 2\d\d"
        assert re.match(told, large.info()["reason"]), large.info()["reason"]
        assert (small.state, others.state) == ("ready", "ready")


def test_quotas_that_somebody_turned_off_are_turned_on_again(gateway, alice):
    subprocess.run(["btrfs", "quota", "disable", gateway.store], check=True)
    with running(gateway, alice, "later", "--no-network", "--disk", "60M") as machine:
        assert "btrfs simple quotas" in gateway.gaol("doctor").stdout
        assert "quota" in machine.exec("sh", "-c", "head -c 100M /dev/urandom > /root/much; sync").stderr


@pytest.fixture
def counted():
    """A gateway on a Linux before 6.7, as far as quotas go."""
    yield from opened(Gateway(components(), {"store": {"quotas": "full"}, "network": {"mode": "none"}}))


def test_full_quotas_limit_disks_too(counted):
    """What a machine shares with its base is not held against it: that alone is more than it may have."""
    fill = "head -c 25M /dev/urandom > /root/fits; sync; echo fits; head -c 40M /dev/urandom > /root/much; sync"
    with users.account(f"{counted.prefix}owner") as owner, leaving_nothing(counted):
        with running(counted, owner, "small", "--no-network", "--disk", "60M") as machine:
            done = machine.exec("sh", "-c", fill)
            assert done.stdout == "fits\n"
            assert "quota" in done.stderr or "No space" in done.stderr
            until(lambda: 25 << 20 < _df(machine)[1] <= _df(machine)[0] == 60 << 20, "df inside leaves the base out of it")
            machine.gaol("snapshot", "kept", check=True)
            machine.gaol("down", "--force", check=True)
            machine.gaol("restore", "kept", check=True)
            machine.up()
            assert machine.exec("sh", "-c", "head -c 60M /dev/urandom > /root/more; sync").stderr
        assert "btrfs full quotas" in counted.gaol("doctor").stdout


def test_full_quotas_are_waited_for_where_they_are_new():
    """What the base has is counted by then, and not held against the machine."""
    new = Gateway(components(), {"store": {"quotas": "off"}, "network": {"mode": "none"}})
    with contextmanager(opened)(new) as gateway, users.account(f"{gateway.prefix}owner") as owner, leaving_nothing(gateway):
        gateway.restart(store={"quotas": "full"})
        with running(gateway, owner, "early", "--no-network", "--disk", "60M") as machine:
            assert machine.exec("sh", "-c", "head -c 25M /dev/urandom > /root/fits; sync; echo fits").stdout == "fits\n"
            assert machine.exec("sh", "-c", "head -c 60M /dev/urandom > /root/much; sync").stderr
