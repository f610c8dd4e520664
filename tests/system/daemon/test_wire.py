"""Replies of the real daemon are what the messages of the wire, and the interface that it publishes, say."""

from __future__ import annotations

import os
import socket

import pytest

import published
from gaoler.wire import messages
from gaoler.wire.framing import Connection
from gaoler.wire.methods import METHODS

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def call(gateway):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(gateway.socket))
        connection = Connection(sock)

        def ask(method, **parameters):
            connection.send({"method": method, "parameters": parameters})
            return connection.receive()

        yield ask


@pytest.mark.parametrize(
    ("method", "key", "kind"),
    [("List", "machines", messages.Info), ("Top", "usage", messages.Usage), ("BaseList", "bases", messages.Base),
     ("KernelList", "kernels", messages.Kernel), ("Doctor", "checks", messages.Check)],
)  # fmt: skip
def test_lists(call, quiet, method, key, kind):
    everybody = {"all": True} if method in ("List", "Top") else {}
    found = call(f"org.gaoler.{method}", **everybody)["parameters"][key]
    assert found
    for one in found:
        assert kind.model_validate(one).model_dump() == one


def test_single_things(call, quiet):
    owner = quiet.user.name
    machine = call("org.gaoler.Inspect", name="quiet", owner=owner)["parameters"]["machine"]
    assert messages.Info.model_validate(machine).model_dump() == machine
    store = call("org.gaoler.StoreInspect")["parameters"]["store"]
    assert messages.Store.model_validate(store).model_dump() == store


def test_errors_have_their_form(call):
    reply = call("org.gaoler.Inspect", name="nothing")
    assert reply["error"] == "org.gaoler.Error"
    assert {name: type(value) for name, value in reply["parameters"].items()} == {
        "what": str,
        "why": str,
        "hint": str,
        "code": int,
    }
    assert call("org.gaoler.Nothing")["error"] == "org.varlink.service.MethodNotFound"
    assert call("org.gaoler.Inspect", nonsense=1)["parameters"]["code"] == 2


@pytest.fixture
def interface(call):
    assert "org.gaoler" in call("org.varlink.service.GetInfo")["parameters"]["interfaces"]
    return published.read(
        call("org.varlink.service.GetInterfaceDescription", interface="org.gaoler")["parameters"]["description"]
    )


def replies(gateway, method, **parameters):
    """All replies to a call that asks for more than one."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(gateway.socket))
        connection = Connection(sock)
        connection.send({"method": f"org.gaoler.{method}", "parameters": parameters, "more": True})
        while True:
            reply = connection.receive()
            for descriptor in connection.take_descriptors():
                os.close(descriptor)
            assert "error" not in reply, reply
            if method in ("Run", "Rescue"):
                sock.shutdown(socket.SHUT_WR)
            yield reply["parameters"]
            if not reply.get("continues"):
                return


def test_what_methods_answer_is_what_is_published(gateway, interface):
    """On machines and bases of root's: every method of the interface but for kernels, what needs a reader, a writer or a newer base,
    and what is about removed machines, which this gateway doesn't keep (machines/test_removed.py)."""
    assert list(interface.methods) == list(METHODS)
    command, base = {"arguments": ["true"]}, str(gateway.components.base)
    calls = [
        ("Run", {"spec": {"network": False}, "command": command}),
        ("Up", {"name": "told"}), ("Exec", {"name": "told", "command": command}), ("List", {}), ("Top", {}),
        ("Ssh", {"name": "told"}), ("SshConnect", {"name": "told", "keys": [f"ssh-ed25519 {'A' * 68}"]}), ("Inspect", {"name": "told"}), ("Log", {"name": "told"}), ("Wait", {"name": "told", "until": "ready"}),
        ("Freeze", {"name": "told"}), ("Thaw", {"name": "told"}), ("Sleep", {"name": "told"}), ("Exec", {"name": "told", "command": command}),
        ("Snapshot", {"name": "root/told", "tag": "one"}), ("Publish", {"name": "told", "base": "told"}),
        ("SnapshotList", {"name": "told"}), ("Diff", {"name": "told", "patch": True}), ("Share", {"name": "told", "user": "nobody"}), ("Unshare", {"name": "told", "user": "nobody"}), ("Set", {"name": "told", "cpus": 0.5, "memory": 300 << 20}),
        ("Clone", {"name": "told", "owner": "root", "new": "again"}), ("Rename", {"name": "again", "new": "anew"}),
        ("Give", {"name": "anew", "to": "root", "new": "anew"}), ("Down", {"name": "told"}),
        ("Rescue", {"name": "told", "command": command}), ("Restore", {"name": "told", "tag": "one"}), ("SnapshotRemove", {"name": "told", "tag": "one"}),
        ("Remove", {"name": "told"}), ("Remove", {"name": "anew", "now": True}), ("RemovedList", {}),
        ("BaseSet", {"name": "told", "memory": 200 << 20, "welcome": "hello"}), ("BaseSync", {"name": "debian"}), ("BaseSync", {}), ("BaseList", {}), ("BaseInspect", {"name": "told"}),
        ("BaseRollback", {"name": "told", "generation": "1"}), ("BaseRemove", {"name": "told"}),
        ("BaseAdd", {"name": "told", "source": "directory", "argument": base}), ("BaseRemove", {"name": "told"}),
        ("KernelList", {}), ("StoreInspect", {}), ("StoreRestore", {"machines": [], "trees": []}), ("Metrics", {}), ("Doctor", {}),
        ("Drain", {"left": 3600, "why": "a test", "stop": True}), ("DrainInspect", {}), ("DrainEnd", {}), ("DrainInspect", {}),
    ]  # fmt: skip
    assert {name for name, _ in calls} == set(METHODS) - {
        "KernelBuild",
        "KernelRemove",
        "StoreBackup",
        "Rebase",
        "Export",
        "Import",
        "RemovedRestore",
        "RemovedDrop",
    }
    for method, parameters in calls:
        assert not interface.faults_of_call(method, parameters)
        for reply in replies(gateway, method, **parameters):
            assert not interface.faults(method, reply), (method, reply)
