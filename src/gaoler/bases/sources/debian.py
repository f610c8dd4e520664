"""Makes a Debian base: a tree that machines are cloned from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from gaoler.bases import clean
from gaoler.bases.sources.source import Made, Work, subvolume
from gaoler.bases.tree import Tree
from gaoler.errors import Failed, Usage
from gaoler.host import apt
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report, silent

#: What a machine has beside Debian's minimal system, by what it is there for.
PACKAGES = {
    "startenv": "sysvinit-utils openssh-server iproute2 isc-dhcp-client haveged iputils-ping procps netbase",
    "--init systemd": "systemd systemd-sysv dbus",
    "being an administrator": "sudo apt-utils ca-certificates kmod nftables",
    "a shell to live in": "bash-completion less nano vim-tiny file man-db manpages ncurses-term",
    "fetching and copying": "curl rsync wget xz-utils",
    "the first script": "python3",
}

#: What a suite can be asked for with beside that, as in `bookworm+desktop`.
SETS = {
    "desktop": {
        "the screen": "tigervnc-standalone-server xauth x11-xserver-utils x11-xkb-utils x11-utils dbus-x11 at-spi2-core",
        "XFCE": "xfce4-session xfwm4 xfce4-panel xfdesktop4 xfce4-settings xfce4-notifyd xfce4-appfinder thunar",
        "how it looks": "greybird-gtk-theme elementary-xfce-icon-theme adwaita-icon-theme desktop-base librsvg2-common",
        "the everyday": "xfce4-terminal mousepad ristretto xarchiver xfce4-taskmanager xdg-utils xdg-user-dirs gvfs zip unzip",
        "browsers": "firefox-esr chromium chromium-sandbox",
        "an office": "libreoffice-writer libreoffice-calc libreoffice-impress libreoffice-gtk3",
        "the world's scripts": "fonts-dejavu-core fonts-liberation fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji locales",
        "X over ssh": "libgl1-mesa-dri",
    }
}

#: How many packages that comes to, before apt has said it; measured with bookworm.
TYPICAL_PACKAGES = 198

#: The newest stable release when this was written, for hosts that aren't Debian.
NEWEST_STABLE = "trixie"

#: How a base keeps package lists, which come with it: packed, 19 MB of 46 in bookworm, and without translations, which no
#: installation needs.
LISTS = ('Acquire::GzipIndexes "true"', 'Acquire::Languages "none"')

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Mmdebstrap(Made):
    """A suite of Debian, the host's own without an argument, from a mirror, the host's own without one."""

    kind = "mmdebstrap"
    options = frozenset({"mirror"})
    by_packages = True

    def fill(self, tree: Path, work: Work) -> Path:
        make(subvolume(tree), self.argument, self.mirror, work.report)
        return tree


def make(
    target: Path,
    suite: str | None = None,
    mirror: str | None = None,
    progress: Report = silent,
    further: Iterable[str] = (),
) -> None:
    """Fills an empty directory or subvolume; raises Failed with mmdebstrap's last words.

    `suite` is the host's own unless given, and may name a set of SETS after a plus; `mirror` an address to use in place of
    the host's; `further` are packages beside PACKAGES, in strings such as those.
    """
    suite, plus, wanted = (suite or "").partition("+")
    if plus and wanted not in SETS:
        raise Usage(f'no package set "{wanted[:40]}"', f"there is {', '.join(SETS)}", "gaol base add NAME --desktop")
    suite = suite or apt.host_suite() or NEWEST_STABLE
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", suite):
        raise Usage(
            f'"{suite}" is not a suite of Debian',
            "a suite is a word such as trixie, or sid",
            "gaol base add debian --mmdebstrap trixie",
        )
    if mirror is not None and not re.fullmatch(r"(https?|file|copy)://?[!-~]+", mirror):
        raise Usage(
            f'"{mirror}" is not the address of a mirror',
            "it begins with http:, https:, file: or copy:",
            "gaol base add BASE --mmdebstrap SUITE --mirror https://HOST/PATH",
        )
    if any(target.iterdir()):
        raise Failed(f"can't make a base in {target}", "it is not empty", f"ls -la {target}")
    sources = sources_text(suite, mirror)
    keyring_inside = copied_keys(sources)
    asked = (*PACKAGES.values(), *SETS.get(wanted, {}).values(), *further)
    packages = sorted({name for names in asked for name in names.split()})
    options = [word for line in (*apt.acquire_options(), *LISTS) for word in ("--aptopt", line)]
    listing = target.parent / f".{target.name}.sources"
    listing.write_text(sources)
    try:
        stream(
            [
                # It binds the host's /dev/shm into the tree. Killed, it would leave that to whoever clears the tree away.
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--verbose"),
                "--skip=cleanup/apt/lists",
                f"--include={','.join(packages)}",
                *options,
                *(suite, str(target), str(listing)),
            ],
            Watch(f"base {suite}", progress),
            what=f"can't make a base of Debian {suite}",
            hint="check the name of the suite, the network and free space",
            env={**plain_environment(), "TMPDIR": str(target.parent)},
        )
    finally:
        listing.unlink()
    finish(target, keyring_inside)


class Watch:
    """Counts packages in what apt and dpkg say: each is fetched, and each is set up."""

    def __init__(self, step: str, report: Report) -> None:
        self._step = step
        self._report = report
        self._fetched = 0
        self._set_up = 0
        self._total = 0
        report(Progress(step))

    def __call__(self, line: str) -> None:
        if match := re.search(r"(\d+) newly installed", line):
            self._total += int(match[1])  # mmdebstrap runs apt twice: the essential packages, then the rest
            return
        if match := re.match(r"Get:\d+ \S+ \S+ \S+ (\S+) \S+ \S+ \[", line):
            self._fetched += 1
            note = f"fetch {match[1]}"
        elif match := re.match(r"Setting up (\S+) ", line):
            self._set_up += 1
            note = f"set up {match[1]}"
        else:
            return
        total = max(self._total, TYPICAL_PACKAGES)
        done = min((self._fetched + self._set_up) // 2, total)
        self._report(Progress(self._step, done, total, "packages", note))


def sources_text(suite: str, mirror: str | None) -> str:
    """The apt sources of the base."""
    if mirror is not None:
        return apt.stanza(mirror, suite, apt.host_archive().signed_by or str(KEYRING))
    text = apt.sources_for(suite, apt.entries(), apt.host_archive(), apt.host_suite())
    return apt.without_mirror_lists(text)


def copied_keys(sources: str) -> dict[str, bytes]:
    """Key files that the sources name and no package inside brings along, for instance those of an own mirror."""
    paths = {line.removeprefix("Signed-By: ") for line in sources.splitlines() if line.startswith("Signed-By: /")}
    return {path.lstrip("/"): Path(path).read_bytes() for path in paths - {str(KEYRING)}}


def finish(target: Path, keys: dict[str, bytes]) -> None:
    """What mmdebstrap leaves to do: a locale that needs no package, the mount points of a machine, no traces."""
    with Tree(target) as tree:
        for path, content in keys.items():
            tree.make_directory(path.rpartition("/")[0])
            tree.write(path, content)
        tree.write("etc/default/locale", b"LANG=C.UTF-8\n")
        tree.write("etc/apt/sources.list")
        for path in ("uml", "home", "run", "proc", "sys", "dev"):
            tree.make_directory(path)
    clean.clean(target)
