"""A host of its own for gaoler: a whole machine by QEMU, with systemd, in which commands are run over ssh.

Emulated (TCG), since that works where there is no KVM, in a container and in CI as well; some thirty times slower than the host.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hosts.image import Image
from system.support.waiting import until

#: Seconds. A boot takes half a minute on a quiet machine with two processors.
BOOT = 900.0
COMMAND = 1800.0
_MEMORY = 3072  # MiB


@dataclass(frozen=True)
class VirtualHost:
    """One that has booted. Its disk forgets everything when QEMU ends, and nothing when the machine is reset."""

    image: Image
    place: Path  # sockets and the console's log
    port: int

    def run(self, command: str, user: str = "root", *, check: bool = True, data: bytes | None = None) -> str:
        """A shell's command line on the virtual host; its output, errors included."""
        done = subprocess.run([*self._ssh(user), command], input=data, stdin=None if data else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND, check=False)  # fmt: skip
        text = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, f"{user}$ {command}\nended with {done.returncode}:\n{text}"
        return text

    def status(self, command: str, user: str = "root") -> int:
        """The exit code of a command."""
        words = [*self._ssh(user), command]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND, check=False).returncode

    def follow(self, command: str, user: str = "root") -> str:
        """As run, with each line shown as it comes."""
        lines = []
        with subprocess.Popen([*self._ssh(user), command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                print(f"    | {line}", end="", flush=True)
                lines.append(line)
        text = "".join(lines)
        assert process.returncode == 0, f"{user}$ {command}\nended with {process.returncode}"
        return text

    def send(self, tree: Path, names: list[str], to: str, user: str = "root") -> None:
        """Files and directories of `tree`, into a directory that is made."""
        packed = subprocess.run(
            ["tar", "-C", tree, "--exclude=__pycache__", "-c", *names], capture_output=True, check=True
        ).stdout
        self.run(f"mkdir -p {to} && tar -C {to} -x", user, data=packed)

    def boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id").strip()

    def reboot(self) -> None:
        """As an administrator does it."""
        before = self.boot_id()
        self.run("systemctl reboot", check=False)
        self.wait_for_boot(before)

    def cut_power(self) -> None:
        """What was not on the disk is gone, and the next boot begins."""
        before = self.boot_id()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{self.place}/qmp")
            with sock.makefile("rw") as monitor:
                for command in ("qmp_capabilities", "system_reset"):
                    monitor.write(json.dumps({"execute": command}) + "\n")
                    monitor.flush()
                    while not monitor.readline().startswith('{"return"'):
                        pass
        self.wait_for_boot(before)

    def wait_for_boot(self, before: str = "") -> None:
        """Until systemd has started all it starts, in another boot than `before`."""

        def is_up() -> bool:
            """The connection to what was before the boot is given up: ssh would wait on it."""
            subprocess.run([*self._ssh("root", "-O", "exit")], capture_output=True, check=False)
            asked = subprocess.run([*self._ssh("root"), "cat /proc/sys/kernel/random/boot_id"], stdin=subprocess.DEVNULL,
                                   capture_output=True, text=True, check=False)  # fmt: skip
            return asked.returncode == 0 and asked.stdout.strip() != before

        until(is_up, f"{self.image.place.name} has booted, see {self.place}/console", BOOT)
        self.run("systemctl is-system-running --wait", check=False)

    def close(self) -> None:
        for user in ("root", "ann", "bob"):
            subprocess.run([*self._ssh(user, "-O", "exit")], capture_output=True, check=False)

    def _ssh(self, user: str, *options: str) -> list[str]:
        """One connection a user, kept: a log-in takes seconds there."""
        settings = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "20",
            "ServerAliveInterval": "10",
            "ServerAliveCountMax": "30",
            "ControlMaster": "auto",
            "ControlPath": f"{self.place}/{user}",
            "ControlPersist": "yes",
        }
        words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.image.key), "-p", str(self.port), *words, *options, f"{user}@127.0.0.1"]


@contextmanager
def booted(image: Image) -> Iterator[VirtualHost]:
    """Boots a host, and ends it; its console is kept where that fails, and named."""
    place = Path(tempfile.mkdtemp(prefix="gaoler-host-"))  # short: a socket's path has 107 characters
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(_MEMORY),
             "-display", "none", "-monitor", "none", "-serial", f"file:{place}/console",
             "-qmp", f"unix:{place}/qmp,server=on,wait=off", "-device", "virtio-rng-pci",
             "-kernel", str(image.kernel), "-initrd", str(image.initramfs), "-append", "console=ttyS0 net.ifnames=0 panic=-1",
             "-drive", f"file={image.disk},if=virtio,format=raw,cache=unsafe", "-snapshot",
             "-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22"]  # fmt: skip
    with (place / "qemu").open("wb") as log:
        # On the disk, not in a tmpfs: QEMU keeps what the virtual host writes in a file there.
        machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"TMPDIR": "/var/tmp"})
    host = VirtualHost(image, place, port)
    print(f"    {image.place.name} boots, its console is {place}/console", flush=True)
    try:
        host.wait_for_boot()
        yield host
    finally:
        host.close()
        machine.kill()
        machine.wait()
        shutil.rmtree(place)
