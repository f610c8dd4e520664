"""Installations side by side: what would overlap is refused, and nobody touches another's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gaoler.configuration import text as text_of_settings
from gaoler.configuration.file import load
from gaoler.errors import Failed, NotAllowed
from gaoler.setup import beside, instances
from gaoler.setup.facts import Facts
from gaoler.setup.settings import Settings


def facts(place: Path, number: int) -> Facts:
    return Facts(
        store=place / "uml", image=place / "store.img", device=None, runtime=place / "run", socket=place / "run/gaoler.sock",
        cache=place / "cache", base="debian", admin_group="gaoler-admin", has_network=True, web_listen=f"127.0.0.1:{8443 + number}",
        web_account="gaoler-web", names=f"t{number}", bridge=f"gaoler{number}", subnet=f"10.{83 + number}.0.0/20",
        subnet6=f"fd67:616f:6c00:{number}::/64", ids=(1 << 30 | number << 24, 1 << 24),
    )  # fmt: skip


def installed(place: Path) -> Settings:
    """As `make up` leaves it, as far as it counts here."""
    settings = Settings(place / "prefix", place / "cache", place / "gaoler.toml")
    settings.library.mkdir(parents=True)
    settings.current.mkdir()
    return settings


@pytest.fixture
def two(tmp_path):
    """The first one is written down."""
    register = tmp_path / "state/installations.json"
    first, second = installed(tmp_path / "first"), installed(tmp_path / "second")
    instances.enter(first, facts(tmp_path / "first", 0), register)
    return first, second, register, facts(tmp_path / "second", 1)


def test_two_stand_side_by_side_and_one_goes(two, tmp_path):
    first, second, register, own = two
    assert not instances.is_entered(second, own, register)
    instances.enter(second, own, register)
    instances.enter(second, own, register)
    assert instances.is_entered(second, own, register)
    for settings in (first, second):
        instances.may(settings, "purge", register)
    assert str(tmp_path / "second/prefix") in [one.prefix for one in instances.others(instances.read(register), first)]
    instances.forget(second, register)
    assert instances.is_entered(first, facts(tmp_path / "first", 0), register)
    instances.forget(first, register)
    assert not [one for one in instances.read(register) if str(tmp_path) in one.prefix]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"names": "t0"}, 'daemon.prefix = "t0"'),
        ({"names": "t"}, 'daemon.prefix = "t", and names that begin with "t0"'),
        ({"bridge": "gaoler0"}, 'network.bridge = "gaoler0"'),
        ({"subnet": "10.83.8.0/24"}, 'network.subnet = "10.83.8.0/24", which overlaps 10.83.0.0/20'),
        ({"subnet6": "fd67:616f:6c00::/48"}, "network.subnet6"),
        ({"ids": ((1 << 30) + 5, 10)}, f"ids.first = {(1 << 30) + 5}"),
        ({"web_listen": "127.0.0.1:8443"}, 'web.listen = "127.0.0.1:8443"'),
    ],
)
def test_what_would_overlap_is_refused(two, change, told):
    _, second, register, own = two
    with pytest.raises(NotAllowed) as refused:
        instances.enter(second, replace(own, **change), register)
    assert told in refused.value.why
    assert not instances.is_entered(second, own, register)


def test_whose_units_would_have_the_names_of_anothers_is_refused(two, tmp_path):
    """/opt/a-b and /opt/a/b."""
    register = two[2]
    (tmp_path / "other").mkdir()
    for number, place in enumerate(("other/a-b", "other/a/b")):
        settings = installed(tmp_path / place)
        settings = Settings(settings.prefix.parent, settings.cache, settings.configuration)
        (settings.library / "current").mkdir(parents=True)
        if number == 0:
            instances.enter(settings, facts(tmp_path / place, 2), register)
    with pytest.raises(NotAllowed, match="both would have the unit gaoler@"):
        instances.enter(settings, facts(tmp_path / place, 3), register)


def test_whoever_shares_a_store_is_told_all_of_it(two, tmp_path):
    _, second, register, own = two
    with pytest.raises(NotAllowed) as refused:
        instances.enter(second, replace(facts(tmp_path / "first", 0), names=own.names), register)
    assert all(key in refused.value.why for key in ("store.path", "store.image", "daemon.runtime", "daemon.socket"))


@pytest.mark.parametrize("to", ["up", "down", "purge"])
def test_half_of_an_installation_is_not_touched(two, to):
    first, second, register, _ = two
    for settings in (
        Settings(first.prefix, first.cache, second.configuration),
        Settings(second.prefix, first.cache, first.configuration),
    ):
        with pytest.raises(NotAllowed) as refused:
            instances.may(settings, to, register)
        assert refused.value.hint.startswith(f"sudo make {to} PREFIX={first.prefix} GAOLER_CONFIG={first.configuration} ")
    instances.may(second, to, register)


@pytest.mark.parametrize("to", ["down", "purge"])
def test_nor_one_by_another_cache_which_would_be_purged_beside_it(two, to):
    first, second, register, _ = two
    elsewhere = Settings(first.prefix, second.cache, first.configuration)
    with pytest.raises(NotAllowed, match=str(first.cache)):
        instances.may(elsewhere, to, register)
    instances.may(elsewhere, "up", register)  # which moves it


def test_one_beside_others_gets_what_none_of_them_takes(two, tmp_path):
    """The first one after this is another again."""
    _, _, register, _ = two
    known, texts = instances.read(register), []
    for place in ("third", "fourth"):
        chosen = beside.choose(known, tmp_path / "gaoler.toml")
        text = chosen.into(text_of_settings.sample())
        path = tmp_path / f"{place}.toml"
        path.write_text(text)
        found = load(path)
        settings = installed(tmp_path / place)
        of = Facts(
            store=found.store.path, image=found.store.image, device=None, runtime=found.daemon.runtime, socket=found.socket,
            cache=found.daemon.cache, base="debian", admin_group="gaoler-admin", has_network=True, web_listen=found.web.listen,
            web_account="gaoler-web", names=found.daemon.prefix, bridge=found.network.bridge, subnet=str(found.network.subnet),
            subnet6=str(found.network.subnet6), ids=(found.ids.first, found.ids.count),
        )  # fmt: skip
        instances.enter(settings, of, register)
        known = instances.read(register)
        texts.append(text)
    assert texts[0] != texts[1]
    assert found.machines.all_memory < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2


def test_one_whose_program_is_gone_stands_in_nobodys_way(two, tmp_path):
    first, second, register, own = two
    first.current.rmdir()
    instances.enter(second, replace(own, bridge="gaoler0"), register)
    assert len(instances.others(instances.read(register), second)) == len(
        [one for one in instances.read(register) if str(tmp_path) not in one.prefix]
    )


@pytest.mark.parametrize("damage", ["", "{", "3", "[3]", '[{"prefix": 1, "ids": ["x", null]}]'])
def test_a_register_that_can_not_be_read_is_not_taken_for_an_empty_one(two, damage):
    first, second, register, own = two
    register.write_text(damage)
    for work in (lambda: instances.enter(second, own, register), lambda: instances.forget(first, register)):
        with pytest.raises(Failed) as told:
            work()
        assert told.value.hint == f"sudo editor {register}"
    assert register.read_text() == damage
