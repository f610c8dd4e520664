"""A machine moved over to a newer generation of its base."""

from __future__ import annotations

import pytest

import published
from gaoler.client import Gaoler
from gaoler.daemon.introspection import description

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_a_machine_moves_over_to_a_newer_generation(gateway, quiet, alice, monkeypatch):
    quiet.sh(
        "mkdir /srv/course; echo 1 > /srv/course/task; echo 1 > /srv/course/text; echo 1 > /srv/course/old; ln -s task /srv/course/link"
    )
    gateway.gaol("base", "add", "course", "--machine", f"{alice.name}/quiet", check=True)
    try:
        gateway.gaol("up", "lab", "--no-network", "--base", "course", user=alice, check=True)
        script = """mkdir -p /srv/mine/sub; echo mine > /srv/mine/sub/file; ln /srv/mine/sub/file /srv/mine/same; rm /srv/course/link
            chown 1000:1000 /srv/mine/sub; chmod 2750 /srv/mine/sub; mkfifo /srv/mine/pipe; echo mine > /srv/course/text"""
        gateway.gaol("exec", "lab", "--", "sh", "-ec", script, user=alice, check=True)
        quiet.sh("echo 2 > /srv/course/task; echo new > /srv/course/new; rm /srv/course/old; echo 2 > /srv/course/text")
        gateway.gaol("base", "sync", "course", check=True)

        running = gateway.gaol("rebase", "lab", user=alice)
        assert (running.returncode, "lab is not stopped" in running.stderr) == (1, True)
        gateway.gaol("down", "lab", user=alice, check=True)
        refused = gateway.gaol("rebase", "lab", user=alice)
        assert (refused.returncode, "/srv/course/text have changed in it and in course" in refused.stderr) == (1, True), refused
        assert gateway.json("info", "lab", user=alice)["generation"] == "1"
        gateway.gaol("exec", "--rescue", "lab", "--", "sh", "-c", "echo 1 > srv/course/text", user=alice, check=True)

        # Killed when the files are those of the newer generation already, and the record is not.
        monkeypatch.setenv("GAOLER_FAILPOINT", "rebase.exchanged")
        gateway.restart()
        monkeypatch.delenv("GAOLER_FAILPOINT")
        assert gateway.gaol("rebase", "lab", user=alice).returncode == 6
        gateway.process.wait(60)
        gateway.start()
        assert gateway.json("info", "lab", user=alice)["generation"] == "1"
        gateway.gaol("snapshot", "lab", "generation-1", "--delete", user=alice, check=True)

        with Gaoler(str(gateway.socket)) as gaoler:
            found = list(gaoler.replies("Rebase", {"name": "lab", "owner": alice.name}))
        interface = published.read(description())
        assert [fault for reply in found for fault in interface.faults("Rebase", reply)] == []
        assert found[-1]["tag"] == "generation-1"
        info = gateway.json("info", "lab", user=alice)
        assert (info["generation"], info["newer"], info["snapshots"]) == ("2", None, ["generation-1"])
        gateway.gaol("up", "lab", user=alice, check=True)
        look = """cat /srv/course/task /srv/course/text /srv/course/new /srv/mine/same; ls /srv/course; stat -c '%u %a' /srv/mine/sub
            stat -c %h /srv/mine/same; test -p /srv/mine/pipe && echo pipe"""
        seen = gateway.gaol("exec", "lab", "--", "sh", "-c", look, user=alice).stdout.split()
        assert seen[:11] == ["2", "2", "new", "mine", "new", "task", "text", "1000", "2750", "2", "pipe"], seen
        again = gateway.gaol("down", "lab", user=alice, check=True) and gateway.gaol("rebase", "lab", user=alice)
        assert (again.returncode, "lab is up to date" in again.stderr) == (1, True)
    finally:
        gateway.gaol("rm", "--force", "lab", user=alice)
        gateway.gaol("base", "rm", "course", check=True)
