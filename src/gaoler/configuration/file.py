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
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Usage(f"no configuration {path}", "it is not there", "sudo make up  (writes one)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"can't read {path}", str(error), f"ls -l {path}") from None
    try:
        return Configuration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Usage(f"{path} is not TOML", str(error), f"sudo editor {path}") from None
    except ValidationError as error:
        told = [f"{path}:{line}: {words}" for line, words in mistakes.tell(text, error)]
        if len(told) == 1:
            raise Usage("the configuration has a mistake", told[0], f"sudo editor {path}") from None
        raise Usage(f"the configuration has {len(told)} mistakes", "\n    ".join(["", *told]), f"sudo editor {path}") from None
