"""gaol up --from: a machine as a file says it, made and then kept so."""

from __future__ import annotations

import json
import shutil

import pytest

from system.support.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.machine]

FILE = """name = "course"
base = "debian"
memory = "192M"
ttl = "8h"
home = false
network = false
packages = ["dpkg"]
setup = "setup.sh"

[files]
"/etc/course/motd" = "motd"
"/usr/local/bin/hello" = "bin/hello"
"""
STARTS = "starting\nwaiting until it is ready\n"
SETUP = "echo ran >> /root/ran; cat /etc/course/motd; test -e /root/may-end"


@pytest.fixture
def project(gateway, alice):
    directory = alice.home / "course"
    (directory / "bin").mkdir(parents=True)

    def write(name, text, mode=0o644):
        (directory / name).write_text(text)
        (directory / name).chmod(mode)

    write("gaol.toml", FILE)
    write("setup.sh", SETUP)
    write("motd", "hello\n")
    write("bin/hello", "#!/bin/sh\necho hello to you\n", 0o755)
    yield write
    gateway.gaol("rm", "--force", "course", user=alice)
    shutil.rmtree(directory)


def test_a_machine_is_what_a_file_says(gateway, project, alice):
    machine = Machine(gateway, "course", alice)

    def up():
        return gateway.gaol("up", "--from", "course/gaol.toml", user=alice, timeout=120)

    failed = up()
    assert (failed.returncode, "gaol: the setup script failed: it ended with 1" in failed.stderr, "hello\n" in failed.stderr) == (1, True, True)
    machine.sh("touch /root/may-end")
    done = up()
    assert (done.returncode, done.stdout) == (0, "course  -\n"), done.stderr
    info = machine.info()
    assert (info["memory"], info["ttl"], info["home"], info["network"]) == (192 << 20, 8 * 3600, False, False)
    assert machine.sh("hello; wc -l < /root/ran; stat -c '%u %a' /usr/local/bin/hello /etc/course/motd").split() == [
        "hello", "to", "you", "2", "0", "755", "0", "644",
    ]  # fmt: skip

    again = up()
    assert (again.returncode, again.stderr) == (0, STARTS), "nothing is to be done"
    assert machine.sh("wc -l < /root/ran") == "2"

    project("gaol.toml", FILE.replace("192M", "160M").replace('"8h"', '"never"').replace("debian", "another").replace('["dpkg"]', "[]"))
    project("motd", "hello again\n")
    machine.sh("echo changed > /usr/local/bin/hello")
    changed = up()
    assert changed.returncode == 0
    assert sorted(changed.stderr.replace(STARTS, "").splitlines()) == sorted([
        "gaol: course was made of debian and not of another: only a new machine gets another base",
        "gaol: course: memory is 160M now, and was 192M, from its next start on: gaol down course && gaol up course",
        "gaol: course: ttl is unlimited now, and was 8h",
        "gaol: dpkg is no longer in course/gaol.toml: it stays installed",
        "copying 2 files",
        "gaol: course: /etc/course/motd copied",
        "gaol: course: /usr/local/bin/hello copied",
    ])  # fmt: skip
    assert (machine.info()["memory"], machine.info()["ttl"]) == (160 << 20, None)
    assert machine.sh("cat /etc/course/motd; wc -l < /root/ran").split() == ["hello", "again", "2"]

    project("setup.sh", f"#!/bin/sh\n{SETUP}; echo by $0")
    assert "by /var/lib/gaol/setup" in up().stderr
    note = json.loads(machine.sh("cat /var/lib/gaol/up.json"))
    assert (note["packages"], sorted(note["files"])) == ([], ["/etc/course/motd", "/usr/local/bin/hello"])
    machine.sh("echo '{\"files\": 3, \"packages\": [[]], \"setup\": {}}' > /var/lib/gaol/up.json")
    assert up().returncode == 0, "what is noted inside is the machine's word"
