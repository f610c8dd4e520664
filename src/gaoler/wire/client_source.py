"""Write the typed client's methods from the table: `python -m gaoler.wire.client_source > src/gaoler/client/methods.py`.

They are written down rather than made at run time so that a command line needs neither the table nor its types, which
take 100 ms to import, and so that an editor knows them. A test holds the file to the table.
"""

from __future__ import annotations

import re
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gaoler.wire import messages, replies, requests
from gaoler.wire.methods import METHODS, Method

_SAID = {"List": "machines", "Inspect": "info", "Import": "import_", "all": "everybody"}
"""What the client calls otherwise: `list`, `import` and `all` are Python's own."""
_SPREAD = (messages.Spec, messages.Command)
"""What a caller gives the fields of, one by one."""
_TYPES = (str, int, float, bool)

HEAD = '''"""A method of the client for each of the interface. Made by `python -m gaoler.wire.client_source`: not to be edited."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal, TypeAlias

    Progress: TypeAlias = Callable[[dict[str, Any]], None]
    """Is told of each step."""
'''
CLASS = '''

class Methods:
    """Every method raises GaolerError, and can refuse: who may is said at each."""

    def call(self, method: str, progress: Progress | None = None, /, **parameters: Any) -> dict[str, Any]:
        """Call and return the last reply; the ones before go to `progress`."""
        raise NotImplementedError

    def replies(self, method: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Call, and yield each reply until the last one."""
        raise NotImplementedError
'''


def source() -> str:
    """The module's text."""
    carried = [
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, messages.Message) and kind is not messages.Message
    ]
    aliases = "".join(f"    {kind.__name__}: TypeAlias = dict[str, Any]\n" for kind in carried if kind not in _SPREAD)
    return HEAD + aliases + CLASS + "".join(_method(method) for method in METHODS.values())


def is_passing(method: Method[Any, Any]) -> bool:
    """Whether its replies are to be read one by one: a machine lives from the first to the last."""
    return method.before is replies.Session


def python_name(method: Method[Any, Any]) -> str:
    """What the client calls it."""
    return _SAID.get(method.name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).lower()


def parameters(request: type[requests.Request]) -> dict[str, FieldInfo]:
    """What the client's method takes, in order: what must be said first, `owner` last."""
    fields: dict[str, FieldInfo] = {}
    for name, field in request.model_fields.items():
        kind = field.annotation
        fields |= kind.model_fields if isinstance(kind, type) and kind in _SPREAD else {name: field}
    order = list(fields)
    return dict(sorted(fields.items(), key=lambda one: (not one[1].is_required(), one[0] == "owner", order.index(one[0]))))


def _method(method: Method[Any, Any]) -> str:
    taken = parameters(method.request)
    spread = [name for name, field in method.request.model_fields.items() if field.annotation in _SPREAD]
    reports = method.before is not None and not is_passing(method)
    words = [_parameter(name, field) for name, field in taken.items()]
    if reports:
        words.insert(max(1, sum(field.is_required() for field in taken.values())), "progress: Progress | None = None")
    mark = '"{}": '.format if is_passing(method) else "{}=".format
    parts = []
    for name, field in method.request.model_fields.items():
        if name in spread:
            keys = [f'"{key}": {key}' for key in field.annotation.model_fields]
            parts.append(f"{mark(name)}_given({{{', '.join(keys)}}})")
        else:
            parts.append(f"{mark(name)}{_SAID.get(name, name)}")
    answered = list(method.reply.model_fields.items())
    if is_passing(method):
        returns, body = "Iterator[dict[str, Any]]", f'return self.replies("{method.name}", {{{", ".join(parts)}}})'
    else:
        progress = "progress" if reports else "None"
        call = f'self.call("{method.name}", {progress}, {", ".join(parts)})' if parts else f'self.call("{method.name}")'
        returns, body = _returned(answered, call)
    about = " ".join(line.strip() for line in (method.request.__doc__ or "").strip().splitlines()[:1])
    lines = [
        "",
        f"    def {python_name(method)}(",
        "        self,",
        *(f"        {word}," for word in words),
        f"    ) -> {returns}:",
        f'        """{about} Who may: {method.right}."""',
        *(f"        {line}" for line in body.split("\n")),
        "",
    ]
    return "\n".join(lines)


def _returned(answered: list[tuple[str, FieldInfo]], call: str) -> tuple[str, str]:
    if not answered:
        return "None", call
    if len(answered) > 1:
        return "dict[str, Any]", f"return {call}"
    name, field = answered[0]
    kind = _type(field.annotation)
    return kind, f'found: {kind} = {call}["{name}"]\nreturn found'


def _parameter(name: str, field: FieldInfo) -> str:
    written = f"{_SAID.get(name, name)}: {_type(field.annotation)}"
    if field.is_required():
        return written
    default = field.default
    if isinstance(default, list | dict):  # a default is shared by all calls: nobody may change it
        return f"{written} | None = None"
    shown = _quoted(default) if isinstance(default, str) else repr(default)
    return f"{written} = {shown}"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(_type(part) for part in arguments)
    if origin is Literal:
        return f"Literal[{', '.join(map(_quoted, arguments))}]"
    if origin in (list, dict):
        return f"{origin.__name__}[{', '.join(map(_type, arguments))}]"
    if annotation is type(None):
        return "None"
    if annotation in _TYPES or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return str(annotation.__name__)
    raise TypeError(f"no type for {annotation}")


def _quoted(text: str) -> str:
    return f'"{text}"'


TAIL = """

def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
"""

if __name__ == "__main__":
    print(source() + TAIL, end="")
