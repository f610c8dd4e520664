"""The kernel's own drivers, without the rest of gaoler: streams from a socket of the host, a TAP by descriptor.

GAOLER_TEST_KERNEL names the kernel. Each test boots it with an initramfs that holds one static program,
kernel_drivers_init.c, and talks to that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from system.support.kernel_machine import (  # noqa: F401
    PROGRAMS,
    Machine,
    cpu_seconds,
    kernel_fixture,
    make_initramfs,
    passed,
    run,
    stubs,
    tap_fixture,
)

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="session")
def initramfs(tmp_path_factory) -> Path:
    return make_initramfs(PROGRAMS / "kernel_drivers_init.c", tmp_path_factory.mktemp("drivers"))


@pytest.fixture
def boot(kernel, initramfs):
    """Boots machines in an empty network namespace; what still runs at the end of the test is killed."""
    with contextlib.ExitStack() as stack:
        # pytest's own directories are too long for the name of a socket.
        directory = tempfile.mkdtemp(prefix="gaoler-kernel-")
        stack.callback(shutil.rmtree, directory)

        def start(*words: str, fds: tuple[int, ...] = (), hostsock: bool = True, prefix: tuple[str, ...] = ()) -> Machine:
            listener = socket.socket(socket.AF_UNIX)
            stack.callback(listener.close)
            address = f"{directory}/{secrets.token_hex(4)}"
            listener.bind(address)
            listener.listen(256)
            if hostsock:
                words = (f"hostsock={listener.fileno()}", *words)
            command = [
                "unshare", "--net", "--pid", "--fork", "--kill-child", *prefix,
                kernel, "mem=256M", f"initrd={initramfs}", "con=null", "con0=null,fd:1", "noreboot",
                f"uml_dir={directory}", f"umid={secrets.token_hex(4)}", *words,
            ]  # fmt: skip
            machine = Machine(command, (*fds, listener.fileno()), address)
            stack.callback(machine.kill)
            return machine

        yield start


@pytest.fixture(params=["seccomp=on", "seccomp=off"])
def machine(request, boot) -> Machine:
    machine = boot(request.param)
    machine.wait_for("accepting\n")
    return machine


def echo(stream: socket.socket, data: bytes) -> bytes:
    """Send data and end of file, and receive to the end of file at the same time."""

    def send() -> None:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    parts = []
    while part := stream.recv(1 << 18):
        parts.append(part)
    sender.join()
    stream.close()
    return b"".join(parts)


def test_device_itself(machine):
    passed(
        machine.power_off(),
        "hostsock opens",
        "root alone may open it",
        "accept EAGAIN",
        "poll, nothing",
        "close on exec",
    )


@pytest.mark.parametrize("how", ["e", "s"])
def test_50_megabytes_come_back_equal(machine, how):
    data = os.urandom(50 << 20)
    back = echo(machine.connect(how), data)
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
    passed(machine.power_off(), {"e": "echo", "s": "splice"}[how])


def test_200_streams_at_once(machine):
    # All are open before the first one speaks, and end in another order than they began.
    streams = [machine.connect("e") for _ in range(200)]
    data = [os.urandom(1 + i * 1000) for i in range(200)]
    with ThreadPoolExecutor(50) as pool:
        back = list(pool.map(echo, reversed(streams), reversed(data)))
    assert back == data[::-1]
    console = machine.power_off()
    passed(console)
    assert console.count("check echo ok\n") == 200


def test_short_messages_lose_no_wake_up(machine):
    with machine.connect("e") as stream:
        for i in range(3000):
            message = b"x" * (1 + i % 7)
            stream.sendall(message)
            assert stream.recv(16) == message


def test_nonblocking(machine):
    with machine.connect("n") as stream:
        assert stream.recv(1) == b"r"
        stream.sendall(b"x")
        machine.wait_for("check write EAGAIN")
    passed(machine.power_off(), "read EAGAIN", "epoll, nothing", "epoll, one byte", "read one byte", "write EAGAIN")


def test_host_closes(machine):
    with machine.connect("c") as stream:
        stream.sendall(b"12345")
    machine.wait_for("check SIGPIPE")
    passed(
        machine.power_off(),
        "read what was left",
        "poll says hang-up",
        "read end of file again",
        "write EPIPE",
        "SIGPIPE",
    )


def test_host_closes_with_data_unread_while_a_write_is_blocked(machine):
    with machine.connect("r") as stream:
        assert stream.recv(1)
    machine.wait_for("check read after reset")
    passed(machine.power_off(), "blocked write EPIPE", "read after reset")


def test_signals_and_bad_addresses(machine):
    with machine.connect("i") as stream:
        assert stream.recv(1) == b"r"
        stream.sendall(b"abc")
        machine.wait_for("check which loses nothing")
    passed(machine.power_off(), "read EINTR", "read of a bad address", "which loses nothing")


def test_guest_ends_its_side_alone(machine):
    with machine.connect("h") as stream:
        assert stream.recv(16) == b"bye"
        assert stream.recv(16) == b""
        stream.sendall(b"back")
        machine.wait_for("check read after shutdown")
    passed(machine.power_off(), "shutdown", "write after shutdown", "read after shutdown")


def test_waiting_stubs_may_die(boot):
    machine = boot("seccomp=on")
    machine.wait_for("accepting\n")
    streams = [machine.connect("e") for _ in range(20)]
    for stream in streams:
        assert echo(stream, b"x") == b"x"
    _init, *waiting = stubs(machine)
    assert waiting
    for pid in waiting:
        # Over once the kernel has been told, so that the next stream finds it out of the pool.
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 20)[0]
        os.close(ended)
    for _ in range(20):
        assert echo(machine.connect("e"), b"x") == b"x"
    passed(machine.power_off())


@pytest.mark.parametrize("bad", ["0", "999", "x"])
def test_bad_hostsock_is_said(boot, bad):
    console = boot(f"hostsock={bad}", hostsock=False).finish()
    assert {
        "0": "hostsock: descriptor 0 is not a listening AF_UNIX stream socket",
        "999": "hostsock: descriptor 999 is not a listening AF_UNIX stream socket",
        "x": "hostsock=x: not a descriptor's number",
    }[bad] in console
    assert "check hostsock opens failed: No such file or directory" in console


@pytest.mark.parametrize("mode", ["seccomp=on", "seccomp=off"])
def test_panic_ends_the_process(boot, mode):
    # It is process 1 of a PID namespace here, as in the jail, and immune to its own SIGABRT.
    machine = boot("PANIC=1", mode, hostsock=False)
    machine.process.wait(20)
    machine.reader.join()
    assert "Kernel panic - not syncing: Attempted to kill init!" in machine.console


@pytest.mark.network
def test_tap_by_descriptor(boot, tap):
    fd, namespace = tap
    machine = boot("VEC0=10.83.0.2", f"vec0:transport=tap,fd={fd},mac=02:00:00:83:00:02", fds=(fd,))
    machine.wait_for("accepting\n")
    run("ip", "netns", "exec", namespace, "ping", "-c", "3", "-i", "0.01", "-W", "5", "10.83.0.2")
    # A frame above the MTU of the wire: what the vnet header is for.
    run("ip", "netns", "exec", namespace, "ping", "-c", "1", "-s", "20000", "-W", "5", "10.83.0.2")
    neighbours = subprocess.run(["ip", "-n", namespace, "neighbour"], check=True, capture_output=True, text=True).stdout
    assert "02:00:00:83:00:02" in neighbours
    passed(machine.power_off(), "vec0 up", "ethtool -g", "vec0 up again")


@pytest.mark.network
def test_network_is_back_when_the_tap_is(boot, tap):
    fd, namespace = tap
    machine = boot("VEC0=10.83.0.2", f"vec0:transport=tap,fd={fd},mac=02:00:00:83:00:02", fds=(fd,))
    machine.wait_for("accepting\n")
    ping = ("ip", "netns", "exec", namespace, "ping", "-c", "1", "-W", "5", "10.83.0.2")
    run(*ping)
    with machine.connect("p") as packets:
        run("ip", "-n", namespace, "link", "set", namespace, "down")
        for _ in range(5):
            packets.sendall(b"x")
            assert packets.recv(1) == b"x"
        run("ip", "-n", namespace, "link", "set", namespace, "up")
        run(*ping)
    passed(machine.power_off())


@pytest.mark.network
def test_deleted_tap_costs_the_machine_its_network_alone(boot, tap):
    fd, namespace = tap
    machine = boot("VEC0=10.83.0.2", f"vec0:transport=tap,fd={fd},mac=02:00:00:83:00:02", fds=(fd,))
    machine.wait_for("accepting\n")
    with machine.connect("p") as packets:
        run("ip", "-n", namespace, "link", "delete", namespace)
        for _ in range(5):
            packets.sendall(b"x")
            assert packets.recv(1) == b"x"
        before = cpu_seconds(machine)
        # Nothing to do for it, unless it tries to send for ever.
        with pytest.raises(subprocess.TimeoutExpired):
            machine.process.wait(1)
        assert cpu_seconds(machine) - before < 0.2
    passed(machine.power_off())


@pytest.mark.network
def test_descriptor_that_is_no_tap_is_said(boot):
    machine = boot("VEC0=10.83.0.2", "vec0:transport=tap,fd=0")
    machine.wait_for("accepting\n")
    console = machine.power_off()
    assert "uml_tap: fd=0 is not a TAP with IFF_NO_PI and IFF_VNET_HDR" in console
    assert "check vec0 up failed: Invalid argument" in console


@pytest.mark.network
def test_tap_that_cannot_be_made_ends_with_an_error(boot):
    without = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    machine = boot("VEC0=10.83.0.2", "vec0:transport=tap", prefix=without)
    machine.wait_for("accepting\n")
    console = machine.power_off()
    assert "uml_tap: failed to select tap interface tap%d, error -1" in console
    assert "check vec0 up failed: Invalid argument" in console
