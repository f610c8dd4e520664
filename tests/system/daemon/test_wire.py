"""Replies of the real daemon are what the messages of the wire, and the interface that it publishes, say."""

from __future__ import annotations

import re
import socket

import pytest

from gaoler.wire import messages
from gaoler.wire.framing import Connection

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
    assert {name: type(value) for name, value in reply["parameters"].items()} == {"what": str, "why": str, "hint": str, "code": int}
    assert call("org.gaoler.Nothing")["error"] == "org.varlink.service.MethodNotFound"
    assert call("org.gaoler.Inspect", nonsense=1)["parameters"]["code"] == 2


def test_the_published_interface_has_every_method(call):
    assert "org.gaoler" in call("org.varlink.service.GetInfo")["parameters"]["interfaces"]
    text = call("org.varlink.service.GetInterfaceDescription", interface="org.gaoler")["parameters"]["description"]
    assert set(re.findall(r"^method (\w+)\(", text, re.MULTILINE)) == set(messages.REQUESTS)
