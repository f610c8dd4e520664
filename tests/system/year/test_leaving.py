"""Users leave, come back, and are renamed: nobody gets what was another's, and the administrator gets rid of it."""

from __future__ import annotations

import json

import pytest

from system.support import users
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


def listed(gateway: Gateway) -> dict[str, str]:
    return {f"{one['owner']}/{one['name']}": one["gone"] for one in gateway.json("ls", "--all")}


def check(gateway: Gateway, name: str) -> tuple[bool, str]:
    checks = json.loads(gateway.gaol("doctor", "--json").stdout)
    return next((one["good"], one["found"]) for one in checks if one["name"] == name)


def test_a_user_who_leaves_with_a_machine_that_runs(gateway, bob):
    """And another one who gets their uid and name."""
    login = f"{gateway.prefix}leaver"
    with users.account(login) as leaver:
        machine = Machine(gateway, "web", leaver)
        machine.up("--no-network")
        machine.sh("echo secret > /root/diary")
        whose = f"#{leaver.uid}/web"
        key = machine.sh("cat /run/gaoler/authorized_keys")
        gateway.gaol("clone", "web", "kept", user=leaver, check=True)
        users.remove(login)
        until(lambda: listed(gateway) == {whose: login, f"#{leaver.uid}/kept": login}, "they are seen to have gone")
        good, found = check(gateway, "accounts")
        assert not good and f"{whose} (once {login})" in found
        assert gateway.json("info", whose)["state"] in ("ready", "running"), "nothing that runs is stopped by that"
        assert gateway.json("info", f"{login}/web")["gone"] == login, "by the login, too, while nobody else has it"

        again = users.add(login, uid=leaver.uid)
        assert gateway.json("ls", user=again) == []
        for words in (["info", "web"], ["exec", "web", "--", "cat", "/root/diary"], ["rm", "--force", "web"], ["log", "web"]):
            done = gateway.gaol(*words, user=again)
            assert done.returncode == 3 and "secret" not in done.stdout, words
        assert gateway.gaol("info", whose, user=again).returncode == 3
        gateway.gaol("up", "web", "--no-network", user=again, check=True)
        assert gateway.gaol("exec", "web", "--", "cat", "/root/diary", user=again).returncode == 1
        assert len(gateway.json("ls", user=again)) == 1
        assert gateway.json("info", f"{login}/web")["gone"] is None, "who has the login now comes first"

        gateway.restart()
        assert set(listed(gateway)) == {whose, f"#{leaver.uid}/kept", f"{login}/web"}
        assert gateway.gaol("up", whose).returncode == 4
        stopped = gateway.gaol("down", "--all", check=True).stdout.split()
        assert {whose, f"{login}/web"} == set(stopped)
        assert {one["state"] for one in gateway.json("ls", "--all")} == {"stopped"}

        assert gateway.gaol("give", whose, bob.name, user=again).returncode == 4
        gateway.gaol("give", whose, bob.name, "--name", "legacy", check=True)
        given = Machine(gateway, "legacy", bob)
        given.up()
        assert given.sh("cat /root/diary") == "secret"
        assert given.info()["home"] is False
        assert given.sh("id -un", guest_user=bob.name) == bob.name
        assert given.sh("cat /run/gaoler/authorized_keys") not in ("", key), "the leaver's key lets nobody in"
        given.remove()
        gateway.gaol("rm", "--force", f"#{leaver.uid}/kept", check=True)
        gateway.gaol("rm", "--force", f"{login}/web", check=True)
        assert listed(gateway) == {} and check(gateway, "accounts")[0]


def test_who_is_renamed_keeps_their_machines_and_who_gets_the_old_name_nothing(gateway):
    login, new = f"{gateway.prefix}miss", f"{gateway.prefix}mrs"
    with users.account(login) as user:
        gateway.gaol("up", "web", "--no-network", user=user, check=True)
        with users.renamed(user, new) as renamed:
            assert [one["owner"] for one in gateway.json("ls", user=renamed)] == [new]
            gateway.gaol("down", "web", user=renamed, check=True)
            gateway.gaol("up", "web", user=renamed, check=True)
            told = gateway.gaol("exec", "web", "--user", new, "--", "id", "-un", user=renamed, check=True)
            assert told.stdout.strip() == new
            with users.account(login) as other:
                assert gateway.json("ls", user=other) == []
            gateway.gaol("rm", "--force", "web", user=renamed, check=True)


def test_what_nobody_takes_is_removed_after_the_configured_time(gateway):
    login = f"{gateway.prefix}leaver"
    with users.account(login) as leaver:
        gateway.gaol("up", "web", "--no-network", user=leaver, check=True)
        users.remove(login)
        until(lambda: f"#{leaver.uid}/web" in listed(gateway), "they are seen to have gone")
        gateway.kill()
        known = gateway.store / ".gaoler/accounts.json"
        known.write_text(
            json.dumps([{**one, "left": one["left"] and one["left"] - 86400} for one in json.loads(known.read_text())])
        )
        gateway.configure(machines={"orphans": "1d"})
        gateway.start()
        until(lambda: listed(gateway) == {}, "its time is over")
        gateway.restart()
