"""What is told of the settings, made from the settings themselves: the reference, a new file, gaoler.toml(5).

`python3 -m gaoler.configuration.text > docs/reference/configuration.md`; `--sample` and `--manual` print the other two.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from gaoler import __version__, roff
from gaoler.configuration.holding import when
from gaoler.configuration.model import Configuration
from gaoler.units import show_duration, show_size

_HEAD = """# The configuration

`/etc/gaoler/gaoler.toml`, or what `GAOLER_CONFIG` or `gaoler --config` names. TOML; every key may be left out. A key that
gaoler does not know, a value that makes no sense, or one that this host can't have (a subnet that overlaps another network, a
bridge that isn't one) is told with file, line and key, by `gaoler --check`, and the daemon goes on with the configuration that it
had. Sizes are written `512M` or `2G`, durations `90s`, `30m`, `2h` or `7d`. This page is made from the code, as gaoler.toml(5)
is.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """`default` is as TOML writes it, "" for a setting without one; `choices` are what it can be, where that is a list."""

    name: str
    meaning: str
    default: str
    choices: tuple[str, ...]
    is_table: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """A section; `named` by the administrator, for instance [base.debian]."""

    title: str
    named: bool
    settings: tuple[Setting, ...]


def headings() -> Iterator[Heading]:
    """All sections, in the order of the model."""
    for name, field in Configuration.model_fields.items():
        kind: Any = field.annotation
        named = get_origin(kind) is dict
        if named:
            kind = get_args(kind)[1]
        settings = tuple(_setting(key, setting) for key, setting in kind.model_fields.items())
        yield Heading(f"{name}.NAME" if named else name, named, settings)


def _setting(name: str, field: Any) -> Setting:
    is_table = get_origin(field.annotation) is dict
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return Setting(name, str(field.description), "" if is_table else _literal(field), choices, is_table)


def _literal(field: Any) -> str:
    """A default as TOML, which JSON writes the same way; a size or a duration as people write it."""
    value = field.default
    if value is None:
        return ""
    converters = [item.func.__name__ for item in field.metadata if hasattr(item, "func")]
    if converters and value:
        value = show_size(value) if "size" in converters else show_duration(value)
    return json.dumps(value if isinstance(value, bool | int | float | list) else str(value))


def reference() -> str:
    """docs/reference/configuration.md."""
    parts = [_HEAD]
    for heading in headings():
        parts.append(f"\n## [{heading.title}]\n\n{_when(heading)}\n\n| key | default | meaning |\n| --- | --- | --- |\n")
        parts += [f"| `{one.name}` | {_shown(one)} | {one.meaning} |\n" for one in heading.settings]
    return "".join(parts)


def _when(heading: Heading) -> str:
    return f"A change holds {when(heading.title.partition('.')[0])}."


def _shown(setting: Setting) -> str:
    default = "" if setting.default in ('""', "") else f"`{setting.default.strip(chr(34))}`"
    return f"{default} (of {', '.join(setting.choices)})" if setting.choices else default


def sample() -> str:
    """A new configuration file: every section and setting with its meaning and its default, as comments."""
    lines = [
        "# gaoler's settings. Each line shows a default; take the # away to change it, then: systemctl reload gaoler",
        "# What that does not reach, the store and the network, holds after: gaoler --check && systemctl restart gaoler",
    ]
    for heading in headings():
        lines += ["", f"#[{heading.title}]" if heading.named else f"[{heading.title}]"]
        for one in heading.settings:
            lines.append(f"# {one.meaning}")
            if not one.is_table:
                lines.append(f"#{one.name} = {one.default}".rstrip())
    return "\n".join(lines) + "\n"


def manual() -> str:
    """gaoler.toml(5)."""
    about = _HEAD.partition("\n\n")[2].partition(" This page")[0].replace("`", "").replace("\n", " ")
    parts = [
        roff.title("gaoler.toml", 5, f"gaoler {__version__}"),
        roff.heading("Name"),
        "gaoler.toml \\- the configuration of gaoler(8)",
        roff.heading("Description"),
        roff.paragraph(about),
        roff.paragraph("Machines outlive a restart of the daemon: systemctl restart gaoler."),
        roff.heading("Settings"),
    ]
    for heading in headings():
        parts.append(roff.part(f"[{heading.title}]"))
        parts.append(roff.paragraph(_when(heading).replace("`", "")))
        parts += [
            roff.item(f"{one.name} = {one.default}" if one.default else one.name, _sentences(one)) for one in heading.settings
        ]
    parts += [roff.heading("See also"), f"{roff.bold('gaoler')}(8), {roff.bold('gaol')}(1)"]
    return "\n".join(parts) + "\n"


def _sentences(setting: Setting) -> str:
    choices = f" One of {', '.join(setting.choices)}." if setting.choices else ""
    return f"{setting.meaning[:1].upper()}{setting.meaning[1:]}.{choices}"


if __name__ == "__main__":
    print({"": reference, "--sample": sample, "--manual": manual}["".join(sys.argv[1:])](), end="")
