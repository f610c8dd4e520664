"""Which of this host's installations we are, as its own commands say in the environment (gaoler.setup.install)."""

from __future__ import annotations

import os

STANDARD = "/etc/gaoler/gaoler.toml"
"""The configuration of the first installation of a host, as hints name it."""
_UNITS = ("gaoler-web", "gaoler")
"""As hints name the units of the first one; which stand at the end of a word."""


def here(hint: str) -> str:
    """A hint as it is typed in this installation, which has a configuration and units of systemd of its own."""
    hint = hint.replace(STANDARD, os.environ.get("GAOLER_CONFIG") or STANDARD)
    if not _instance():
        return hint
    parts = hint.split("systemctl ")
    return "systemctl ".join([parts[0], *map(_own_unit, parts[1:])])


def _own_unit(words: str) -> str:
    """What follows `systemctl `: a verb, and a unit."""
    verb, space, rest = words.partition(" ")
    for name in _UNITS:
        after = rest.removeprefix(name)
        if after != rest and not after[:1].isalnum() and after[:1] != "-":
            return f"{verb}{space}{unit(name)}{after}"
    return words


def unit(name: str) -> str:
    """A unit of ours, by its name in the first installation: `gaoler-bases@opt-trial.timer` of /opt/trial."""
    stem, dot, kind = name.partition(".")
    return f"{stem}@{_instance()}{dot}{kind}" if _instance() else name


def _instance() -> str:
    return os.environ.get("GAOLER_INSTANCE", "")
