"""Where the files of gaoler itself are: beside src/, in a checkout and where `make up` installed it alike."""

from __future__ import annotations

from pathlib import Path

TREE = Path(__file__).resolve().parents[2]

KERNEL = TREE / "kernel"
SERIES = KERNEL / "series"
FRAGMENT = KERNEL / "gaol.config"
FILES = KERNEL / "files"
REPLACED = KERNEL / "replaced"
PATCHES = KERNEL / "patches"
GUEST = TREE / "guest"
PACKAGING = TREE / "packaging"
