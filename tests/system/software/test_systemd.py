"""systemd as a machine's init: `gaol up --init systemd`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]

KIT = Path(__file__).parents[3] / "packaging/master"


@pytest.fixture(scope="module")
def box(gateway, alice):
    with leaving_nothing(gateway), running(gateway, alice, "box", "--init", "systemd", "--memory", "512M") as machine:
        machine.sh("systemctl is-system-running --wait || true", timeout=60)
        yield machine


def test_it_reaches_multi_user_and_no_unit_has_failed(box):
    assert (
        box.sh("cat /proc/1/comm; systemctl is-system-running; systemctl is-active multi-user.target")
        == "systemd\nrunning\nactive"
    )
    assert box.sh("systemctl list-units --failed --plain --no-legend") == ""
    assert box.state == "ready"


def test_its_services_have_control_groups_that_hold(box):
    hog = box.exec(
        "systemd-run", "--quiet", "--wait", "-p", "MemoryMax=16M", "-p", "MemorySwapMax=0", "python3", "-c", "bytearray(64 << 20)"
    )
    assert hog.returncode != 0
    assert box.sh("journalctl --no-pager -o cat | grep -c \"result 'oom-kill'\"") == "1"
    box.sh("systemctl list-units --failed --plain --no-legend | cut -d' ' -f1 | xargs -r systemctl reset-failed")
    limits = "-p TasksMax=7 -p CPUQuota=50%"
    assert (
        box.sh(
            f"systemd-run --quiet --wait --pipe {limits} sh -c 'cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); cat pids.max cpu.max'"
        )
        == "7\n50000 100000"
    )


def test_its_sandboxes_work(box):
    """Namespaces and filters that units of distributions ask for, and a user that exists while the service runs."""
    sandbox = "-p DynamicUser=yes -p PrivateNetwork=yes -p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes -p PrivateDevices=yes"
    sandbox += (
        " -p RestrictNamespaces=yes -p SystemCallFilter=@system-service -p MemoryDenyWriteExecute=yes -p StateDirectory=sandboxed"
    )
    script = "ip -brief link | grep -oE ^[a-z0-9]+; touch /var/lib/sandboxed/file; touch /etc/file 2> /dev/null || echo read-only; test $(id -u) -ge 61184 && echo dynamic"
    said = box.sh(f"systemd-run --quiet --wait --pipe {sandbox} sh -c '{script}'")
    assert said == "lo\nread-only\ndynamic"
    assert box.sh("ls /var/lib/private/sandboxed") == "file"


def test_timers_and_sockets_start_services(box):
    box.sh("""
        printf '[Socket]\\nListenStream=127.0.0.1:7777\\nAccept=yes\\n[Install]\\nWantedBy=sockets.target\\n' > /etc/systemd/system/echo.socket
        printf '[Service]\\nExecStart=/bin/cat\\nStandardInput=socket\\n' > /etc/systemd/system/echo@.service
        systemctl daemon-reload; systemctl enable --quiet --now echo.socket""")
    assert box.sh("bash -c 'exec 3<> /dev/tcp/127.0.0.1/7777; echo hello >&3; head -1 <&3'") == "hello"
    box.sh("systemd-run --quiet --on-active=0.1 --unit=once touch /run/once")
    until(lambda: box.exec("test", "-e", "/run/once").returncode == 0, "the timer has run")


def test_the_master_kit_is_at_home_there(gateway, alice):
    """Installed as its README has it; its timer is set, its service updates, its server serves to the gateway alone."""
    with running(gateway, alice, "master", "--init", "systemd", "--memory", "512M") as master:
        master.sh("systemctl is-system-running --wait || true", timeout=60)
        master.sh(
            "tar -C /root -x",
            input=subprocess.run(["tar", "-C", KIT.parent, "-c", KIT.name], capture_output=True, check=True).stdout,
            text=False,
        )
        master.sh(f"rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; /root/{KIT.name}/install {gateway.address}")
        assert "gaoler-master-update.timer" in master.sh("systemctl list-timers --no-pager")
        assert master.sh("systemd-analyze verify /etc/systemd/system/gaoler-master-update.* 2>&1 | grep gaoler || true") == ""
        master.sh("systemctl start gaoler-master-update.service", timeout=60)
        assert "result=ok" in master.sh("cat /var/lib/gaoler-master/status")
        master.sh("gaoler-master-check")
        served = subprocess.run(
            ["rsync", f"rsync://{master.address}/root/etc/hostname"], capture_output=True, text=True, check=False
        )
        assert "hostname" in served.stdout, served.stderr
        assert master.exec("rsync", "rsync://127.0.0.1/root/").returncode == 5, "nobody else is let in"


def test_it_ends_gracefully_and_comes_again(box):
    box.sh("""
        printf '[Service]\\nType=oneshot\\nExecStart=touch /run/came\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/come.service
        systemctl enable --quiet come.service""")
    box.gaol("down", check=True)
    assert box.state == "stopped"
    box.up()
    assert box.sh("systemctl is-system-running --wait", timeout=60) == "running"
    assert box.exec("test", "-e", "/run/came").returncode == 0, "what was enabled has been started"
    assert "Reached target" in box.sh("journalctl --no-pager --boot -o cat")
