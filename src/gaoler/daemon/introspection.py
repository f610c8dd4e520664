"""`org.varlink.service`: what interface this is, for varlinkctl and other Varlink tools. Made from the table of methods."""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from gaoler import __version__
from gaoler.wire import messages
from gaoler.wire.methods import METHODS, Method


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
        if isinstance(kind, type) and issubclass(kind, messages.Message) and kind is not messages.Message:
            lines.append(f"type {name} ({', '.join(_fields(kind))})")
    for method in METHODS.values():
        lines += ["", *(f"# {line}" for line in _about(method))]
        lines.append(f"method {method.name}({', '.join(_fields(method.request))}) -> ({', '.join(_answers(method))})")
    lines += ["", "error Error (what: string, why: string, hint: string, code: int)", ""]
    return "\n".join(lines)


def _about(method: Method[Any, Any]) -> list[str]:
    text = [line.strip() for line in (method.request.__doc__ or "").strip().splitlines()]
    return [*filter(None, text), f"Who may: {method.right}."]


def _answers(method: Method[Any, Any]) -> list[str]:
    """The fields of its replies. Of several kinds, each field may be absent: Varlink has one type for all replies to a call."""
    if method.before in (None, method.reply):
        return _fields(method.reply)
    both = {**method.before.model_fields, **method.reply.model_fields}
    return [f"{name}: ?{_type(field.annotation).removeprefix('?')}" for name, field in both.items()]


def _fields(kind: type[BaseModel]) -> list[str]:
    parts = []
    for name, field in kind.model_fields.items():
        written = _type(field.annotation)
        optional = "" if field.is_required() or written.startswith("?") else "?"
        parts.append(f"{name}: {optional}{written}")
    return parts


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
