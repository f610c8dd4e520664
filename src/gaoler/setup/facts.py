"""Asks the daemon's configuration where things are; run with the installed Python, since the reader is the daemon's.

`python -m gaoler.setup.facts FILE` prints the facts as JSON, `--sample` a configuration file with every setting in it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from gaoler.errors import Failed, GaolerError
from gaoler.host.command import run
from gaoler.host.stream import plain_environment
from gaoler.setup.settings import Settings
from gaoler.units import show_duration, show_size


@dataclass(frozen=True, slots=True)
class Facts:
    """What set-up must know of the configuration."""

    store: Path
    image: Path
    device: Path | None
    runtime: Path
    socket: Path
    cache: Path
    base: str
    admin_group: str
    has_network: bool


def ask(settings: Settings) -> Facts:
    """The facts in the daemon's configuration; raises Failed with what the daemon says of a wrong one."""
    answer = json.loads(_installed(settings, str(settings.configuration)))
    if "error" in answer:
        raise Failed(*answer["error"])
    device = Path(answer["device"]) if answer["device"] else None
    paths: dict[str, Any] = {name: Path(answer[name]) for name in ("store", "image", "runtime", "socket", "cache")}
    others: dict[str, Any] = {name: answer[name] for name in ("base", "admin_group", "has_network")}
    return Facts(**paths, **others, device=device)


def sample(settings: Settings) -> str:
    """The text of a new configuration file."""
    return _installed(settings, "--sample")


def _installed(settings: Settings, argument: str) -> str:
    environment = {**plain_environment(), "PYTHONPATH": str(settings.current / "src")}
    return run([str(settings.python), "-m", "gaoler.setup.facts", argument], env=environment).stdout


def main(argument: str) -> None:
    from gaoler.configuration import model as configuration  # noqa: PLC0415, it needs the installed environment

    if argument == "--sample":
        print(make_sample(configuration.Configuration), end="")
        return
    try:
        found = configuration.load(Path(argument))
    except GaolerError as error:
        print(json.dumps({"error": [error.what, error.why, error.hint]}))
        return
    answer = {
        "store": found.store.path,
        "image": found.store.image,
        "device": found.store.device,
        "runtime": found.daemon.runtime,
        "socket": found.socket,
        "cache": found.daemon.cache,
        "base": found.machines.base,
        "admin_group": found.daemon.admin_group,
        "has_network": found.network.mode != "none",
    }
    print(json.dumps(answer, default=str))


def make_sample(model: Any) -> str:
    """Every section and setting with its meaning and its default, as comments."""
    lines = ["# gaoler's settings. Each line shows a default; take the # away to change it, then: systemctl restart gaoler"]
    for section, field in model.model_fields.items():
        kind, heading = field.annotation, f"[{section}]"
        if get_origin(kind) is dict:  # sections that the administrator names, for instance [base.debian]
            kind, heading = get_args(kind)[1], f"#[{section}.NAME]"
        lines += ["", heading]
        for name, setting in kind.model_fields.items():
            lines.append(f"# {setting.description}")
            if get_origin(setting.annotation) is not dict:
                lines.append(f"#{name} = {literal(setting)}".rstrip())
    return "\n".join(lines) + "\n"


def literal(setting: Any) -> str:
    """A setting's default as TOML, which JSON writes the same way; nothing for one without a default."""
    value = setting.default
    if value is None:
        return ""
    is_converted = any(hasattr(item, "func") for item in setting.metadata)  # a size or a duration
    if is_converted and value:
        value = show_size(value) if value >= 1 << 20 else show_duration(value)
    return json.dumps(value if isinstance(value, bool | int | float | list) else str(value))


if __name__ == "__main__":
    main(sys.argv[1])
