"""Where `make up` puts things, as the Makefile's variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """`prefix` holds the program, `cache` what can be made again, `configuration` is the daemon's."""

    prefix: Path
    cache: Path
    configuration: Path

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        return cls(
            prefix=Path(environ.get("PREFIX") or "/usr/local"),
            cache=Path(environ.get("CACHE") or "/var/cache/gaoler"),
            configuration=Path(environ.get("GAOLER_CONFIG") or "/etc/gaoler/gaoler.toml"),
        )

    @property
    def library(self) -> Path:
        """All of the program but the commands: the environment, and a copy of each installed tree."""
        return self.prefix / "lib" / "gaoler"

    @property
    def environment(self) -> Path:
        return self.library / "venv"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python3"

    @property
    def page(self) -> Path:
        """What browsers run of others' making."""
        return self.library / "page"

    @property
    def socket(self) -> Path:
        """Has the path of the daemon's socket, for `gaol`."""
        return self.library / "socket"

    @property
    def current(self) -> Path:
        """A link to the tree in use, laid out like the checkout: src/, kernel/, guest/, packaging/."""
        return self.library / "current"

    @property
    def made(self) -> tuple[Path, ...]:
        """What the program makes of itself: completions where the shells look for them, and manual pages."""
        share = self.prefix / "share"
        return (
            share / "bash-completion" / "completions" / "gaol",
            share / "zsh" / "site-functions" / "_gaol",
            share / "fish" / "vendor_completions.d" / "gaol.fish",
            share / "man" / "man1" / "gaol.1",
            *(self.manual(name) for name in ("gaoler.8", "gaoler.toml.5")),
        )

    def manual(self, name: str) -> Path:
        """Where man looks for the page `gaoler.8`."""
        return self.prefix / "share" / "man" / f"man{name[-1]}" / name

    @property
    def documents(self) -> Path:
        """A link to the documents of the installed tree."""
        return self.prefix / "share" / "doc" / "gaoler"

    @property
    def commands(self) -> Path:
        return self.prefix / "bin"
