"""The interface that the daemon publishes, read back from its text as another program would, and replies held to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_PLAIN = {"string": str, "int": int, "bool": bool}


@dataclass
class Interface:
    types: dict[str, dict[str, str]] = field(default_factory=dict)
    methods: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)

    def faults(self, method: str, parameters: dict[str, Any]) -> list[str]:
        """What of a reply's parameters is not as it was published; nothing where all is."""
        return list(self._object(self.methods[method][1], parameters, method))

    def faults_of_call(self, method: str, parameters: dict[str, Any]) -> list[str]:
        return list(self._object(self.methods[method][0], parameters, method))

    def _object(self, fields: dict[str, str], value: Any, where: str):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        yield from (f"{where}: {name} is not published" for name in value.keys() - fields.keys())
        for name, kind in fields.items():
            if name in value:
                yield from self._value(kind, value[name], f"{where}.{name}")
            elif not kind.startswith("?"):
                yield f"{where}: {name} is missing"

    def _value(self, kind: str, value: Any, where: str):
        if kind.startswith("?"):
            if value is not None:
                yield from self._value(kind[1:], value, where)
        elif kind.startswith("[]"):
            for number, one in enumerate(value):
                yield from self._value(kind[2:], one, f"{where}[{number}]")
        elif kind.startswith("[string]"):
            for key, one in value.items():
                yield from self._value(kind[8:], one, f"{where}[{key}]")
        elif kind.startswith("("):
            if value not in re.findall(r"\w+", kind):
                yield f"{where}: {value!r} is none of {kind}"
        elif kind == "float":
            if not isinstance(value, int | float):
                yield f"{where}: {value!r} is no float"
        elif kind in _PLAIN:
            if type(value) is not _PLAIN[kind]:
                yield f"{where}: {value!r} is no {kind}"
        else:
            yield from self._object(self.types[kind], value, where)


def read(text: str) -> Interface:
    """From Varlink's definition language, as far as gaoler speaks it."""
    found = Interface()
    for line in text.splitlines():
        if kind := re.fullmatch(r"type (\w+) \((.*)\)", line):
            found.types[kind[1]] = _fields(kind[2])
        elif method := re.fullmatch(r"method (\w+)\((.*)\) -> \((.*)\)", line):
            found.methods[method[1]] = _fields(method[2]), _fields(method[3])
        else:
            assert not line or line.startswith(("#", "interface ", "error ")), line
    return found


def _fields(text: str) -> dict[str, str]:
    """`name: type` between commas; those in brackets belong to a type."""
    parts = re.findall(r"(\w+): ((?:\([^)]*\)|[^,(])+)", text)
    return {name: kind.strip() for name, kind in parts}
