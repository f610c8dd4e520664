"""Changes one setting in the text of a configuration, and nothing else: comments and order stay."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from gaoler import files
from gaoler.errors import Failed


def put(path: Path, section: str, key: str, value: str) -> None:
    """Have the file say `key = "value"` in `[section]`. Raises Failed where that can't be done by a line."""
    wanted = f"{key} = {json.dumps(value)}"
    try:
        text = path.read_text()
        changed = replaced(text, section, key, wanted)
        before, after = tomllib.loads(text), tomllib.loads(changed)
        good = after == {**before, section: {**before.get(section, {}), key: value}}
    except (OSError, ValueError):  # tomllib's error is a ValueError
        good = False
    if not good:
        raise Failed(f"can't change {path}", f"[{section}] is written in a way of its own", f"sudo editor {path}  ({wanted})")
    try:
        files.replace(path, changed.encode(), mode=path.stat().st_mode & 0o777, durable=True)
    except OSError as error:
        raise Failed(f"can't change {path}", error.strerror or str(error), f"sudo editor {path}  ({wanted})") from None


def replaced(text: str, section: str, key: str, line: str) -> str:
    """The text with that line for the key in a section: in the place of the one that is there, else below the heading."""
    lines = text.splitlines()
    heading = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?")
    start = next((at for at, one in enumerate(lines) if heading.fullmatch(one)), None)
    if start is None:
        return "\n".join([*lines, "", f"[{section}]", line, ""])
    end = next((at for at in range(start + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    there = next((at for at in range(start + 1, end) if re.match(rf"\s*{re.escape(key)}\s*=", lines[at])), None)
    if there is None:
        lines.insert(start + 1, line)
    else:
        lines[there] = line
    return "\n".join([*lines, ""])
