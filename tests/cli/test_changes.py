"""set, extend, rename: what is written becomes what is asked for."""

import pytest

from cli.test_texts import MACHINE


def test_settings_are_read(daemon, gaol):
    daemon.answer("Set", machine=MACHINE, later=["memory", "home"])
    done = gaol("set", "web", "memory=1G", "cpus=1.5", "disk=none", "ttl=never", "home=off", "init=systemd")
    assert daemon.calls == [
        ("Set", {"name": "web", "memory": 1 << 30, "cpus": 1.5, "disk": 0, "ttl": 0, "home": False, "init": "systemd"})
    ]
    assert done.stdout == (
        "web: cpus, disk, ttl, init changed\nweb: memory, home will change at its next start: gaol down web && gaol up web\n"
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [("memory", '"memory" has no value'), ("colour=red", '"colour=red" is not a setting'), ("home=maybe", '"maybe" is not on or off'),
     ("memory=lots", '"lots" is not a size')],
)  # fmt: skip
def test_mistakes(daemon, gaol, word, said):
    done = gaol("set", "web", word)
    assert (done.returncode, daemon.calls) == (2, [])
    assert done.stderr.startswith(f"gaol: {said}: ")


@pytest.mark.parametrize(
    ("line", "hint"),
    [("set lab autostart=maybe", "gaol set lab autostart=on"), ("set lab memory=lots", "gaol set lab memory=512M"),
     ("set #7/lab ttl=2", "gaol set '#7/lab' ttl=2h"), ("base set course home=maybe", "gaol base set course home=on"),
     ("base set course ttl=2", "gaol base set course ttl=2h"), ("extend lab 2", "gaol extend lab 2h"),
     ("up lab --home --no-home", "gaol up --help"), ("run --network --no-network -- id", "gaol run --help"),
     ("desktop lab --home --no-home", "gaol desktop --help")],
)  # fmt: skip
def test_a_hint_can_be_typed(daemon, gaol, line, hint):
    done = gaol(*line.split())
    assert (done.returncode, done.stderr.splitlines()[-1], daemon.calls) == (2, f"try: {hint}", [])


def test_a_rename_leaves_no_keys_under_the_former_name(daemon, gaol, tmp_path):
    daemon.answer("Rename", machine={**MACHINE, "name": "shop"})
    kept = tmp_path / "cache" / "gaoler" / "web"
    kept.mkdir(parents=True)
    for name in ("identity", "known_hosts"):
        (kept / name).write_text("a secret")
    assert gaol("rename", "web", "shop").returncode == 0
    assert list((tmp_path / "cache" / "gaoler").iterdir()) == []


def test_extend_and_rename(daemon, gaol):
    daemon.answer("Set", machine=MACHINE, later=[])
    daemon.answer("Rename", machine={**MACHINE, "name": "shop"})
    assert gaol("extend", "web", "2h").returncode == 0
    assert gaol("rename", "web", "shop").stdout == "web is called shop now\n"
    assert daemon.calls == [("Set", {"name": "web", "extend": 7200}), ("Rename", {"name": "web", "new": "shop"})]
