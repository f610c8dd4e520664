"""Records: read as they were written."""

import pytest

from gaoler.configuration.account import Account
from gaoler.errors import Failed
from gaoler.machines import command_line, record
from gaoler.machines.record import Record

OWNER = Account("alice", 1000, 1000, "alice", (("staff", 50),), "Alice,,,", "/home/alice", "/bin/bash")
WEB = Record(
    id="0123456789ab", name="web", owner=OWNER, base="debian", generation="1", kernel=None, memory=512 << 20, cpus=1.0, disk=None,
    pids=4096, ttl=None, init="startenv", mode="seccomp", home=True, network=True, slot=3, mac="02:00:00:00:00:01",
    address="10.83.0.19", address6=None, created=1.5, ephemeral=False, wanted="stopped",
)  # fmt: skip


def test_round_trip():
    assert record.decode(record.encode(WEB)) == WEB


def test_a_newer_gaolers_record_is_read():
    assert record.decode(record.encode(WEB).replace(b'{\n "id"', b'{\n "colour": "blue", "id"', 1)) == WEB


FIRST = b"""{"memory": 268435456, "cpus": 1.0, "disk": null, "pids": 4096, "ttl": null, "init": "startenv", "mode": "seccomp",
 "home": true, "network": true, "id": "0123456789ab", "name": "web", "owner": {"name": "alice", "uid": 1000, "gid": 1000,
 "group": "alice", "groups": [["staff", 50]], "gecos": "", "home": "/home/alice", "shell": "/bin/bash"}, "base": "debian",
 "generation": "1", "kernel": null, "slot": 3, "mac": "02:00:00:00:00:01", "address": "10.83.0.19", "address6": null,
 "created": 1.5, "ephemeral": false, "wanted": "running"}"""
"""As the first version wrote it: whatever later ones add needs a default, or an upgrade loses machines."""


def test_the_first_versions_record_is_read():
    read = record.decode(FIRST)
    assert (read.name, read.owner.groups, read.wanted, read.memory) == ("web", (("staff", 50),), "running", 256 << 20)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"owner": 1}', b'{"owner": {"groups": []}}'])
def test_what_is_no_record_is_told(data):
    with pytest.raises(ValueError):
        record.decode(data)


def test_kernel_words():
    words = command_line.kernel_words(WEB, network=True)
    assert "mem=512M" in words
    assert "hostfs_tree=home:/home:owner=1000.1000" in words
    assert "hostfs_covered=home:/config/covered" in words
    assert "GAOL_HOME=/home/alice" in words
    assert "vec0:transport=tap,fd=4,mac=02:00:00:00:00:01,gro=1" in words
    assert not any(word.startswith("vec0") for word in command_line.kernel_words(WEB, network=False))
    assert not any("home" in word for word in command_line.kernel_words(WEB.with_(home=False), network=False))
    limited = command_line.kernel_words(WEB.with_(disk=1 << 30), network=True)
    assert set(limited) - set(words) == {"hostfs_quota=root:/config/disk"}
    assert "quiet" not in words  # its log is there to be read
    assert "stubs=409" in command_line.kernel_words(WEB.with_(memory=256 << 20, pids=4096), network=True), (
        "as memory has room for"
    )
    assert "stubs=200" in command_line.kernel_words(WEB.with_(memory=256 << 20, pids=224), network=True), "as it is limited to"
    assert "quiet" in command_line.kernel_words(WEB.with_(ephemeral=True), network=True)


@pytest.mark.parametrize(
    ("owner", "name", "label"),
    [("alice", "web", "alice:web"), ("ann@example.org", "web", "ann@example:web"), ("a/b\x1b[3m\n", "web", "a?b??3m?:web"),
     ("é" * 200, "web", "?" * 11 + ":web"), ("student0042", "assignment-three", "student:assignm"), ("..", "x" * 60, "..:" + "x" * 12)],
)  # fmt: skip
def test_what_ps_shows_is_short_and_says_nothing_to_a_terminal(owner, name, label):
    from dataclasses import replace

    assert command_line.label(WEB.with_(owner=replace(OWNER, name=owner), name=name)) == label
    assert len(label) <= 15


@pytest.mark.parametrize("home", ["/home/al ice", "/home/alice\nroot=/dev/sda", '/home/"x"', "/home/" + "x" * 4000])
def test_a_home_that_would_change_the_command_line_is_refused(home):
    from dataclasses import replace

    with pytest.raises(Failed):
        command_line.kernel_words(WEB.with_(owner=replace(OWNER, home=home)), network=False)


def test_settings_are_quoted():
    from dataclasses import replace

    text = command_line.settings(WEB.with_(owner=replace(OWNER, gecos="$(reboot) 'x'")), {"NETWORK": "none"})
    assert "OWNER_GECOS='$(reboot) '\"'\"'x'\"'\"''\n" in text
    assert "OWNER_GROUPS=staff:50\n" in text
