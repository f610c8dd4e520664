"""A small signed Debian archive with a kernel source package in it, whose `make` takes no time."""

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from gaoler.host import apt

#: Knows the targets that set-up calls; a fragment's CONFIG_DROPPED is lost, as options are that Kconfig doesn't know.
MAKEFILE = """\
allnoconfig:
\tgrep -v CONFIG_DROPPED $(KCONFIG_ALLCONFIG) > .config

prepare: .config
\t@echo '  HOSTCC  scripts/tool'
\t@echo "$$PATH $$CCACHE_DIR" > told

linux: main.o other.o
\t@echo '  AR      built-in.a'
\t@echo '  LD      linux'
\tcp main.c linux

main.o other.o: main.c
\t@echo '  CC      $@'
\t! grep broken main.c
\ttouch $@
"""


@dataclass
class Debian:
    """An archive in a directory: `publish` puts a package in a suite and signs the index."""

    root: Path
    home: Path
    key: Path

    @property
    def archive(self) -> apt.Archive:
        return apt.Archive(f"file:{self.root}", str(self.key))

    def package(
        self,
        version: str,
        series: str = "7.2",
        text: str = "one\ntwo\nthree\n",
        ignored: str = "",
        scripts: Mapping[str, str] = MappingProxyType({}),
    ) -> Path:
        """A package as Debian makes them: a tarball in /usr/src."""
        name = f"linux-source-{series}"
        work = self.home / f"{name}_{version}"
        tree = work / name
        tree.mkdir(parents=True)
        (tree / "Makefile").write_text(MAKEFILE)
        (tree / "MAINTAINERS").write_text("")
        (tree / "main.c").write_text(text)
        (tree / ".gitignore").write_text(ignored)
        (tree / "scripts").mkdir()
        for script, content in scripts.items():
            (tree / "scripts" / script).write_text(content)
        (work / "deb/DEBIAN").mkdir(parents=True)
        (work / "deb/usr/src").mkdir(parents=True)
        call("tar", "-C", work, "-cJf", work / f"deb/usr/src/{name}.tar.xz", name)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <n@example>\nDescription: test\n"
        (work / "deb/DEBIAN/control").write_text(control)
        pool = self.root / "pool"
        pool.mkdir(exist_ok=True)
        made = pool / f"{name}_{version}_all.deb"
        call("dpkg-deb", "--root-owner-group", "-b", work / "deb", made)
        return made

    def publish(self, suite: str, *packages: Path) -> None:
        index = self.root / "dists" / suite / "main/binary-amd64"
        index.mkdir(parents=True, exist_ok=True)
        stanzas = [
            f"{call('dpkg-deb', '-f', path)}Filename: pool/{path.name}\nSize: {path.stat().st_size}\nSHA256: {sha256(path)}\n"
            for path in packages
        ]
        (index / "Packages").write_text("\n".join(stanzas))
        packages_file = index / "Packages"
        release = "\n".join(
            [
                "Origin: Debian",
                "Label: Debian",
                f"Suite: {suite}",
                f"Codename: {suite}",
                f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S UTC', time.gmtime())}",
                "Architectures: amd64 all",
                "Components: main",
                "SHA256:",
                f" {sha256(packages_file)} {packages_file.stat().st_size} main/binary-amd64/Packages",
            ]
        )
        (self.root / "dists" / suite / "Release").write_text(release + "\n")
        self.sign(suite)

    def sign(self, suite: str) -> None:
        directory = self.root / "dists" / suite
        call(*self._gpg(), "--yes", "--clearsign", "-o", directory / "InRelease", directory / "Release")

    def _gpg(self) -> list[str]:
        return ["gpg", "--homedir", str(self.home / "gnupg"), "--batch", "--no-tty", "--quiet"]

    def make_key(self) -> None:
        (self.home / "gnupg").mkdir(mode=0o700)
        call(*self._gpg(), "--passphrase", "", "--quick-generate-key", "test@example", "rsa2048", "sign", "never")
        call(*self._gpg(), "--export", "-o", self.key, "test@example")


def call(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def tmp_path():
    """apt fetches as a user of its own, who must get here; pytest's directory is closed anew whenever another pytest begins."""
    with open_directory() as path:
        yield path


@contextmanager
def open_directory():
    with tempfile.TemporaryDirectory(prefix="gaoler-setup-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def signing():
    """A key takes a moment to make, so one does for all tests."""
    with open_directory() as directory:
        debian = Debian(directory / "archive", directory, directory / "key.gpg")
        debian.make_key()
        yield debian
        subprocess.run(["gpgconf", "--homedir", str(directory / "gnupg"), "--kill", "all"], check=False)


@pytest.fixture
def debian(signing, tmp_path):
    """An empty archive."""
    root = tmp_path / "debian"
    root.mkdir()
    home = tmp_path / "work"
    home.mkdir()
    os.symlink(signing.home / "gnupg", home / "gnupg")
    return Debian(root, home, signing.key)
