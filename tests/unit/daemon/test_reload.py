"""What holds at once after a reload is asked of the configuration each time: no part of the daemon keeps a copy."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from gaoler.configuration import holding
from gaoler.configuration.model import Configuration
from gaoler.daemon.deciding import Decided
from gaoler.daemon.parts import assemble


@pytest.fixture
def parts(tmp_path):
    configuration = Configuration.model_validate({"store": {"path": str(tmp_path)}, "daemon": {"runtime": str(tmp_path)}})
    network = SimpleNamespace(capacity=None, configuration=configuration)
    return assemble(Decided(tmp_path / "gaoler.toml", configuration), network)


def at_once(configuration):
    """Sections and paths in them, which are known again wherever somebody keeps them; numbers and words are anybody's."""
    for name in holding.AT_ONCE:
        section, _, key = name.partition(".")
        found = getattr(configuration, section)
        yield from known(getattr(found, key) if key else found, name)


def known(value, name):
    if isinstance(value, BaseModel):
        yield value, name
        for field in type(value).model_fields:
            yield from known(getattr(value, field), f"{name}.{field}")
    elif isinstance(value, Path):
        yield value, name


def kept(part, name, seen):
    """All that an object of gaoler's leads to, and by which way, without what the configuration itself has."""
    if id(part) in seen or isinstance(part, Configuration):
        return
    seen[id(part)] = part
    yield part, name
    if type(part).__module__.startswith("gaoler.") and hasattr(part, "__dict__"):
        for key, value in vars(part).items():
            yield from kept(value, f"{name}.{key}", seen)


def test_no_part_keeps_what_a_reload_replaces(parts):
    replaced = {id(value): setting for value, setting in at_once(parts.configuration)}
    assert {"machines", "limits", "masters.identity", "registries.credentials", "daemon.cache"} <= set(replaced.values())
    assert [f"{name} is {replaced[id(one)]}" for one, name in kept(parts, "parts", {}) if id(one) in replaced] == []


def test_what_is_adopted_reaches_those_that_use_it(parts, tmp_path):
    wanted = Configuration.model_validate(
        {
            "machines": {"ahead": "3m"},
            "masters": {"identity": "/etc/new_key"},
            "registries": {"insecure": ["here:5000"]},
            "daemon": {"cache": "/var/cache/new"},
        }
    )
    holding.adopt(parts.configuration, wanted)
    means = parts.syncs._means
    assert (means.access.identity, means.cache) == (Path("/etc/new_key"), Path("/var/cache/new"))
    assert means.registries.insecure == ("here:5000",)
    assert parts.arriving._templates._settings is wanted.machines
