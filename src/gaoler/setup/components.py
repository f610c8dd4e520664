"""Debian packages that gaoler stands on: what each is there for, and getting those that are missing."""

from __future__ import annotations

import subprocess

from gaoler.errors import Failed
from gaoler.host.stream import OUTPUT, plain_environment, stream
from gaoler.progress import Progress, Report

#: To build and run machines.
RUNTIME = {
    "python3-venv": "the daemon's Python environment",
    "ca-certificates": "fetching over TLS",
    "debian-archive-keyring": "checking Debian's signatures",
    "gcc": "building the kernel",
    "make": "building the kernel",
    "libc6-dev": "building the kernel",
    "flex": "building the kernel's configuration program",
    "bison": "building the kernel's configuration program",
    "bc": "building the kernel",
    "patch": "patching the kernel",
    "xz-utils": "unpacking the kernel's source",
    "musl-tools": "building what runs inside machines",
    "btrfs-progs": "the store",
    "mmdebstrap": "making a base of Debian",
    "rsync": "following a master system",
    "crun": "the jail around a machine",
    "nftables": "filters between machines and the LAN",
    "iproute2": "looking at interfaces",
    "dnsmasq-base": "addresses and names in a private network",
    "openssh-client": "gaol ssh, and keys",
    "openssl": "the page's own certificate",
    "zstd": "machines as files",
}

#: To test gaoler.
TESTS = {
    "acl": "access lists in homes",
    "arch-install-scripts": "making a base of Arch",
    "busybox": "a static program, and another DHCP client",
    "chromium": "the page",
    "cpio": "small test initramfs",
    "fish": "its completion of gaol",
    "gpg": "signing a test archive",
    "gpg-agent": "signing a test archive",
    "iputils-ping": "neighbours on a test network",
    "libarchive-tools": "packages for pacman",
    "libc6-dev": "hostile programs",
    "libcap2-bin": "files with capabilities",
    "man-db": "manual pages as they are read",
    "makepkg": "the library of pacman-key and repo-add",
    "openssh-server": "a master over ssh",
    "pacman-package-manager": "making a base of Arch",
    "procps": "looking at processes",
    "psmisc": "what keeps a file system busy",
    "qemu-system-x86": "a master system",
    "skopeo": "images as bases",
    "tcpdump": "what is really on the wire",
    "umoci": "images as bases",
    "zsh": "its completion of gaol",
}


def missing(packages: dict[str, str]) -> list[str]:
    """Those of `packages` that dpkg does not have installed; raises Failed where there is no dpkg."""
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n", *packages]
    # It exits with 1 where a name is unknown to dpkg: that is an answer, too.
    try:
        rows = subprocess.run(query, env=plain_environment(), capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise Failed("this host does not run Debian", "dpkg-query is not there", "gaoler needs Debian 12 or newer") from error
    there = {row.split()[1] for row in rows.splitlines() if row.startswith("installed ")}
    return [name for name in packages if name not in there]


def install(packages: list[str], report: Report) -> None:
    """apt-get install without recommendations; raises Failed with apt's last words."""
    report(Progress("package index"))
    hint = "see what apt says above; its sources are /etc/apt/sources.list and sources.list.d"
    stream(["apt-get", "-q", "update"], lambda _: None, what="can't read the package index", hint=hint)

    def on_line(line: str) -> None:
        # dlstatus:1:20.5:Retrieving file 2 of 9 / pmstatus:crun:41.2:Unpacking crun (amd64)
        kind, _, rest = line.partition(":")
        if kind in ("dlstatus", "pmstatus"):
            percent = float(rest.split(":")[1])
            half = 0 if kind == "dlstatus" else 100
            report(Progress("install", int(half + percent) // 2, 100, "percent", rest.split(":", 2)[2]))

    # Not its standard output: apt closes what this names for the packages' scripts, and those of Perl fail without one.
    status = ["-o", f"APT::Status-Fd={OUTPUT}", "-o", "Dpkg::Use-Pty=0"]
    words = ["apt-get", "-q", "-y", "--no-install-recommends", *status, "install"]
    stream([*words, *packages], on_line, what="can't install components", hint=hint)
    still = missing(dict.fromkeys(packages, ""))
    if still:
        raise Failed("components are missing", ", ".join(still), hint)


def table(names: list[str], packages: dict[str, str]) -> list[str]:
    """Lines that say what each is there for."""
    return [f"    {name:<24}{packages[name]}" for name in names]
