"""What a base has for its machines, and tells whoever opens a first shell."""

from __future__ import annotations

import pytest

from system.support.terminal import Terminal

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_machines_get_what_their_base_has_for_them(gateway, quiet, alice, bob):
    gateway.gaol("base", "add", "class", "--machine", f"{alice.name}/quiet", check=True)
    try:
        setting = ("memory=160M", "network=off", "home=off", "ttl=3h", "welcome=Tasks are in /srv/course.")
        assert gateway.gaol("base", "set", "class", *setting, user=alice).returncode == 4
        done = gateway.gaol("base", "set", "class", *setting, check=True)
        assert done.stdout == "class: memory 160M, ttl 3h, home off, network off, a welcome\n"
        little = gateway.gaol("base", "set", "class", "memory=1M")
        assert (little.returncode, little.stderr.splitlines()[-1]) == (2, "try: gaol base set class memory=256M")
        quiet.sh("echo 2 > /srv/second")
        gateway.gaol("base", "sync", "class", check=True)
        told = gateway.json("base", "info", "class")
        assert (told["generation"], told["defaults"]["memory"]) == ("2", 160 << 20), "it stays through syncs"

        gateway.gaol("up", "lab", "--base", "class", user=bob, check=True)
        info = gateway.json("info", "lab", user=bob)
        assert (info["memory"], info["network"], info["home"], info["ttl"]) == (160 << 20, False, False, 3 * 3600)
        again = gateway.gaol("up", "lab", user=bob)
        assert again.returncode == 0, again.stderr
        for is_first in (True, False):
            with Terminal([gateway.program, "shell", "lab"], **gateway.options(bob)) as terminal:
                shown = terminal.expect(r"(?s)\A(.*)# ")[1]
                assert ("Tasks are in /srv/course." in shown) == is_first
                terminal.type("exit\n")
                terminal.wait()
        gateway.gaol("base", "set", "class", "memory=", check=True)
        memory = gateway.gaol("run", "--base", "class", "--memory", "200M", "--", "true", user=bob)
        assert memory.returncode == 0, memory.stderr
        gateway.gaol("up", "own", "--base", "class", "--home", "--memory", "150M", "--ttl", "1h", user=bob, check=True)
        own = gateway.json("info", "own", user=bob)
        assert (own["memory"], own["home"], own["network"], own["ttl"]) == (150 << 20, True, False, 3600)
    finally:
        for name in ("lab", "own"):
            gateway.gaol("rm", "--force", name, user=bob)
        gateway.gaol("base", "rm", "class", check=True)
