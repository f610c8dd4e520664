"""The configuration as it is read: whole, or with every mistake told."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from gaoler.configuration import mistakes
from gaoler.configuration.model import Configuration
from gaoler.errors import Usage


def load(path: Path) -> Configuration:
    """The configuration in that file. Raises Usage with every mistake, each with file, line and key."""
    return read(path)[1]


def read(path: Path) -> tuple[str, Configuration]:
    """The same, and the text that it was made of."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Usage(f"no configuration {path}", "it is not there", "sudo make up  (writes one)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"can't read {path}", str(error), f"ls -l {path}") from None
    try:
        return text, Configuration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Usage(f"{path} is not TOML", str(error), f"sudo editor {path}") from None
    except ValidationError as error:
        raise mistakes.usage(path, list(mistakes.tell(text, error))) from None
