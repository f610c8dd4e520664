"""`org.varlink.service`: what interface this is, for varlinkctl and other Varlink tools. Made from the messages."""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from gaoler import __version__
from gaoler.wire import messages
from gaoler.wire.messages import REQUESTS

_REPLIES = {
    "Run": "session: string", "Up": "machine: Info", "Exec": "", "List": "machines: []Info", "Inspect": "machine: Info",
    "Top": "usage: []Usage", "Log": "text: string", "Down": "machine: Info", "Remove": "", "Wait": "machine: Info",
    "Ssh": "name: string, address: string, user: string, identity: string, host_keys: []string",
    "Snapshot": "tag: string, note: ?string", "SnapshotRemove": "", "Restore": "machine: Info",
    "Clone": "machine: Info, note: ?string",
    "Publish": "base: Base",
    "BaseList": "bases: []Base", "BaseInspect": "base: Base, generations: []Generation", "BaseAdd": "base: Base",
    "BaseSync": "base: ?Base, new: ?bool, bases: ?[]Base", "BaseRollback": "base: Base", "BaseRemove": "",
    "KernelBuild": "kernel: Kernel",
    "KernelList": "kernels: []Kernel", "KernelRemove": "", "StoreInspect": "store: Store", "Doctor": "checks: []Check",
    "Metrics": "text: string",
}  # fmt: skip


def answer(name: object, parameters: object) -> dict[str, Any] | None:
    """The reply to a call of `org.varlink.service`, None for any other call."""
    if name == "org.varlink.service.GetInfo":
        return {
            "parameters": {
                "vendor": "gaoler",
                "product": "gaoler",
                "version": __version__,
                "url": "",
                "interfaces": ["org.varlink.service", "org.gaoler"],
            }
        }
    if name == "org.varlink.service.GetInterfaceDescription":
        wanted = parameters.get("interface") if isinstance(parameters, dict) else None
        if wanted != "org.gaoler":
            return {"error": "org.varlink.service.InterfaceNotFound", "parameters": {"interface": str(wanted)[:100]}}
        return {"parameters": {"description": description()}}
    return None


def method_not_found(name: object) -> dict[str, Any]:
    return {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": str(name)[:100]}}


@cache
def description() -> str:
    """The interface in Varlink's definition language."""
    lines = ["# Machines for everybody: https://varlink.org describes this language", "interface org.gaoler", ""]
    for name, kind in vars(messages).items():
        is_type = isinstance(kind, type) and issubclass(kind, messages.Message) and kind is not messages.Message
        if is_type and not issubclass(kind, messages.Request):
            lines.append(f"type {name} ({_fields(kind)})")
    lines.append("")
    for name, kind in REQUESTS.items():
        lines.append(f"method {name}({_fields(kind)}) -> ({_REPLIES[name]})")
    lines += ["", "error Error (what: string, why: string, hint: string, code: int)", ""]
    return "\n".join(lines)


def _fields(kind: type[BaseModel]) -> str:
    parts = []
    for name, field in kind.model_fields.items():
        written = _type(field.annotation)
        optional = "" if field.is_required() or written.startswith("?") else "?"
        parts.append(f"{name}: {optional}{written}")
    return ", ".join(parts)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, types.UnionType):
        return "?" + _type(next(part for part in arguments if part is not type(None)))
    if origin is Literal:
        return f"({', '.join(arguments)})"
    if origin is list:
        return f"[]{_type(arguments[0])}"
    if origin is dict:
        return f"[string]{_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    return {str: "string", int: "int", float: "float", bool: "bool"}[annotation]
