"""What a machine made of a running one does with its network (agent, step net), natively: in a namespace of the host's."""

from __future__ import annotations

import gzip
import os
import socket
from pathlib import Path

import pytest

from system.support.components import components
from system.support.namespaces import ip, namespace

pytestmark = pytest.mark.root

_CONFIGURATION = Path("/proc/config.gz")


def can_destroy() -> bool:
    """Whether this kernel ends connections when it is asked to; those that machines run need not."""
    return not _CONFIGURATION.exists() or b"CONFIG_INET_DIAG_DESTROY=y" in gzip.decompress(_CONFIGURATION.read_bytes())


def connect(place, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    near = place.inside(lambda: socket.create_connection(listener.getsockname()[:2]))
    far = listener.accept()[0]
    for end in (near, far):
        end.settimeout(30)
    return near, far


def test_the_others_connections_end_here_and_their_peers_hear_nothing():
    name = f"qb{os.getpid() % 0xFFFF:04x}"
    with namespace(f"{name}m") as machine, namespace(f"{name}p") as peer:
        ip("link", "add", "eth0", "netns", machine.name, "type", "veth", "peer", "eth0", "netns", peer.name)
        for place, address in ((machine, "10.99.255.1/24"), (peer, "10.99.255.2/24")):
            place.run("ip", "link", "set", "lo", "up")
            place.run("ip", "address", "add", address, "dev", "eth0")
            place.run("ip", "link", "set", "eth0", "up")
        with peer.listening("10.99.255.2", 0) as outside, machine.listening("127.0.0.1", 0) as within:
            near, far = connect(machine, outside)
            own, same = connect(machine, within)
            with near, far, own, same:
                agent = components().guest / "bin/agent"
                machine.run(agent, "net", "eth0", "mac", "02:00:00:00:00:07", "flush", "10.99.255.7/24", "via", "10.99.255.2")
                if can_destroy():
                    with pytest.raises(ConnectionAbortedError):
                        near.recv(1)
                far.setblocking(False)
                with pytest.raises(BlockingIOError):
                    far.recv(1)
                own.sendall(b"x")
                assert same.recv(1) == b"x", "what is within the machine stays"
        shown = machine.run("ip", "address", "show", "dev", "eth0").stdout
        assert "02:00:00:00:00:07" in shown
        assert "10.99.255.7/24" in shown
        assert "10.99.255.1/" not in shown
        assert machine.run("ip", "route", "show", "default").stdout.split()[2] == "10.99.255.2"
