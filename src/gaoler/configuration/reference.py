"""The reference of the configuration, as Markdown, made from the settings themselves.

python3 -m gaoler.configuration.reference > docs/reference/configuration.md
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from gaoler.configuration.model import Configuration, Section
from gaoler.units import show_duration, show_size

_HEAD = """# The configuration

`/etc/gaoler/gaoler.toml`, or what `GAOLER_CONFIG` or `gaoler --config` names. TOML; every key may be left out. A key that
gaoler does not know, or a value that makes no sense, keeps it from starting, with file, line and key. Sizes are written
`512M` or `2G`, durations `90s`, `30m`, `2h` or `7d`. This page is made from the code.
"""


def reference() -> str:
    parts = [_HEAD]
    for name, field in Configuration.model_fields.items():
        kind, title = field.annotation, name
        if get_origin(kind) is dict:  # tables named by the administrator
            kind, title = get_args(kind)[1], f"{name}.NAME"
        assert isinstance(kind, type) and issubclass(kind, Section)
        parts.append(f"\n## [{title}]\n\n| key | default | meaning |\n| --- | --- | --- |\n")
        for key, setting in kind.model_fields.items():
            parts.append(f"| `{key}` | {_default(setting)} | {setting.description} |\n")
    return "".join(parts)


def _default(setting: Any) -> str:
    value = setting.default
    units = {convert for item in setting.metadata for convert in [getattr(item, "func", None)] if convert}
    if get_origin(setting.annotation) is Literal:
        return f"`{value}` (of {', '.join(get_args(setting.annotation))})"
    if value in (None, ""):
        return ""
    if units and isinstance(value, int) and value:
        return f"`{show_size(value) if value >= 1 << 20 else show_duration(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    print(reference(), end="")
