"""What of a changed configuration holds at once, when a daemon is told to read it anew, and what when one starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from gaoler.configuration.model import Configuration

AT_ONCE = ("daemon.admin_group", "daemon.cache", "machines", "limits", "masters", "registries", "metrics", "audit", "base")
"""Settings, or whole sections: everything else is made of the host when the daemon starts."""
OF_THE_PAGE = "web"
"""The page has a program of its own, which reads the same file."""


def is_at_once(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in AT_ONCE)


def when(section: str) -> str:
    """For the documents: when a change of that section holds."""
    if section == OF_THE_PAGE:
        return "after `systemctl reload gaoler-web`"
    keys = [one.partition(".")[2] for one in AT_ONCE if one.startswith(f"{section}.")]
    if keys:
        return f"after a restart; {' and '.join(f'`{key}`' for key in keys)} after `systemctl reload gaoler`"
    return "after `systemctl reload gaoler`" if is_at_once(section) else "after a restart"


def differences(there: Configuration, wanted: Configuration) -> tuple[list[str], list[str]]:
    """Settings that differ: those that hold at once, and those that do from the next start on."""
    before, after = dict(_flat(there)), dict(_flat(wanted))
    ours = (name for name in {**before, **after} if not name.startswith(f"{OF_THE_PAGE}."))
    names = [name for name in ours if before.get(name) != after.get(name)]
    return [name for name in names if is_at_once(name)], [name for name in names if not is_at_once(name)]


def adopt(there: Configuration, wanted: Configuration) -> tuple[list[str], list[str]]:
    """Let `there` say what `wanted` does, as far as that holds at once: section by section. Returns what differed."""
    found = differences(there, wanted)
    for name in AT_ONCE:
        section, _, key = name.partition(".")
        new = getattr(wanted, section)
        if key:
            new = getattr(there, section).model_copy(update={key: getattr(new, key)})
        setattr(there, section, new)
    return found


def told(now: list[str], later: list[str]) -> str:
    """In a sentence; nothing where nothing differs."""
    parts = [f"{', '.join(now)}: at once"] if now else []
    parts += [f"{', '.join(later)}: after a restart"] if later else []
    return "; ".join(parts)


def _flat(model: BaseModel, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        yield from _parts(getattr(model, name), f"{above}{name}")


def _parts(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from _flat(value, f"{name}.")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _parts(one, f"{name}.{key}")
    else:
        yield name, value
