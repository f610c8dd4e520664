"""A machine that has lost its programs: what is told of it, and how its files come out."""

from __future__ import annotations

import os
import signal

import pytest

from system.support.terminal import Terminal
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_files_come_out_of_a_machine_that_is_broken(gateway, quiet, alice):
    def rescue(*words, **options):
        return gateway.gaol("exec", "--rescue", "quiet", "--", *words, user=alice, **options)

    quiet.sh("mkdir -p /srv/thesis; echo words > /srv/thesis/one; chown 1000:1000 /srv/thesis/one; echo mine > /root/note")
    gateway.gaol("snapshot", "quiet", "good", user=alice, check=True)
    running = rescue("true")
    assert (running.returncode, "quiet is running" in running.stderr) == (125, True)

    gateway.gaol("exec", "quiet", "--", "rm", "-rf", "/usr", user=alice)
    until(lambda: quiet.state == "running", "it isn't called ready any more")
    assert "programs" in quiet.info()["missing"]
    gateway.gaol("down", "--force", "quiet", user=alice, check=True)
    failed = gateway.gaol("up", "quiet", user=alice)
    assert failed.returncode == 1, failed
    assert "gaol restore quiet goes back to a snapshot: good" in failed.stderr
    assert failed.stderr.endswith("try: gaol shell --rescue quiet\n")

    # Out of it, and into it: by cp, by a command, by a shell.
    gateway.gaol("cp", "quiet:/srv/thesis", str(alice.home), user=alice, check=True)
    assert (alice.home / "thesis/one").read_text() == "words\n"
    gateway.gaol("cp", "quiet:note", str(alice.home / "mine"), user=alice, check=True)
    assert (alice.home / "mine").read_text() == "mine\n"
    gateway.gaol("cp", str(alice.home / "mine"), "quiet:/srv/put", user=alice, check=True)
    looked = rescue("sh", "-c", "pwd; cat srv/put; stat -c %u srv/thesis/one; ls usr; exit 4")
    assert (looked.returncode, looked.stdout.split()) == (4, ["/mnt", "mine", "1000"])
    with Terminal([gateway.program, "shell", "--rescue", "quiet"], **gateway.options(alice)) as terminal:
        terminal.expect("/mnt# ")
        terminal.type("cat srv/thesis/one && exit\n")
        terminal.expect("words")
        assert terminal.wait() == 0

    # Meanwhile nobody else has its files, also after the daemon was killed.
    with gateway.popen(
        "exec",
        "--rescue",
        "quiet",
        "--",
        "sh",
        "-c",
        "echo in; exec tail -f /dev/null",
        user=alice,
        stdin=-3,
        stdout=-1,
        stderr=-1,
    ) as process:
        assert process.stdout.readline() == b"in\n"
        for words in (("up", "quiet"), ("restore", "quiet", "good"), ("rm", "--force", "quiet")):
            refused = gateway.gaol(*words, user=alice)
            assert (refused.returncode, "quiet is being rescued" in refused.stderr) == (1, True), refused
        gateway.kill()
        gateway.start()
        assert "quiet is being rescued" in gateway.gaol("up", "quiet", user=alice).stderr
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)
    until(lambda: len(gateway.json("ls", user=alice)) == 1, "the rescue is over")
    gateway.gaol("restore", "quiet", "good", user=alice, check=True)
    gateway.gaol("up", "quiet", user=alice, check=True)
    assert quiet.state == "ready"
    assert quiet.sh("cat /srv/thesis/one; ls /srv") == "words\nthesis"


def test_a_rescue_is_for_the_owner(gateway, quiet, alice, bob):
    gateway.gaol("down", "--force", "quiet", user=alice, check=True)
    assert gateway.gaol("exec", "--rescue", f"{alice.name}/quiet", "--", "id", user=bob).returncode == 3
    assert gateway.gaol("cp", f"{alice.name}/quiet:/etc/passwd", str(bob.home), user=bob).returncode == 3
    assert gateway.gaol("shell", "--rescue", "quiet", "--user", "daemon", user=alice).returncode == 2
