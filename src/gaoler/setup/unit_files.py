"""Units of systemd, of each installation its own: `gaoler.service` of the standard one, `gaoler@opt-trial.service` of /opt/trial.

They are files of their own and no template: two installations may be of two versions, and neither changes what the other has.
"""

from __future__ import annotations

import re
from pathlib import Path

from gaoler import places
from gaoler.setup.settings import Settings

PLACE = Path("/etc/systemd/system")
_UNIT = re.compile(r"\b(gaoler(?:-[a-z]+)?)\.(service|timer)\b")
_FLEETING = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - nothing is written there


def is_standard(settings: Settings) -> bool:
    standard = Settings.of({})
    return (settings.prefix, settings.configuration) == (standard.prefix, standard.configuration)


def are_possible(settings: Settings) -> bool:
    """Whether there may be units at all: what lies in /tmp the page, which has one of its own, does not see."""
    own = (settings.prefix.resolve(), settings.configuration.resolve())
    return not any(path.is_relative_to(place) for path in own for place in _FLEETING)


def instance(settings: Settings) -> str:
    """What stands behind the @; nothing in the standard installation."""
    return "" if is_standard(settings) else of_prefix(settings.prefix.resolve())


def of_prefix(prefix: Path) -> str:
    """Readable, where systemd-escape(1) escapes each dash. Two that come out the same are refused (gaoler.setup.instances)."""
    return re.sub(r"[^A-Za-z0-9:_.-]", "_", str(prefix).strip("/").replace("/", "-"))


def name(settings: Settings, unit: str) -> str:
    """`unit` is a file of packaging/."""
    return _UNIT.sub(lambda found: _named(found, instance(settings)), unit)


def _named(found: re.Match[str], own: str) -> str:
    return f"{found[1]}@{own}.{found[2]}" if own else found[0]


def text(settings: Settings, unit: str) -> str:
    """A file of packaging/, for this installation."""
    written = (places.PACKAGING / unit).read_text()
    if is_standard(settings):
        return written
    own, prefix = instance(settings), str(settings.prefix.resolve()).replace("%", "%%")
    written = re.sub(r"(?m)^Description=(.*)$", rf"Description=\1 ({prefix})", written.replace("/usr/local/", f"{prefix}/"))
    return _UNIT.sub(lambda found: _named(found, own), written)


def install(settings: Settings, units: tuple[str, ...], place: Path = PLACE) -> None:
    for unit in units:
        (place / name(settings, unit)).write_text(text(settings, unit))


def installed(settings: Settings, units: tuple[str, ...], place: Path = PLACE) -> list[str]:
    """Those of this installation that systemd has files of, by their own names."""
    return [own for own in (name(settings, unit) for unit in units) if (place / own).exists()]
