"""A disk with a fresh Debian on it, and the kernel to boot it with; kept, under a name made of all that went into it."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gaoler.host import apt
from gaoler.host.command import run
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report
from gaoler.setup import components

#: What a server that somebody installed has, and what the README says a bare one lacks.
_SYSTEM = ("apparmor", "ca-certificates", "curl", "dbus", "git", "kmod", "libpam-systemd", "make", "openssh-server", "sudo",
           "systemd-sysv")  # fmt: skip
#: To find the disk, in the order in which they need each other; some kernels have some of them built in.
_MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
#: Of the disk, in bytes; what is not written takes no space.
_SIZE = 24 << 30

#: Of QEMU's user network.
_NAME_SERVER = "10.0.2.3"

#: Where the tree for a base lies.
BASE = "srv/base"

ADMINISTRATOR, STUDENT = "ann", "bob"

_INITRAMFS = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /root
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in {modules}; do /bin/busybox insmod /$module.ko; done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /sbin/init
"""

#: The gateway and the name server are QEMU's own.
_LAN = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
_FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "etc/systemd/network/lan.network": _LAN,
    "etc/sudoers.d/administrator": f"{ADMINISTRATOR} ALL=(ALL) NOPASSWD: ALL\n",
}


@dataclass(frozen=True)
class Image:
    """Files of one directory; the disk is never written to (QEMU's snapshot mode)."""

    place: Path

    @property
    def disk(self) -> Path:
        return self.place / "disk"

    @property
    def kernel(self) -> Path:
        return self.place / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        return self.place / "initramfs"

    @property
    def key(self) -> Path:
        """Logs in as root, as the administrator and as the student."""
        return self.place / "key"


def name(suite: str, bare: bool, base: Path) -> str:
    """Changes with this file, with the components, with the base and with the mirror."""
    parts = (Path(__file__).read_text(), repr(_packages(bare)), _sources(suite), base.name)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{suite}-{digest}" + ("-bare" if bare else "")


def made(suite: str, bare: bool, base: Path, cache: Path, report: Report) -> Image:
    """The image out of the cache, where older ones of the suite are removed; made if it is not there.

    `base` is a tree that lies in it at /BASE, from which a base can be made without a mirror. `bare` is without gaoler's
    components, which take a quarter of an hour to install in an emulated machine. Raises Failed.
    """
    place = cache / name(suite, bare, base)
    if not place.exists():
        for old in cache.glob(f"{suite}-*"):
            if old.name.endswith("-bare") == bare:
                shutil.rmtree(old)
        unfinished = cache / f".{place.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            _make(suite, bare, base, Image(unfinished), report)
            unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Image(place)


def _packages(bare: bool) -> list[str]:
    return sorted({*_SYSTEM, *(() if bare else components.RUNTIME)})


def _sources(suite: str) -> str:
    return apt.without_mirror_lists(apt.sources_for(suite, apt.entries(), apt.host_archive(), apt.host_suite()))


def _make(suite: str, bare: bool, base: Path, image: Image, report: Report) -> None:
    tree = image.place / "tree"
    listing = image.place / "sources"
    listing.write_text(_sources(suite))
    # The kernel is fetched and not installed: nothing that would make an initramfs is needed then.
    fetch = f'mkdir -p "$1/{_DEBS}" && chroot "$1" sh -c \'{_FETCH}\''
    options = [word for line in apt.acquire_options() for word in ("--aptopt", line)]
    stream(
        ["mmdebstrap", "--mode=root", "--variant=important", "--format=directory", f"--include={','.join(_packages(bare))}",
         *options, f"--customize-hook={fetch}", suite, str(tree), str(listing)],
        lambda line: report(Progress(f"Debian {suite}", note=line[:70])),
        what=f"can't make a Debian {suite}",
    )  # fmt: skip
    report(Progress(f"kernel and disk of {suite}"))
    _kernel(tree, image)
    _settings(suite, tree, image)
    run(["cp", "-a", str(base), str(tree / BASE)], env=plain_environment())
    with image.disk.open("wb") as file:
        file.truncate(_SIZE)
    _run("mkfs.ext4", "-q", "-d", tree, image.disk)
    shutil.rmtree(tree)


_DEBS = "usr/src/debs"
_FETCH = (
    f"cd /{_DEBS} && apt-get -q -o APT::Sandbox::User=root download busybox-static "
    '$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: //p")'
)


def _kernel(tree: Path, image: Image) -> None:
    """The kernel of the suite, its modules in the tree, and an initramfs of those that find the disk."""
    debs = tree / _DEBS
    unpacked = image.place / "unpacked"
    for deb in debs.glob("*.deb"):
        _run("dpkg-deb", "-x", deb, unpacked)
    shutil.rmtree(debs)
    (linux,) = unpacked.glob("boot/vmlinuz-*")
    shutil.copy(linux, image.kernel)
    version = linux.name.removeprefix("vmlinuz-")
    (modules,) = (path for path in unpacked.rglob(f"modules/{version}") if path.is_dir())
    shutil.copytree(modules, tree / "usr/lib/modules" / version, symlinks=True)
    _run("chroot", tree, "depmod", version)
    (busybox,) = (path for path in unpacked.rglob("bin/busybox") if path.is_file())
    root = image.place / "initramfs.d"
    (root / "bin").mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    loaded = []
    for module in _MODULES:
        for path in modules.rglob(f"{module}.ko*"):
            data = path.read_bytes()
            (root / f"{module}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
            loaded.append(module)
    (root / "init").write_text(_INITRAMFS.format(modules=" ".join(loaded)))
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with image.initramfs.open("wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(), stdout=out, check=True)
    shutil.rmtree(unpacked)
    shutil.rmtree(root)


def _settings(suite: str, tree: Path, image: Image) -> None:
    """A name, an address, accounts with a key; and what this host needs to reach mirrors: certificates, settings of apt and pip."""
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    settings = {
        "etc/hostname": f"{suite}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {suite}\n::1 localhost\n",
        "etc/resolv.conf": f"nameserver {_NAME_SERVER}\n",
        "etc/apt/apt.conf.d/90host": "".join(f"{line};\n" for line in apt.acquire_options()),
    }
    for path, text in (_FILES | settings).items():
        (tree / path).write_text(text)
    for path in (Path("etc/pip.conf"), Path("usr/local/share/ca-certificates")):
        if ("/" / path).is_dir():
            shutil.copytree("/" / path, tree / path, dirs_exist_ok=True)
        elif ("/" / path).exists():
            shutil.copy("/" / path, tree / path)
    _run("chroot", tree, "update-ca-certificates")
    _run("systemctl", "--root", tree, "enable", "systemd-networkd", "ssh")
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", image.key)
    for user in (ADMINISTRATOR, STUDENT):
        _run("chroot", tree, "useradd", "--create-home", "--shell", "/bin/bash", user)
    for home in ("root", f"home/{ADMINISTRATOR}", f"home/{STUDENT}"):
        owner = (tree / home).stat()
        keys = tree / home / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(f"{image.key}.pub", keys / "authorized_keys")
        for path in (keys, keys / "authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)


def _run(*words: str | Path) -> None:
    run([str(word) for word in words], env=plain_environment())
