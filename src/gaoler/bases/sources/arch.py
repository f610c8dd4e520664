"""Makes an Arch base with pacstrap, from a mirror whose packages a keyring vouches for."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from gaoler.bases import clean
from gaoler.bases.sources.source import Made, Work, subvolume
from gaoler.bases.tree import Tree
from gaoler.errors import Failed, NotFound, Usage
from gaoler.host.command import run
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report

KEYRING = Path("/usr/share/pacman/keyrings/archlinux.gpg")
_MIRRORLIST = Path("/etc/pacman.d/mirrorlist")
_REPOSITORIES = ("core", "extra")

#: `base` must be there; of the rest, of each line the first that the mirror has.
PACKAGES = (
    ("base",),
    ("openssh",),
    ("dhclient", "dhcpcd"),
    ("haveged",),
    ("sudo",),
    ("iproute2",),
    ("iputils",),
    ("which",),
    ("less",),
    ("nano", "vim"),
)

#: What a machine needs to check signatures. The key that signed the others locally stays here: whoever had it could
#: make packages that all machines of the base trust.
_PUBLIC = ("pubring.gpg", "trustdb.gpg", "gpg.conf")

_OPTIONS = """[options]
Architecture = x86_64
SigLevel = Required DatabaseOptional
"""


class Pacstrap(Made):
    """Arch's packages, from a mirror that a keyring vouches for."""

    kind = "pacstrap"
    options = frozenset({"mirror", "keyring"})
    by_packages = True

    def fill(self, tree: Path, work: Work) -> Path:
        make(subvolume(tree), self.means.cache, self.mirror, self.keyring, work.report)
        return tree


def make(target: Path, cache: Path, mirror: str | None, keyring: str | None, report: Report) -> None:
    """Fill an empty subvolume. Raises Failed, NotFound, Usage.

    `mirror` is an address such that MIRROR/core/os/x86_64 has a repository; the host's own mirrors without it. `keyring`
    is a file of public keys; Arch's own without it.
    """
    servers = _servers(mirror)
    # Mirrors of different makers may have different packages of one name.
    packages = cache / "pacman" / hashlib.sha256(f"{servers}{keyring}".encode()).hexdigest()[:16]
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / "pacman", prefix="work-") as work:
        _make(target, Path(work), packages, servers, keyring, report)


def _make(target: Path, work: Path, packages: Path, servers: str, keyring: str | None, report: Report) -> None:
    report(Progress("keys"))
    keys = _trusted(work, keyring)
    configuration = work / "pacman.conf"
    repositories = "".join(f"[{name}]\n{servers}" for name in _REPOSITORIES)
    configuration.write_text(f"{_OPTIONS}GPGDir = {keys}\nCacheDir = {packages}\n{repositories}")
    wanted = _offered(configuration, work / "db", report)
    counted = _Count(report)
    stream(
        # Namespaces of its own: mounts and daemons of package scripts end with it, however it ends.
        [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("pacstrap", "-C", str(configuration), "-c", "-G", "-M", str(target), *wanted, "--noprogressbar"),
        ],
        counted,
        what="can't make a base of Arch",
        hint="check the mirror, its keyring, the network and free space",
        env=plain_environment(),
    )
    _finish(target, keys, servers)


def _finish(target: Path, keys: Path, servers: str) -> None:
    with Tree(target) as tree:
        tree.make_directory("etc/pacman.d/gnupg")
        for name in _PUBLIC:
            if (keys / name).exists():
                tree.write(f"etc/pacman.d/gnupg/{name}", (keys / name).read_bytes())
        tree.write("etc/pacman.d/mirrorlist", servers.encode())
        if not tree.kind("etc/locale.conf"):
            tree.write("etc/locale.conf", b"LANG=C.UTF-8\n")
        for path in ("uml", "home", "run", "proc", "sys", "dev"):
            tree.make_directory(path)
    clean.clean(target)


def _servers(mirror: str | None) -> str:
    """The lines of a mirrorlist."""
    if mirror is not None:
        if not re.fullmatch(r"(https?://|file:///)[!-~]+", mirror):
            raise Usage(
                f'"{mirror[:100]}" is not the address of a mirror',
                "it begins with http://, https:// or file:///",
                "gaol base add BASE --pacstrap --mirror https://HOST/PATH",
            )
        return f"Server = {mirror.rstrip('/')}/$repo/os/$arch\n"
    found = re.findall(r"^Server *= *\S+$", _MIRRORLIST.read_text(), re.MULTILINE) if _MIRRORLIST.exists() else []
    if not found:
        raise Usage("which mirror?", f"{_MIRRORLIST} of this host names none", "gaol base add archlinux --pacstrap --mirror URL")
    return "".join(f"{line}\n" for line in found)


def _trusted(work: Path, keyring: str | None) -> Path:
    """The directory of keys for pacman: those of the keyring, trusted, and no others."""
    source = Path(keyring) if keyring else KEYRING
    if not source.is_file():
        hint = "apt install archlinux-keyring, or --keyring FILE"
        raise NotFound(f"no keyring {source}", "packages can't be checked without", hint)
    keys = work / "gnupg"
    keys.mkdir(mode=0o755)
    try:
        run(["pacman-key", "--gpgdir", str(keys), "--init"], env=plain_environment())
        if keyring is None:
            run(["pacman-key", "--gpgdir", str(keys), "--populate", "archlinux"], env=plain_environment())
            return keys
        run(["pacman-key", "--gpgdir", str(keys), "--add", str(source)], env=plain_environment())
        listed = run(["gpg", "--batch", "--with-colons", "--show-keys", str(source)], env=plain_environment()).stdout
        for fingerprint in _fingerprints(listed):
            run(["pacman-key", "--gpgdir", str(keys), "--lsign-key", fingerprint], env=plain_environment())
        return keys
    finally:
        run(["gpgconf", "--homedir", str(keys), "--kill", "all"], env=plain_environment())


def _fingerprints(listed: str) -> list[str]:
    """Of the primary keys in a listing of gpg's."""
    found, primary = [], False
    for line in listed.splitlines():
        fields = line.split(":")
        if fields[0] in ("pub", "sub"):
            primary = fields[0] == "pub"
        elif fields[0] == "fpr" and primary:
            found.append(fields[9])
    return found


def _offered(configuration: Path, database: Path, report: Report) -> list[str]:
    """Those of the wanted packages that the mirror has. Raises Failed where it has no `base`, or can't be asked."""
    report(Progress("lists of packages"))
    database.mkdir(exist_ok=True)
    pacman = ["pacman", "--config", str(configuration), "--dbpath", str(database)]
    run([*pacman, "-Sy", "--noprogressbar"], env=plain_environment())
    there = set(run([*pacman, "-Slq"], env=plain_environment()).stdout.split())
    chosen = [next((name for name in names if name in there), None) for names in PACKAGES]
    if chosen[0] is None:
        raise Failed(
            "can't make a base of Arch",
            'the mirror has no package "base"',
            "gaol base add BASE --pacstrap --mirror https://HOST/PATH",
        )
    return [name for name in chosen if name]


class _Count:
    """Counts packages in what pacman says."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._done = 0
        self._total: int | None = None

    def __call__(self, line: str) -> None:
        if match := re.match(r"Packages? \((\d+)\)", line):
            self._total = int(match[1])
        elif match := re.match(r"installing (\S+?)\.\.\.", line):
            self._done += 1
            self._report(Progress("pacstrap", self._done, self._total, "packages", match[1]))
