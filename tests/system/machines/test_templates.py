"""An owner's third new machine of a kind is restored where the second one was ready, and is its own in every way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from system.support import users
from system.support.gateway import Gateway
from system.support.machine import IDENTITY
from system.support.users import User
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine]

_RESTORED, _BOOTED = "goes on from an image", "Linux version"


@pytest.fixture(autouse=True)
def ahead(gateway: Gateway) -> Iterator[None]:
    """The daemon makes machines ahead, and templates with them."""
    gateway.restart(machines={"ahead": "5m"})
    yield
    if gateway.process is None or gateway.process.poll() is not None:  # it died as it was to, and the test has failed since
        gateway.process = None
        gateway.start()
    gateway.remove_machines()
    gateway.restart()
    assert kept(gateway) == [], "none outlives the daemon that knows of it"


def kept(gateway: Gateway) -> list[Path]:
    """What is kept of memory: of no machine here that sleeps or has snapshots, so of templates."""
    with suppress(FileNotFoundError):
        return list((gateway.store / ".gaoler/memory").glob("*/image/note.json"))
    return []


def up(gateway: Gateway, user: User, name: str, *options: str) -> str:
    """Returns what its console says."""
    gateway.gaol("up", name, *options, user=user, check=True)
    return str(gateway.gaol("log", name, user=user, check=True).stdout)


def template(gateway: Gateway, user: User) -> None:
    """A busy host may be too slow for the second machine to be ready at once; the next one is as good, then."""

    def told() -> int:
        return gateway.log.read_text().count(f"{user.name}'s next machine of that kind goes on from a template")

    before = told()
    assert _RESTORED not in up(gateway, user, "first")
    for name in ("second", "another", "further"):
        assert _RESTORED not in up(gateway, user, name)
        if appears(lambda: told() > before):
            return
    raise AssertionError("no template is kept")


def appears(look: Callable[[], object], patience: float = 20.0) -> bool:
    with suppress(AssertionError):
        until(look, "it is there", patience)
        return True
    return False


def test_the_third_machine_is_restored_and_nobody_else(gateway, alice, bob):
    template(gateway, alice)
    said = up(gateway, alice, "third")
    assert _RESTORED in said and _BOOTED not in said
    one, other = (
        {
            what: gateway.gaol("exec", name, "--", "sh", "-c", command, user=alice, check=True).stdout
            for what, command in IDENTITY.items()
        }
        for name in ("second", "third")
    )
    assert not [what for what in IDENTITY if one[what] == other[what]]
    assert other["host name"] == "third\n"
    hosts = gateway.gaol("exec", "third", "--", "cat", "/etc/hosts", user=alice, check=True).stdout
    assert "third" in hosts and "second" not in hosts
    drawn = [gateway.gaol("exec", name, "--", "od", "-N16", "/dev/urandom", user=alice).stdout for name in ("second", "third")]
    assert drawn[0] != drawn[1]
    assert gateway.gaol("ssh", "third", "hostname", user=alice, check=True).stdout == "third\n"
    assert gateway.gaol("exec", "third", "--", "id", "-un", user=alice).stdout == "root\n"
    (alice.home / "seen").write_text("home\n")
    assert gateway.gaol("exec", "third", "--", "cat", f"{alice.home}/seen", user=alice).stdout == "home\n"

    assert _BOOTED in up(gateway, alice, "larger", "--memory", "300M"), "what is to be another machine boots"
    assert _BOOTED in up(gateway, bob, "others"), "nobody's memory is anybody else's"


def test_a_later_account_of_the_same_name_and_uid_inherits_no_template(gateway):
    login = f"{gateway.prefix}leaver"
    with users.account(login) as leaver:
        template(gateway, leaver)
        users.remove(login)
        again = users.add(login, uid=leaver.uid)
        assert _BOOTED in up(gateway, again, "first"), "their own second machine would be restored"
        gateway.remove_machines()


@pytest.mark.parametrize("moment", ["template.kept", "another.started"])
def test_the_daemon_dies_and_all_goes_on(gateway, alice, monkeypatch, moment):
    monkeypatch.setenv("GAOLER_FAILPOINT", moment)
    gateway.restart(machines={"ahead": "5m"})
    monkeypatch.delenv("GAOLER_FAILPOINT")
    if moment == "another.started":
        template(gateway, alice)
        assert gateway.gaol("up", "third", user=alice).returncode == 6
    else:
        for name in ("first", "second", "another", "further"):
            if gateway.gaol("up", name, user=alice).returncode == 6 or appears(lambda: gateway.process.poll() is not None, 10.0):
                break
    assert gateway.process is not None
    assert gateway.process.wait(PATIENCE) == -9
    gateway.process = None
    gateway.start()
    assert kept(gateway) == []
    states = {machine["name"]: machine["state"] for machine in gateway.json("ls", user=alice)}
    assert states.pop("third", "stopped") in ("stopped", "failed")
    assert not {states["first"], states["second"]} & {"stopped", "failed"}, "those that ran run on"
    if moment == "another.started":
        up(gateway, alice, "third")
        assert gateway.gaol("exec", "third", "--", "hostname", user=alice).stdout == "third\n"
