"""A master that is a real system: a virtual machine with its own kernel, disk and network, that updates itself.

QEMU by TCG, which works everywhere and boots this in ten seconds. The kernel is the distribution's; the disk holds a tree made by pacstrap,
the master kit (packaging/master) and an init of a few lines, whose loop stands for the kit's timer.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from system.support.waiting import until

KIT = Path(__file__).parents[3] / "packaging/master"
_BOOT = 300.0
#: In the order in which they need each other.
_MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
            "failover", "net_failover", "virtio_net")  # fmt: skip

#: QEMU's user network: the machine is 10.0.2.15, and the host's loopback 10.0.2.2, for both directions of what is forwarded.
_GATEWAY = "10.0.2.2"

_INITRAMFS = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /root
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in {modules}; do /bin/busybox insmod /$module.ko; done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /usr/bin/master-init
"""

_INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs tmpfs /run
ip link set lo up; ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0; ip route add default via {gateway}
rsync --daemon
while :; do
    gaoler-master-update; gaoler-master-check
    echo "updated: $(pacman -Q greeting)"
    # Calm for as long as a sync takes: the module is closed while the master updates.
    sleep 30
done
"""


@dataclass
class VirtualMaster:
    port: int
    console: Path

    @property
    def url(self) -> str:
        return f"rsync://127.0.0.1:{self.port}/root"

    def until_says(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.console.read_text(errors="replace")), f"the master says {pattern}", timeout=_BOOT)


def kernel(directory: Path) -> tuple[Path, Path]:
    """The distribution's kernel for virtual machines, and an initramfs with what it needs to find its disk."""
    listed = subprocess.run(
        ["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True
    ).stdout
    (package,) = re.findall(r"Depends: (linux-image-\S+)", listed)
    for name in (package, "busybox-static"):
        download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name]
        subprocess.run(download, cwd=directory, check=True, capture_output=True)
        (deb,) = directory.glob(f"{name}_*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, directory / "kernel"], check=True)
    (image,) = (directory / "kernel/boot").glob("vmlinuz-*")
    root = directory / "initramfs"
    (root / "bin").mkdir(parents=True)
    shutil.copy(directory / "kernel/bin/busybox", root / "bin/busybox")
    for name in _MODULES:
        (module,) = (directory / "kernel/lib/modules").rglob(f"{name}.ko")
        shutil.copy(module, root)
    (root / "init").write_text(_INITRAMFS.format(modules=" ".join(_MODULES)))
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = directory / "initramfs.cpio"
    with archive.open("wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(), stdout=out, check=True)
    return image, archive


def disk(tree: Path, image: Path) -> None:
    """A file system with the tree, made a master by the kit's own installer's rules."""
    (tree / "usr/local/sbin").mkdir(parents=True, exist_ok=True)
    for name in ("gaoler-master-update", "gaoler-master-check"):
        shutil.copy(KIT / name, tree / "usr/local/sbin")
    (tree / "etc/rsyncd.conf").write_text((KIT / "rsyncd.conf").read_text().replace("@GATEWAY@", _GATEWAY))
    (tree / "usr/bin/master-init").write_text(_INIT.format(gateway=_GATEWAY))
    (tree / "usr/bin/master-init").chmod(0o755)
    with image.open("wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, image], check=True)


@contextmanager
def booted(directory: Path, image: Path) -> Iterator[VirtualMaster]:
    linux, initramfs = kernel(directory)
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    console = directory / "console"
    words = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "512", "-nographic", "-no-reboot",
             "-kernel", str(linux), "-initrd", str(initramfs), "-append", "console=ttyS0 quiet net.ifnames=0 panic=-1 no_timer_check",
             "-drive", f"file={image},if=virtio,format=raw",
             "-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:873"]  # fmt: skip
    with console.open("wb") as out:
        machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield VirtualMaster(port, console)
    finally:
        machine.kill()
        machine.wait()
