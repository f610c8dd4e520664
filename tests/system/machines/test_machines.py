"""Machines that stay: every verb of the command line, as a plain user."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from system.support.machine import Machine, running
from system.support.terminal import Terminal
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]

INFO = {
    "name", "owner", "state", "missing", "base", "generation", "kernel", "address", "address6", "mac", "memory", "cpus",
    "disk", "created", "started", "expires", "pid", "console",
}  # fmt: skip
"""What `gaol info --json` has at least, by contract."""
POWER_OFF = ["perl", "-e", "syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)"]


def _family(pid):
    """The process and those below it; what ends meanwhile has none."""
    with suppress(FileNotFoundError, ProcessLookupError):
        children = (int(child) for task in os.listdir(f"/proc/{pid}/task")
                    for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split())  # fmt: skip
        return {pid}.union(*map(_family, children))
    return set()


def _traced(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    return False


# up, ls, info, top, log


def test_up_tells_name_and_address_of_a_machine_that_is_ready(gateway, alice):
    with running(gateway, alice, "web") as machine:
        info = machine.info()
        again = machine.gaol("up")
        assert again.stdout == f"web  {info['address']}\n"
        assert info["state"] == "ready"
        assert info["missing"] == []


def test_info_has_the_keys_of_the_contract(web, alice, gateway):
    info = web.info()
    assert info.keys() >= INFO
    assert (info["name"], info["owner"], info["base"]) == ("web", alice.name, "debian")
    assert info["generation"] == "1"
    assert info["kernel"] == gateway.components.kernel_name
    assert info["memory"] == 256 << 20
    assert re.fullmatch("02(:[0-9a-f]{2}){5}", info["mac"])
    assert info["created"] <= info["started"] <= time.time()
    assert info["expires"] is None
    assert os.path.exists(f"/proc/{info['pid']}")
    assert [web.lasting(one) for one in gateway.json("ls", user=alice)] == [web.lasting(info)]
    assert web.lasting(gateway.json("info", user=alice)) == web.lasting(info), "one's only machine needs no name"


def test_people_get_text(web, gateway, alice):
    assert re.search(r"^web +ready +10\.", gateway.gaol("ls", user=alice).stdout, re.MULTILINE)
    assert "address" in web.gaol("info").stdout
    assert "Linux version" in web.gaol("log").stdout
    assert gateway.gaol("top", user=alice).stdout.splitlines()[1].split()[1] == "web"


def test_top_counts_what_the_machine_uses(quiet, gateway, alice):
    (before,) = gateway.json("top", user=alice)
    quiet.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 50M /dev/zero > /dev/shm/file")
    (after,) = gateway.json("top", user=alice)
    assert after["cpu_seconds"] > before["cpu_seconds"]
    assert after["memory"] - before["memory"] > 40 << 20
    assert after["memory_limit"] == 256 << 20
    assert 1 <= after["tasks"] < 200
    assert 0 < before["uptime"] < after["uptime"] < 100


def test_up_twice_is_once(quiet):
    before = quiet.lasting(quiet.info())
    quiet.up()
    assert quiet.lasting(quiet.info()) == before


def test_up_with_other_wishes_is_refused(quiet):
    before = quiet.lasting(quiet.info())
    done = quiet.gaol("up", "--memory", "300M")
    assert done.returncode == 1
    assert "quiet is there already, and its memory is 256M" in done.stderr
    assert "gaol set quiet memory=300M" in done.stderr
    assert "its init is startenv" in quiet.gaol("up", "--init", "systemd").stderr
    assert quiet.lasting(quiet.info()) == before


def test_a_machine_without_name_is_named_after_its_owner(gateway, alice):
    try:
        assert gateway.gaol("up", "--no-network", user=alice, check=True).stdout.split() == [alice.name, "-"]
        assert gateway.json("info", user=alice)["name"] == alice.name
    finally:
        gateway.gaol("rm", alice.name, user=alice)


def test_wishes_come_true(gateway, alice):
    with running(gateway, alice, "own", "--no-network", "--no-home", "--memory", "100M", "--cpus", "0.5",
                 "--mode", "ptrace", "--kernel", gateway.components.kernel_name) as machine:  # fmt: skip
        info = machine.info()
        assert (info["memory"], info["cpus"], info["mode"], info["home"]) == (100 << 20, 0.5, "ptrace", False)
        assert info["mac"] is None
        assert 60_000 < int(machine.sh("grep MemTotal /proc/meminfo").split()[1]) < 102_400
        assert any(_traced(pid) for pid in _family(info["pid"])), "in ptrace mode programs inside are traced"
        assert "/home" not in machine.sh("cat /proc/mounts")


def test_many_machines_start_at_once(gateway, alice, bob):
    names = ["one", "two", "three", "four"]
    users = [alice, bob]

    def start(pair):
        user, name = pair
        return Machine(gateway, name, user).gaol("up")

    pairs = [(user, name) for user in users for name in names]
    try:
        with ThreadPoolExecutor(len(pairs)) as pool:
            codes = [done.returncode for done in pool.map(start, pairs)]
        assert codes == [0] * len(pairs)
        machines = gateway.json("ls", "--all")
        assert {machine["state"] for machine in machines} == {"ready"}
        assert len({machine["address"] for machine in machines}) == len(pairs)
    finally:
        for user, name in pairs:
            Machine(gateway, name, user).remove()


# exec, shell


def test_exec_passes_streams_and_code(quiet):
    done = quiet.exec("sh", "-c", "cat; echo err >&2; exit 9", input="in\n")
    assert (done.stdout, done.stderr, done.returncode) == ("in\n", "err\n", 9)
    assert quiet.exec("no-such-command").returncode == 127
    assert quiet.exec("/etc/passwd").returncode == 126


def test_exec_as_another_user_of_the_machine(quiet, alice):
    assert quiet.sh("id -un; id -u; pwd; echo $HOME", guest_user=alice.name).split() == [
        alice.name, str(alice.uid), str(alice.home), str(alice.home),
    ]  # fmt: skip
    done = quiet.exec("id", guest_user="nobody-here")
    assert done.returncode == 125
    assert "nobody-here" in done.stderr


def test_many_sessions_at_once(quiet):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: quiet.exec("cat", input=f"{number}\n" * 10_000).stdout, range(16)))
    assert answers == [f"{number}\n" * 10_000 for number in range(16)]


def test_a_command_in_the_background_does_not_hold_the_session(quiet):
    done = quiet.exec("sh", "-c", "sleep 1000 & echo $!", timeout=PATIENCE)
    assert done.returncode == 0
    quiet.sh(f"kill {done.stdout}")


def test_shell_is_a_login_shell_on_a_terminal(gateway, quiet, alice):
    with Terminal([gateway.program, "shell", "quiet"], 30, 90, **gateway.options(alice)) as terminal:
        terminal.expect("root@quiet:.*# ")
        terminal.type("shopt -q login_shell && echo yes-$((40+2)); stty size\n")
        terminal.expect("yes-42")
        terminal.expect("30 90")
        terminal.type("exit 4\n")
        assert terminal.wait() == 4


def test_a_shell_whose_terminal_is_gone_ends_with_what_runs_in_it(gateway, quiet, alice):
    with Terminal([gateway.program, "shell", quiet.name], **gateway.options(alice)) as terminal:
        # Typed before the shell is there: none of it is lost.
        terminal.type("exec sh -c 'echo $$ >/root/here; echo waits; exec tail -f /dev/null'\n")
        terminal.expect("waits\r\n")
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE) == 128 + signal.SIGHUP
    until(lambda: quiet.exec("sh", "-c", "kill -0 $(cat /root/here)").returncode, "what ran in it has ended")


def test_shell_needs_no_terminal(quiet, gateway, alice):
    done = gateway.gaol("shell", "quiet", "--user", alice.name, user=alice, input="id -un; exit 6\n")
    assert (done.stdout, done.returncode) == (f"{alice.name}\n", 6)


# ssh, cp


def test_ssh(web, alice):
    done = web.gaol("ssh", "sh", "-c", "'id -un; echo err >&2; exit 5'")
    assert (done.stdout, done.stderr, done.returncode) == (f"{alice.name}\n", "err\n", 5)
    assert web.gateway.gaol("ssh", "web", "-l", "root", "id", "-un", user=alice).stdout == "root\n"


def test_ssh_config_is_all_that_openssh_needs(web, alice, tmp_path):
    tmp_path.chmod(0o755)
    config = alice.home / "config"
    config.write_text(web.gaol("ssh-config", check=True).stdout)
    try:
        done = subprocess.run(
            ["ssh", "-F", config, "web", "hostname"],
            capture_output=True, text=True, timeout=PATIENCE, check=False, **web.gateway.options(alice),
        )  # fmt: skip
        assert (done.stdout, done.returncode) == ("web\n", 0), done.stderr
    finally:
        config.unlink()


def test_each_machine_has_host_keys_of_its_own(web, gateway, alice):
    """They are the record's from its first start on, whatever is there later."""
    with running(gateway, alice, "other") as other:
        keys = [machine.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1] for machine in (web, other)]
        assert keys[0] != keys[1]
        until(lambda: keys[1] in _kept_keys(gateway), "they are kept, and nobody has asked for them yet")
        other.sh("cd /etc/ssh; rm ssh_host_*; ssh-keygen -q -A")
        done = other.gaol("ssh", "true")
        assert done.returncode == 255 and "ost key verification failed" in done.stderr
        assert keys[1] in _kept_keys(gateway)


def _kept_keys(gateway) -> str:
    return "".join(path.read_text() for path in (gateway.store / ".gaoler/machines").glob("*/ssh_host_keys"))


def test_a_kernel_that_is_not_there_is_no_wish(quiet):
    """Or each next start would fail; and no path is made of it."""
    before = quiet.lasting(quiet.info())
    for name, code in (("../../x", 3), ("/etc", 3), ("none", 3)):
        assert quiet.gaol("set", f"kernel={name}").returncode == code, name
    assert quiet.lasting(quiet.info()) == before
    there = quiet.info()["kernel"]
    quiet.gaol("set", f"kernel={there}", check=True)
    assert quiet.info()["kernel"] == there


def test_cp_in_and_out(quiet, gateway, alice):
    work = alice.home / "work"
    script = f"""
        mkdir -p {work}/tree/sub && cd {work}
        head -c 3000000 /dev/urandom > tree/sub/data && echo text > tree/file && ln -s file tree/link && chmod 750 tree/sub
        gaol cp tree quiet:/srv/ && gaol cp tree/file quiet:/srv/renamed
        gaol cp --links quiet:/srv/tree back && gaol cp quiet:/srv/renamed . && gaol cp quiet:/srv/tree/sub/data one
        diff -r tree back && cmp tree/sub/data one && cmp tree/file renamed && test -L back/link
    """
    try:
        done = subprocess.run(
            ["sh", "-ec", script], capture_output=True, text=True, timeout=PATIENCE, check=False, **gateway.options(alice)
        )
        assert done.returncode == 0, done.stderr
        assert quiet.sh("stat -c '%U %a' /srv/tree/sub; ls -A /srv") == "root 750\nrenamed\ntree"
        for name in ("nothing", "quiet:/srv/none"):
            other = "quiet:/srv" if ":" not in name else "here"
            done = gateway.gaol("cp", name, other, user=alice)
            assert done.returncode in (1, 3), name
            assert "try: " in done.stderr
    finally:
        subprocess.run(["rm", "-r", work], check=True)
    refused = gateway.gaol("cp", "/etc/hostname", "quiet:/nowhere/at/all", user=alice)
    assert refused.returncode == 1
    assert refused.stderr.startswith("gaol: there is not a directory /nowhere/at in the machine\n")


def test_cp_out_stays_in_its_destination(quiet, gateway, alice):
    """The machine sends the archive, so a hostile one may send anything."""
    evil = """cat > /usr/local/bin/tar << 'END'
#!/usr/bin/python3
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    for name in ("x/../../escaped", "/tmp/escaped-gaol"):
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
END
chmod +x /usr/local/bin/tar"""
    quiet.sh(evil)
    work = alice.home / "work"
    work.mkdir()
    os.chown(work, alice.uid, alice.gid)
    try:
        done = gateway.gaol("cp", "quiet:/srv", str(work), user=alice)
        assert done.returncode == 1
        assert not (alice.home / "escaped").exists()
        assert not os.path.exists("/tmp/escaped-gaol")
    finally:
        subprocess.run(["rm", "-r", work], check=True)


# down, wait, rm and the states between


def test_down_and_up_again_keeps_files_and_identity(web):
    before = web.info()
    web.sh("echo kept > /root/file")
    assert web.gaol("down").returncode == 0
    stopped = web.info()
    assert (stopped["state"], stopped["pid"], stopped["started"], stopped["address"]) == ("stopped", None, None, None)
    assert web.gaol("down").returncode == 0, "down of a stopped machine is done already"
    web.up()
    after = web.info()
    assert web.sh("cat /root/file") == "kept"
    assert [after[key] for key in ("mac", "address", "address6")] == [before[key] for key in ("mac", "address", "address6")]
    assert after["pid"] != before["pid"]


def test_down_lets_programs_end(quiet, alice):
    file = alice.home / "ended"
    quiet.sh(f"""
        mkfifo /run/up
        setsid sh -c 'trap "echo ended > {file}; exit" TERM; echo > /run/up; while :; do sleep 1000 & wait; done' &
        read line < /run/up""")
    quiet.gaol("down", check=True)
    try:
        assert file.read_text() == "ended\n"
    finally:
        file.unlink(missing_ok=True)


def test_down_by_force_waits_for_nobody(quiet):
    quiet.sh("setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" > /dev/null 2>&1 &")
    start = time.monotonic()
    quiet.gaol("down", "--force", check=True)
    assert time.monotonic() - start < 3
    assert quiet.state == "stopped"


def test_rm_twice(gateway, alice):
    machine = Machine(gateway, "brief", alice)
    machine.up("--no-network")
    assert machine.gaol("rm").returncode == 0
    done = machine.gaol("rm")
    assert done.returncode == 3
    assert 'no machine "brief"' in done.stderr


def test_what_a_stopped_machine_can_not_do(quiet):
    quiet.gaol("down", check=True)
    done = quiet.exec("true")
    assert done.returncode == 125
    assert "try: gaol up quiet" in done.stderr
    assert quiet.gaol("ssh", "true").returncode == 1
    assert quiet.gaol("wait", "--for", "ready").returncode == 1
    assert quiet.gaol("shell").returncode == 1
    assert quiet.gaol("info").returncode == 0
    assert "Linux version" in quiet.gaol("log").stdout, "what it said stays to be read"


def test_wait_returns_when_it_is_so(quiet, gateway, alice):
    assert quiet.gaol("wait", "--for", "ready").returncode == 0
    done = quiet.gaol("wait", "--for", "stopped", "--timeout", "1s")
    assert done.returncode == 1
    with gateway.popen("wait", "quiet", "--for", "stopped", user=alice) as waiting:
        quiet.gaol("down", check=True)
        assert waiting.wait(PATIENCE) == 0


def test_a_machine_that_powers_off_is_stopped(quiet):
    quiet.exec(*POWER_OFF)
    quiet.gaol("wait", "--for", "stopped", "--timeout", "20s", check=True)
    assert quiet.state in ("stopped", "failed")
    quiet.up()
    assert quiet.state == "ready"


def test_a_machine_whose_kernel_is_killed_has_failed(quiet):
    os.kill(quiet.info()["pid"], 9)
    quiet.gaol("wait", "--for", "stopped", "--timeout", "20s", check=True)
    info = quiet.info()
    assert info["state"] == "failed"
    assert info["reason"]
    quiet.up()
    assert quiet.info()["reason"] is None


def test_time_to_live_ends_a_machine(gateway, alice):
    with running(gateway, alice, "mayfly", "--no-network", "--ttl", "2s") as machine:
        info = machine.info()
        assert info["expires"] == pytest.approx(info["started"] + 2)
        machine.gaol("wait", "--for", "stopped", "--timeout", "20s", check=True)
        assert machine.state == "stopped"
        assert time.time() >= info["expires"]


def test_up_while_it_goes_down(quiet):
    """Whichever comes first: nothing hangs, nothing breaks, and in the end it does as it is told."""
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda verb: quiet.gaol(verb).returncode, ["down", "up", "down", "up", "down", "up"]))
    assert set(codes) <= {0, 1}
    quiet.up()
    assert quiet.sh("echo fine") == "fine"


def test_rm_while_it_starts(gateway, alice):
    machine = Machine(gateway, "brief", alice)
    with gateway.popen("up", "brief", user=alice, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
        until(lambda: gateway.json("ls", user=alice), "it is there")
        assert machine.gaol("rm").returncode == 0
        up.wait(PATIENCE)
    assert machine.gaol("info").returncode == 3


def test_its_kernel_has_room_for_descriptors_from_the_start(quiet):
    """Or the whole machine would wait for the host each time the table of them is doubled (kernel/files/fs/hostfs/names_user.c)."""
    process = Path(f"/proc/{quiet.info()['pid']}")
    allowed = int(re.search(r"^Max open files +(\d+)", (process / "limits").read_text(), re.MULTILINE)[1])
    room = int(re.search(r"^FDSize:\s+(\d+)", (process / "status").read_text(), re.MULTILINE)[1])
    assert room >= min(allowed, 4096)


# doctor and the rest for administrators


def test_doctor_finds_nothing_amiss(gateway, alice):
    done = gateway.gaol("doctor", "--json", user=alice)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert [check for check in checks.values() if not check["good"]] == []
    assert done.returncode == 0
    assert checks.keys() >= {"store", "kernel", "base", "network", "programs"}
    assert "BAD" not in gateway.gaol("doctor", user=alice).stdout


def test_an_administrator_may_name_anothers_machine_in_every_command(gateway, alice, bob, warden):
    """But for those that go near the owner's home: these are root's. To others the answer is that for no machine."""
    web, root = f"{alice.name}/web", gateway.root
    commands = {
        "up": ("up", web), "wait": ("wait", web, "--for", "ready"), "info": ("info", web), "log": ("log", web),
        "snapshot": ("snapshot", web, "one"), "clone": ("clone", web, "copy"), "publish": ("publish", web, "course"),
        "down": ("down", web, "--force"), "restore": ("restore", web, "one"), "forget": ("snapshot", web, "one", "--delete"),
        "rm": ("rm", web), "rm copy": ("rm", f"{alice.name}/copy"),
    }  # fmt: skip
    roots = [("exec", web, "--", "true"), ("ssh-config", web), ("cp", f"{web}:/etc/hostname", ".")]
    try:
        for name, command in commands.items():
            if name == "down":
                for inside in roots:
                    assert gateway.gaol(*inside, user=warden).returncode == 4, inside
                    done = gateway.gaol(*inside, user=root)
                    assert done.returncode == 0, (inside, done.stderr)
            if name != "up":
                refused = gateway.gaol(*command, user=bob)
                assert (refused.returncode, "there is none that you may see" in refused.stderr) == (3, True), refused.stderr
            done = gateway.gaol(*command, user=warden)
            assert done.returncode == 0, (command, done.stderr)
            if name == "clone":
                assert [(one["owner"], one["name"]) for one in gateway.json("ls", "--all", user=warden)] == [
                    (alice.name, "copy"), (alice.name, "web")
                ]  # fmt: skip
        assert gateway.gaol("up", web, user=bob).returncode == 3
        assert gateway.json("ls", "--all", user=warden) == []
    finally:
        for name in ("web", "copy"):
            gateway.gaol("rm", "--force", name, user=alice)
        gateway.gaol("base", "rm", "course")


def test_administrators_see_everybody_and_plain_users_do_not(quiet, gateway, alice, bob, warden):
    assert [machine["name"] for machine in gateway.json("ls", "--all", user=warden)] == ["quiet"]
    assert gateway.json("info", f"{alice.name}/quiet", user=warden)["owner"] == alice.name
    assert f"of {alice.name}'s: there are: quiet" in gateway.gaol("info", f"{alice.name}/none", user=warden).stderr
    done = gateway.gaol("exec", f"{alice.name}/quiet", "--", "true", user=warden)
    assert done.returncode == 4, "her home is in it"
    assert gateway.gaol("exec", f"{alice.name}/quiet", "--", "true").returncode == 0, "root may anyway"
    for user in (alice, bob):
        assert gateway.gaol("ls", "--all", user=user).returncode == 4
        assert gateway.gaol("top", "--all", user=user).returncode == 4
        assert gateway.gaol("base", "rm", "debian", user=user).returncode == 4
        assert gateway.gaol("kernel", "rm", gateway.components.kernel_name, user=user).returncode == 4
