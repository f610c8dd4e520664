"""What is wrong with a configuration, in words, with the line and the nearest right key."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from gaoler.configuration.model import Configuration
from gaoler.errors import Usage


def usage(path: Path, found: list[tuple[int, str]]) -> Usage:
    """The error that tells all of them, each with its line in that file."""
    told = [f"{path}:{line}: {words}" for line, words in found]
    if len(told) == 1:
        return Usage("the configuration has a mistake", told[0], f"sudo editor {path}")
    return Usage(f"the configuration has {len(told)} mistakes", "\n    ".join(["", *told]), f"sudo editor {path}")


def tell(text: str, error: ValidationError) -> Iterator[tuple[int, str]]:
    """Each mistake in the text of a file: its line, and what it is."""
    for item in error.errors():
        yield line(text, item["loc"]), _tell(item)


def _tell(item: Any) -> str:
    keys = [str(key) for key in item["loc"]]
    name = ".".join(keys)
    if item["type"] != "extra_forbidden":
        return f"{name}: {_words(item)}"
    near = get_close_matches(keys[-1], _known(keys[:-1]), 1)
    return f"unknown key {name}" + (f", did you mean {near[0]}?" if near else "")


def _words(item: Any) -> str:
    """What is wrong with a value; the validator's own words where it is nothing that happens often."""
    said = {
        "string_type": "must be text, in quotes",
        "int_parsing": "must be a whole number",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "finite_number": "must be a number",
        "bool_type": "must be true or false",
        "bool_parsing": "must be true or false",
        "list_type": 'must be a list, ["...", "..."]',
        "dict_type": "must be a section of its own, in brackets",
        "model_type": "must be a section of its own, in brackets",
        "path_type": "must be a path, in quotes",
        "literal_error": "must be {expected}",
        "greater_than": "must be more than {gt}",
        "greater_than_equal": "must be {ge} at least",
        "less_than_equal": "must be {le} at most",
        "string_pattern_mismatch": f"must be {_form(item['loc'])}",
    }.get(item["type"])
    if item["type"].endswith("_network"):
        near = _network(item["input"])
        if near:
            return f"must be a network, not {item['input']!r}: it has bits of a host in it, did you mean {near}?"
    if said is None:
        return str(item["msg"].removeprefix("Value error, "))
    shown = "" if item["type"] in ("dict_type", "model_type") else f", not {item['input']!r}"[:60]
    return said.format(**item.get("ctx", {})) + shown


def _form(location: tuple[str | int, ...]) -> str:
    """What the value of a key looks like, as the model says it beside the pattern."""
    *sections, key = [str(part) for part in location]
    extra = _section(sections).model_fields[key].json_schema_extra if sections else None
    return str((extra or {}).get("form", "of another form"))


def _network(value: Any) -> str:
    """The network that an address with a length is in; nothing for anything else, or where it is the network's own."""
    try:
        network = str(ipaddress.ip_network(value, strict=False)) if isinstance(value, str) and "/" in value else ""
    except ValueError:
        return ""
    return network if network and network != value else ""


def _known(keys: list[str]) -> list[str]:
    return list(_section(keys).model_fields)


def _section(keys: list[str]) -> Any:
    section: Any = Configuration
    for key in keys:
        kind = get_origin(section)
        section = get_args(section)[1] if kind is dict else section.model_fields[key].annotation
    return section


def line(text: str, location: tuple[str | int, ...]) -> int:
    """The line that a key stands on: the first one of that name after its section's heading."""
    *section, key = [str(part) for part in location if not isinstance(part, int)]
    heading = re.compile(rf"\s*\[\s*{re.escape('.'.join(section))}\s*\]") if section else None
    wanted = re.compile(rf"\s*(\[\s*)?{re.escape(key)}\b")
    inside = heading is None
    for number, words in enumerate(text.splitlines(), 1):
        if heading and heading.match(words):
            inside = True
        elif inside and wanted.match(words):
            return number
    return 1
