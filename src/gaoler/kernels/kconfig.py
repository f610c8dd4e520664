"""The kernel's configuration: gaol.config over nothing, and a check that no wish was lost on the way."""

from __future__ import annotations

import re
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report

_SET = re.compile(r"(CONFIG_\w+)=(.*)")
_UNSET = re.compile(r"# (CONFIG_\w+) is not set")


def parse(text: str) -> dict[str, str]:
    """Options and their values as Kconfig writes them; one that is not set is `n`."""
    options: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line.strip()):
            options[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line.strip()):
            options[match[1]] = "n"
    return options


def lost(wanted: dict[str, str], made: dict[str, str]) -> list[str]:
    """What was asked for and did not come, as `CONFIG_X=y (is n)`."""
    return [f"{name}={value} (is {made.get(name, 'n')})" for name, value in wanted.items() if made.get(name, "n") != value]


def configure(tree: Path, fragment: Path, report: Report) -> None:
    """Writes tree/.config; raises Failed that names every option of the fragment that Kconfig dropped or changed."""
    report(Progress("configure"))
    stream(
        ["make", "ARCH=um", "allnoconfig"],
        lambda _: None,
        what="can't configure the kernel",
        cwd=tree,
        env={**plain_environment(), "KCONFIG_ALLCONFIG": str(fragment)},
    )
    missing = lost(parse(fragment.read_text()), parse((tree / ".config").read_text()))
    if missing:
        raise Failed(
            "the kernel can't be configured as wanted",
            f"{len(missing)} options of {fragment.name} are lost: " + ", ".join(missing),
            "grep -r OPTION --include=Kconfig* .",
        )
