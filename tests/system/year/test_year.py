"""An administrator's year on one instance: what each step says, and that the host has afterwards what the daemon says, and no more.

Each step has its own tests elsewhere. This one shows that they hold one after the other, on what the earlier ones have left.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gaoler.machines.accounts import copy_of
from system.conftest import opened
from system.support import leftovers, users
from system.support.components import components
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network, pytest.mark.timeout(600)]

WRITES = """
import errno, mmap, os
def told(write):
    file = os.open("/root/file", os.O_CREAT | os.O_RDWR)
    try:
        write(file)
        os.fsync(file)
    except OSError as error:
        return errno.errorcode[error.errno]
def plain(file):
    while True:  # of the last few blocks, too
        os.write(file, bytes(1 << 16))
def mapped(file):
    os.ftruncate(file, 1 << 20)
    memory = mmap.mmap(file, 1 << 20)
    memory[:] = os.urandom(1 << 20)
    memory.flush()
ways = [plain, lambda file: os.posix_fallocate(file, 0, 1 << 20), mapped]
print({told(way) for way in ways})
"""


@dataclass
class Year:
    gateway: Gateway

    def admin(self, *words: str, code: int = 0) -> str:
        """What root is told; shown when the test fails, as all that went before."""
        done = self.gateway.gaol(*words)
        print(f"# gaol {' '.join(words)}\n{done.stdout}{done.stderr}")
        assert done.returncode == code, words
        return done.stdout + done.stderr

    def check(self, name: str) -> tuple[bool, str]:
        checks = json.loads(self.gateway.gaol("doctor", "--json").stdout)
        return next((one["good"], one["found"]) for one in checks if one["name"] == name)

    def set(self, **changes: dict[str, object]) -> None:
        """In the configuration, for the rest of the year."""
        for section, values in changes.items():
            self.gateway.settings[section] = self.gateway.settings.get(section, {}) | values
        self.gateway.configure()

    def left(self, running: set[str], resting: set[str] = frozenset()) -> None:
        """These machines there are, and the host has what those that run need, and nothing of any other."""
        listed = {f"{one['owner']}/{one['name']}": one for one in self.gateway.json("ls", "--all")}
        assert {name for name, one in listed.items() if one["state"] in ("ready", "running")} == running
        assert set(listed) == running | resting
        private = self.gateway.store / ".gaoler"
        wired = sum(bool(one["address"]) for name, one in listed.items() if name in running)

        def agrees() -> bool:
            groups = {group.name for group in leftovers.groups(self.gateway.prefix) if f"{self.gateway.prefix}-" in group.name}
            places = {path.name for path in (self.gateway.runtime / "machines").iterdir() if not path.name.startswith(".")}
            ports = list(Path("/sys/class/net").glob(f"{self.gateway.bridge}/brif/*"))
            gaols = list((private / "gaols").iterdir())
            throw_away = [*(private / "ephemeral").iterdir(), *(private / "staging").iterdir()]
            return (len(groups), len(places), len(ports), len(gaols), throw_away) == (
                len(running),
                len(running),
                wired,
                len(listed),
                [],
            )

        until(agrees, "the host has what the daemon says")


@pytest.fixture
def year(tmp_path) -> Iterator[Year]:
    for gateway in opened(Gateway(components(), {"store": {"size": "900M"}})):
        yield Year(gateway)


def test_a_year(year: Year, tmp_path: Path) -> None:
    gateway = year.gateway
    with ExitStack() as people:
        ann, ben, leaver = (people.enter_context(users.account(f"{gateway.prefix}{name}")) for name in ("ann", "ben", "cid"))
        web, db, old = Machine(gateway, "web", ann), Machine(gateway, "db", ben), Machine(gateway, "web", leaver)
        anns, bens, cids = (f"{one.user.name}/{one.name}" for one in (web, db, old))
        # Those who move in.
        web.up()
        for one in (db, old):
            one.up("--no-network")
            one.sh(f"echo {one.user.name} > /root/diary; sync")
        year.left({anns, bens, cids})

        # A full store: programs inside are told so, however they write. A larger one is one setting and one command.
        filler = gateway.store / "filler"
        subprocess.run(["fallocate", "--length", f"{_free(gateway.store) - (8 << 20)}", filler], check=True)
        web.sh("cat /dev/zero > /root/zeros || true; sync")
        assert web.exec("python3", "-c", WRITES).stdout.strip() == "{'ENOSPC'}"
        assert "store is nearly full" in year.check("space")[1]
        year.set(store={"size": "4G"})
        assert year.admin("store", "grow").startswith("the store had ")
        filler.unlink()
        assert year.check("space")[0]
        web.sh("rm /root/zeros /root/file; echo ann > /root/diary; sync")

        # Lower limits, by a daemon that is killed and started anew: nobody's machine notices, and doctor tells who is above.
        before = web.info()["pid"]
        year.set(limits={"memory": "192M"})
        gateway.restart(9)
        good, told = year.check("limits")
        assert good and f"{anns} has " in told
        assert web.info()["pid"] == before

        # A backup, a mistake, and the machine back as it was.
        backups = tmp_path / "backups"
        year.admin("store", "backup", "--all", "--to", str(backups))
        year.admin("rm", "--force", bens)
        year.left({anns, cids})
        year.admin("store", "restore", bens, "--from", str(backups))
        db.up()
        assert db.sh("cat /root/diary") == ben.name

        # Another subnet: whoever is started anew has it, and the host keeps nothing of the former one.
        former = web.address
        year.set(network={"subnet": f"10.97.{gateway.number}.0/24"})
        web.gaol("down", check=True)
        gateway.restart()
        web.up()
        assert web.address.startswith(f"10.97.{gateway.number}.") and web.address != former
        assert web.info()["memory"] == 192 << 20, "held to what is granted by now"
        shown = subprocess.run(
            ["ip", "-br", "address", "show", "dev", gateway.bridge], capture_output=True, text=True, check=True
        ).stdout
        assert gateway.address not in shown

        # One leaves while their machine runs, and another one gets login and uid: they share nothing.
        users.remove(leaver.name)
        nobodys = f"#{leaver.uid}/web"
        until(
            lambda: nobodys in {f"{one['owner']}/{one['name']}" for one in gateway.json("ls", "--all")},
            "they are seen to have gone",
        )
        newcomer = users.add(leaver.name, uid=leaver.uid)
        new = Machine(gateway, "web", newcomer)
        new.up("--no-network")
        assert new.exec("cat", "/root/diary").returncode == 1
        groups = {group.name for group in leftovers.groups(gateway.prefix)}
        assert {f"{gateway.prefix}.{leaver.uid}", f"{gateway.prefix}.{leaver.uid}.1"} <= groups
        assert {leaver.uid, 1 << 32 | leaver.uid} <= _quota_groups(gateway.store)
        year.left({anns, bens, cids, nobodys})

        # What tells them apart is lost, with its copy: what is certain is found out anew, and nobody becomes an heir.
        gateway.kill()
        for path in (known := gateway.store / ".gaoler/accounts.json", copy_of(known)):
            path.unlink()
        gateway.start()
        year.left({anns, bens, cids, nobodys})
        good, told = year.check("accounts")
        assert not good and "was found out anew" in told and f"those of {leaver.name} (uid {leaver.uid})" in told
        year.admin("down", nobodys)
        year.admin("give", nobodys, ben.name, "--name", "legacy")
        legacy = Machine(gateway, "legacy", ben)
        legacy.up()
        assert legacy.sh("cat /root/diary") == leaver.name

        # A power cut; and whoever wants their machine back has it, with what was on its disk.
        leftovers.end(gateway.prefix)
        gateway.process.wait(PATIENCE)
        gateway.process = None
        gateway.start()
        names = {anns, bens, cids, f"{ben.name}/legacy"}
        for one in (web, legacy, db, new):
            one.up()
        assert web.sh("cat /root/diary") == "ann"
        year.left(names)

        # The last day.
        stopped = year.admin("down", "--all").split()
        assert names <= set(stopped)
        year.left(set(), names)
        year.admin("rm", "--force", *sorted(names))
        year.left(set())


def _free(store: Path) -> int:
    space = os.statvfs(store)
    return space.f_bavail * space.f_frsize


def _quota_groups(store: Path) -> set[int]:
    """The numbers of those of level 1."""
    shown = subprocess.run(["btrfs", "qgroup", "show", store], capture_output=True, text=True, check=True).stdout
    return {int(line.split()[0].removeprefix("1/")) for line in shown.splitlines() if line.startswith("1/")}
