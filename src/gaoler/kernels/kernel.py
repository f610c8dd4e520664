"""A kernel: the program `linux` in a directory that is named after what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kernel:
    version: str
    """Upstream's: 7.2.13."""
    hash: str
    """Over source, configuration and patches; hexadecimal."""
    directory: Path

    @property
    def name(self) -> str:
        return name_of(self.version, self.hash)

    @property
    def binary(self) -> Path:
        return self.directory / "linux"


def name_of(version: str, digest: str) -> str:
    """What a kernel's directory is called."""
    return f"{version}-{digest}"
