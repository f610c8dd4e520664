"""A signed repository of pacman packages such as Arch's mirrors have, made of what Debian's packages hold.

No mirror of Arch is needed, nor reachable where these tests run: the package format, the database, the signatures and the
layout are Arch's, the programs in them Debian's.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_KEY = "Test of gaoler <test@example.invalid>"

#: Arch's names, and the Debian packages that give their files. What those need besides goes into `libraries`.
PACKAGES = {
    "glibc": "libc6 libc-bin libgcc-s1 libcrypt1",
    "bash": "bash ncurses-base ncurses-bin",
    "coreutils": "coreutils findutils grep sed gawk tar gzip xz-utils zstd file hostname",
    "util-linux": "util-linux mount login passwd procps",
    "gnupg": "gpg gpg-agent gpgconf gpgv pinentry-curses",
    "pacman": "pacman-package-manager",
    "iproute2": "iproute2",
    "iputils": "iputils-ping",
    "openssh": "openssh-server openssh-client openssh-sftp-server",
    "dhclient": "isc-dhcp-client",
    "haveged": "haveged",
    "sudo": "sudo",
    "less": "less",
    "rsync": "rsync",
    "hello": "hello",
}
_BASE = ("filesystem", "glibc", "libraries", "bash", "coreutils", "util-linux", "gnupg", "pacman", "iproute2")
_EXTRA = ("haveged", "hello", "greeting", "rsync")

#: Needed by Debian's way of installing packages alone, which is not used here.
_LEFT_OUT = re.compile(
    r"debconf|dpkg|perl|python3|adduser|systemd|dbus|apt|libpam-runtime|sensible|ucf|init-system|runit|dash|tzdata|base-"
)

_FILESYSTEM = {
    "etc/passwd": "root:x:0:0::/root:/bin/bash\nsshd:x:74:74::/run/sshd:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nshadow:x:42:\nsshd:x:74:\nwheel:x:998:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:1::::::\nsshd:*:1::::::\n",
    "etc/gshadow": "root:::\nwheel:::\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/os-release": 'NAME="Arch Linux"\nID=arch\nPRETTY_NAME="Arch Linux (a test\'s own)"\n',
    "etc/profile": "PATH=/usr/local/sbin:/usr/local/bin:/usr/bin\nexport PATH\n",
    "etc/pam.d/other": "auth required pam_deny.so\naccount required pam_deny.so\n",
    "etc/pam.d/common-auth": "auth required pam_unix.so\n",
    "etc/pam.d/common-account": "account required pam_unix.so\n",
    "etc/pam.d/common-password": "password required pam_unix.so\n",
    "etc/pam.d/common-session": "session required pam_unix.so\n",
    "etc/pam.d/common-session-noninteractive": "session required pam_unix.so\n",
}
_INSTALL = "post_install() {\n  ldconfig\n}\npost_upgrade() {\n  ldconfig\n}\n"
PACMAN_CONF = """[options]
HoldPkg = pacman glibc
Architecture = x86_64
SigLevel = Required DatabaseOptional
LocalFileSigLevel = Optional
[core]
Include = /etc/pacman.d/mirrorlist
[extra]
Include = /etc/pacman.d/mirrorlist
"""


@dataclass
class Repository:
    """`root` is what a mirror serves: REPOSITORY/os/x86_64."""

    root: Path
    work: Path
    keyring: Path = field(init=False)

    def __post_init__(self) -> None:
        self._second = 0
        self.home = self.work / "gnupg"
        self.home.mkdir(mode=0o700, parents=True)
        self.close()  # an agent of a run that was killed would still speak for a directory of this name
        self._gpg("--passphrase", "", "--quick-gen-key", _KEY, "ed25519", "sign", "never")
        self.keyring = self.work / "keys.gpg"
        self._gpg("--output", str(self.keyring), "--export", _KEY)

    def close(self) -> None:
        _run("gpgconf", "--homedir", str(self.home), "--kill", "all")

    def _gpg(self, *words: str) -> None:
        _run("gpg", "--homedir", str(self.home), "--batch", "--yes", "--pinentry-mode", "loopback", *words)

    def add(self, repository: str, name: str, version: str, tree: Path, depends: tuple[str, ...] = (), script: str = "") -> Path:
        """Pack a tree, sign the package, enter it into the database."""
        size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
        lines = [f"pkgname = {name}", f"pkgbase = {name}", f"pkgver = {version}", f"pkgdesc = {name}", "url = about:blank"]
        lines += ["builddate = 1700000000", "packager = test", f"size = {size}", "arch = x86_64", "license = various"]
        lines += [f"depend = {other}" for other in depends]
        (tree / ".PKGINFO").write_text("\n".join(lines) + "\n")
        heads = [".PKGINFO"]
        if script:
            (tree / ".INSTALL").write_text(script)
            heads.append(".INSTALL")
        where = self.root / repository / "os/x86_64"
        where.mkdir(parents=True, exist_ok=True)
        package = where / f"{name}-{version}-x86_64.pkg.tar.zst"
        names = sorted(path.name for path in tree.iterdir() if path.name not in heads)
        _run("tar", "-C", str(tree), "--owner=0", "--group=0", "--numeric-owner", "--zstd", "-cf", str(package), *heads, *names)
        self._gpg("--detach-sign", "--no-armor", str(package))
        database = where / f"{repository}.db.tar.gz"
        _run("repo-add", "--quiet", str(database), str(package))
        # HTTP tells changes by the second: two within one would look like none.
        self._second = max(int(time.time()), self._second + 1)
        os.utime(database, (self._second, self._second))
        return package

    def add_greeting(self, version: str) -> Path:
        """A package of one script that says its version."""
        tree = self.work / f"greeting-{version}"
        (tree / "usr/bin").mkdir(parents=True)
        (tree / "usr/bin/greeting").write_text(f"#!/bin/sh\necho greeting {version}\n")
        (tree / "usr/bin/greeting").chmod(0o755)
        return self.add("extra", "greeting", version, tree, ("bash",))


def make(directory: Path) -> Repository:
    """Fetches some 25 MB from Debian's mirror, as apt is configured."""
    repository = Repository(directory / "mirror", directory / "work")
    wanted = {deb for debs in PACKAGES.values() for deb in debs.split()}
    closure = {deb for deb in _closure(sorted(wanted)) if deb in wanted or not _LEFT_OUT.match(deb)}
    debs = directory / "debs"
    debs.mkdir()
    _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *sorted(closure), cwd=debs)
    contents = {**PACKAGES, "libraries": " ".join(sorted(closure - wanted))}
    for name, listed in contents.items():
        tree = directory / "trees" / name
        tree.mkdir(parents=True)
        for deb in listed.split():
            (package,) = debs.glob(f"{deb}_*.deb")
            _run("dpkg-deb", "-x", str(package), str(tree))
        _merge_usr(tree)
        if name == "bash":
            (tree / "usr/bin/sh").symlink_to("bash")
        elif name == "coreutils":
            (tree / "usr/bin/awk").symlink_to("gawk")
        elif name == "pacman":
            (tree / "etc/pacman.conf").write_text(PACMAN_CONF)
        depends = () if name == "glibc" else ("glibc", "libraries") if name != "libraries" else ("glibc",)
        repository.add("extra" if name in _EXTRA else "core", name, "1.0-1", tree, ("filesystem", *depends), _INSTALL)
    _filesystem(repository, directory / "trees/filesystem")
    repository.add("core", "base", "3-1", _empty(directory / "trees/base"), _BASE)
    repository.add_greeting("1.0-1")
    return repository


@pytest.fixture(scope="module", name="repository")
def repository_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    made = make(tmp_path_factory.mktemp("arch"))
    yield made
    made.close()


def _filesystem(repository: Repository, tree: Path) -> None:
    for name in (
        "usr/bin",
        "usr/lib64",
        "usr/lib",
        "dev",
        "home",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "var/log",
        "var/tmp",
        "etc/pam.d",
    ):
        (tree / name).mkdir(parents=True)
    for name in ("tmp", "var/tmp"):
        (tree / name).chmod(0o1777)
    for name, target in (
        ("bin", "usr/bin"),
        ("sbin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/sbin", "bin"),
    ):
        (tree / name).symlink_to(target)
    for name, text in _FILESYSTEM.items():
        (tree / name).write_text(text)
    for name in ("etc/shadow", "etc/gshadow"):
        (tree / name).chmod(0o600)
    repository.add("core", "filesystem", "1-1", tree)


def _merge_usr(tree: Path) -> None:
    """Arch has one directory of programs; Debian's packages still say /bin, /sbin, /lib, and have /usr/sbin."""
    for old, new in (
        ("bin", "usr/bin"),
        ("sbin", "usr/bin"),
        ("usr/sbin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
    ):
        if (tree / old).is_dir() and not (tree / old).is_symlink():
            (tree / new).mkdir(parents=True, exist_ok=True)
            _run("cp", "-a", "--no-clobber", f"{tree / old}/.", str(tree / new))  # /sbin/ip is a link to /bin/ip
            shutil.rmtree(tree / old)
    for waste in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "run", "var/run"):
        shutil.rmtree(tree / waste, ignore_errors=True)


def _empty(tree: Path) -> Path:
    tree.mkdir()
    return tree


def _closure(wanted: list[str]) -> set[str]:
    """All that apt would install on a system that has nothing."""
    words = ["apt-get", "-s", "-o", "Dir::State::status=/dev/null", "--no-install-recommends", "install", *wanted]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^Inst (\S+)", said, re.MULTILINE))


@contextmanager
def served(root: Path, address: str) -> Iterator[str]:
    """The address of a mirror over HTTP."""
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _run(*words: str, cwd: Path | None = None) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
