"""The jail as crun gets it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gaoler.errors import Failed
from gaoler.host.cgroup.hierarchy import Hierarchy
from gaoler.host.cgroup.v1 import V1
from gaoler.host.cgroup.v2 import V2
from gaoler.host.jail.bundle import CAPABILITIES, Home, Jail, Owner, configuration, resource_limits
from gaoler.host.jail.ids import IdRange

JAIL = Jail(
    name="t-one",
    ids=IdRange(1 << 20),
    gaol=Path("/store/gaol"),
    kernel=Path("/store/linux"),
    guest=Path("/store"),
    config=Path("/run/t/config"),
    notify_dir=Path("/run/t/host"),
    owner=Owner("alice", 1000, 1000, (1000, 27)),
    home=Home(Path("/home/alice"), squashed=False),
    memory=256 << 20,
    overhead=64 << 20,
    pids=100,
    cpus=1.5,
    cpu=None,
    arguments=("mem=256M", "umid=machine"),
    bundle=Path("/run/t/bundle"),
    cgroup="t-one",
)


def configured(jail: Jail = JAIL, *, groups: type[Hierarchy] = V1, huge: bool = True):
    made = configuration(
        jail, Path("/skeleton"), "/proc/self/fd/20/.", resources=groups.resources, limits=[], filter_program=None, huge_pages=huge
    )
    return json.loads(json.dumps(made))


def mounts(jail: Jail = JAIL):
    return {mount["destination"]: mount for mount in configured(jail)["mounts"]}


def test_the_hosts_ps_shows_whose_it_is():
    assert configured()["process"]["args"] == ["/kernel/linux", "mem=256M", "umid=machine"]
    labelled = replace(JAIL, label="alice:web", arguments=("restore=4,5",))
    assert configured(labelled)["process"]["args"] == ["/host/alice:web", "restore=4,5"]


def test_every_namespace_is_the_jails_own():
    kinds = {entry["type"] for entry in configured()["linux"]["namespaces"]}
    assert kinds == {"user", "pid", "mount", "ipc", "uts", "network", "cgroup"}
    assert all("path" not in entry for entry in configured()["linux"]["namespaces"])


def test_capabilities_are_those_over_files_and_cannot_grow():
    process = configured()["process"]
    assert process["noNewPrivileges"]
    assert set(process["capabilities"]) == {"bounding", "effective", "permitted"}
    assert all(set(held) == set(CAPABILITIES) for held in process["capabilities"].values())


def test_nothing_in_the_jail_is_setuid_or_a_device_and_only_two_things_are_executable():
    found = mounts()
    assert all({"nosuid", "nodev"} <= set(mount["options"]) for mount in found.values())
    assert {path for path, mount in found.items() if "noexec" not in mount["options"]} == {"/kernel/linux", "/dev/shm"}


def test_huge_pages_are_asked_for_only_where_tmpfs_knows_the_option():
    for huge in (True, False):
        options = next(mount["options"] for mount in configured(huge=huge)["mounts"] if mount["destination"] == "/dev/shm")
        assert ("huge=advise" in options) == huge


def test_what_is_shared_between_machines_is_read_only():
    found = mounts()
    for path in ("/uml/bin", "/uml/etc", "/uml/lib", "/kernel/linux", "/config", "/host"):
        assert "ro" in found[path]["options"], path


def test_the_home_is_mapped_for_its_owner_alone():
    options = mounts()["/home"]["options"]
    assert "idmap=uids=1000-1049576-1;gids=27-1048603-1#1000-1049576-1" in options
    table = "0-1048576-65536#100000-1114112-65536"
    assert f"idmap=uids={table};gids={table}" in mounts()["/gaol"]["options"]


def test_a_squashed_home_is_not_mapped_and_its_owner_is_himself():
    jail = replace(JAIL, home=replace(JAIL.home, squashed=True))
    assert not any(option.startswith("idmap") for option in mounts(jail)["/home"]["options"])
    assert {"containerID": 1000, "hostID": 1000, "size": 1} in configured(jail)["linux"]["uidMappings"]


def test_the_owners_ids_are_the_same_without_the_home():
    """A directory service's owner must be able to have files in the gaol, too."""
    bob = replace(JAIL, owner=Owner("bob", 1_000_000, 1_000_001))
    without = replace(bob, home=None)
    for kind in ("uidMappings", "gidMappings"):
        assert configured(without)["linux"][kind] == configured(bob)["linux"][kind]
    assert {entry["containerID"] for entry in configured(without)["linux"]["uidMappings"]} >= {0, 1_000_000}
    roots = replace(JAIL, owner=Owner("root", 0, 0), home=None)
    assert [entry["containerID"] for entry in configured(roots)["linux"]["uidMappings"]] == [0]


def test_without_a_home_there_is_none():
    jail = replace(JAIL, home=None)
    assert "/home" not in mounts(jail)
    assert configured(jail)["process"]["user"]["additionalGids"] == []


def test_limits():
    resources = configured()["linux"]["resources"]
    assert resources["memory"] == {"limit": 320 << 20, "swap": 320 << 20}
    assert resources["pids"] == {"limit": 100}
    assert resources["cpu"] == {"period": 100_000, "quota": 150_000}
    assert "unified" not in resources
    assert configured(groups=V2)["linux"]["resources"]["unified"] == {"memory.oom.group": "1"}


def test_hard_limits_are_never_raised():
    wanted = {"RLIMIT_NOFILE": 65536, "RLIMIT_CORE": 1}
    assert resource_limits(wanted, {"RLIMIT_NOFILE": 20000, "RLIMIT_CORE": -1}) == [
        {"type": "RLIMIT_NOFILE", "soft": 20000, "hard": 20000},
        {"type": "RLIMIT_CORE", "soft": 1, "hard": 1},
    ]


def test_the_user_namespace_is_closed_before_the_kernel_starts():
    """createContainer: in the namespaces, and before the root is the jail's own, where /proc/sys is read-only."""
    assert configured()["hooks"] == {"createContainer": [{"path": "/store/lib/close-namespace"}]}


@pytest.mark.parametrize("path", ["", "/", "/a/../b", ".."])
def test_a_control_group_is_below_the_root(path):
    with pytest.raises(Failed):
        configured(replace(JAIL, cgroup=path))
