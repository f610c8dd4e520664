"""What a program that fills a base can reach: its tree, and nothing else."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from gaoler.host.confine import confinement
from gaoler.host.confine.confinement import Bind, Confinement, ProgramFailed
from system.support.components import need_root

pytestmark = [pytest.mark.root]
FIRST = (1 << 29) - 65536


@pytest.fixture(autouse=True)
def as_root():
    need_root()


@pytest.fixture
def run(tmp_path: Path):
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tmp_path / "lock").open("w") as lock:

        def confined(script: str, *, network: bool, **given: object) -> str:
            lines: list[str] = []
            bind = Bind(str(tree), "/tree", writable=True, mapped=True)
            program = Confinement((bind,), first_id=FIRST if network else None, **given)
            confinement.run(["sh", "-c", script], program, lines.append, lock=lock.fileno())
            return "\n".join(lines)

        yield confined


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize(
    "script",
    [
        "touch /x", "touch /usr/x", "touch /etc/x", "touch /root/x", "mount -t tmpfs none /tree", "chroot /tree true",
        "mount --bind / /tree", "umount /usr", "kill -0 1 2>/dev/null && test $$ != 1", "nsenter -t 1 -m true", "ls /home",
        "ls /work /var", "cat /etc/shadow", "dmesg | grep .", "date -s 2000-01-01", "hostname x", "test -e /proc/1",
        "sysctl -w kernel.core_pattern=x", "losetup -f", "ip link add x type dummy",
    ],
)  # fmt: skip
def test_it_cannot(run, script: str, network: bool):
    with pytest.raises(ProgramFailed):
        run(script, network=network)


@pytest.mark.parametrize("network", [True, False])
def test_ids_on_disk_are_those_it_gave(run, tmp_path: Path, network: bool):
    run("cd /tree && touch a && chown 7:65535 a && chmod 4711 a && setcap cap_net_raw=ep a || true; id -u", network=network)
    state = (tmp_path / "tree/a").stat()
    assert (state.st_uid, state.st_gid) == (7, 65535)


def test_with_the_network_it_is_nobody(run, tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"\0gaoler-test-confinement")
        listener.listen()
        script = "import socket,os;s=socket.socket(socket.AF_UNIX);s.connect(b'\\0gaoler-test-confinement');s.recv(1)"
        peers: list[int] = []

        def accept() -> None:
            peer, _ = listener.accept()
            peers.append(struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
            peer.close()

        thread = threading.Thread(target=accept)
        thread.start()
        run(f'/usr/bin/python3 -IS -c "{script}"', network=True)
        thread.join()
    assert peers == [FIRST], "an id that owns nothing"


def test_without_the_network_there_is_none(run):
    assert run("ip -o link | grep -vc ' lo:' || true; ip -o address | wc -l", network=False) == "0\n0"


def test_device_nodes(run):
    with pytest.raises(ProgramFailed):
        run("mknod /tree/null c 1 3", network=True)
    with pytest.raises(ProgramFailed):
        run("mknod /tree/disk b 7 0 && dd if=/tree/disk of=/dev/null count=1", network=False)


def test_copies_are_its_own(run, tmp_path: Path):
    secret = tmp_path / "key"
    secret.write_text("private")
    secret.chmod(0o600)
    copies = {"/root/key": str(secret), "/root/no": "/no/such"}
    assert run("cat /root/key; echo; stat -c '%a %u' /root/key; ls /root", network=True, copies=copies) == "private\n600 0\nkey"


def test_its_ending_is_told(run):
    with pytest.raises(ProgramFailed) as caught:
        run("echo why >&2; exit 24", network=True)
    assert caught.value.status == 24 and caught.value.tail == ["why"]
    with pytest.raises(ProgramFailed) as caught:
        run("exec sh -c 'kill -9 $$; sleep 1' & wait $!; exit $?", network=True)
    assert caught.value.status >= 128


def test_a_pulse_that_raises_ends_it(tmp_path: Path):
    beats: list[int] = []

    def pulse() -> None:
        beats.append(1)
        if len(beats) == 2:
            raise RuntimeError("enough")

    with (tmp_path / "lock").open("w") as lock, pytest.raises(RuntimeError, match="enough"):
        confinement.run(["sleep", "infinity"], Confinement(()), lambda _: None, lock=lock.fileno(), pulse=pulse)
    assert len(beats) == 2
