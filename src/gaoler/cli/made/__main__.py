"""Write what is made from the commands.

`python3 -m gaoler.cli.made` writes docs/reference/commands.md anew; with a PREFIX, it installs completions and gaol(1) there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaoler.cli.made import bash, fish, manual, reference, zsh

REFERENCE = Path(__file__).resolve().parents[4] / "docs" / "reference" / "commands.md"

INSTALLED = {
    "share/bash-completion/completions/gaol": bash.script,
    "share/zsh/site-functions/_gaol": zsh.script,
    "share/fish/vendor_completions.d/gaol.fish": fish.script,
    "share/man/man1/gaol.1": manual.page,
}
"""Below a prefix, and what is in it."""


def main(words: list[str]) -> None:
    if not words:
        REFERENCE.write_text(reference.page())
        return
    for name, text in INSTALLED.items():
        path = Path(words[0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text())
        new.chmod(0o644)
        new.rename(path)


if __name__ == "__main__":
    main(sys.argv[1:])
