"""What the tests boot: a kernel, a base and the guest's files, as `make test` names them or `make up` installed them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

_STORE = Path("/uml")


@dataclass(frozen=True)
class Components:
    kernel: Path
    """The program `linux`."""
    base: Path
    """A Debian tree."""
    guest: Path
    """Has bin, etc and lib."""

    @property
    def kernel_name(self) -> str:
        """VERSION-HASH, as the store names kernels."""
        version = subprocess.run([self.kernel, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return f"{version}-{hashlib.sha256(self.kernel.read_bytes()).hexdigest()[:16]}"


def components_with_software() -> Components:
    """Their base has what users install: gaoler.setup.checks.SOFTWARE."""
    software = os.environ.get("GAOLER_TEST_SOFTWARE", "")
    assert Path(software, "etc").is_dir(), "there is no tree with software; try: sudo make test, which makes one"
    return replace(components(), base=Path(software))


def components() -> Components:
    """Fails where they are missing: a product that nobody booted is what these tests are here to prevent."""
    kernels = sorted(_STORE.glob("kernels/*/linux"), key=lambda path: path.stat().st_mtime)
    kernel = _place("GAOLER_TEST_KERNEL", kernels[-1] if kernels else _STORE / "kernels/VERSION-HASH/linux")
    base = _place("GAOLER_TEST_BASE", _STORE / "debian")
    guest = _place("GAOLER_TEST_GUEST", _STORE)
    for path in (kernel, base, guest / "bin/startenv", guest / "lib/initramfs.cpio"):
        assert path.exists(), f"{path} is missing; try: sudo make test, or sudo make up before running pytest by hand"
    return Components(kernel, base, guest)


def _place(variable: str, installed: Path) -> Path:
    return Path(os.environ.get(variable) or installed)


def need_root() -> None:
    """Skips on a laptop, fails in CI."""
    if os.geteuid() == 0:
        return
    assert os.environ.get("CI") != "true", "system tests must run as root in CI; try: sudo make test"
    pytest.skip("system tests need root: sudo make test")
