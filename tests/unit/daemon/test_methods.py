"""The table of methods: each entry has one handler, the published interface says what is answered, the client has it all."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import published
from gaoler.client import Gaoler
from gaoler.client import methods as client_methods
from gaoler.daemon.introspection import description
from gaoler.daemon.methods import HANDLERS
from gaoler.wire import client_source, messages, replies
from gaoler.wire.framing import Closed, Connection
from gaoler.wire.methods import METHODS

INTERFACE = published.read(description())
EXAMPLES = {
    "name": "web", "owner": "alice", "base": "debian", "new": "copy", "tag": "one", "until": "ready", "source": "tar",
    "generation": "1", "series": "7.2", "argument": "/a.tar", "mirror": "http://m", "keyring": "/k", "timeout": 1.5, "kernel": "7.2",
    "memory": 1 << 28, "cpus": 2.0, "disk": 1 << 30, "ttl": 60, "extend": 60, "init": "systemd", "mode": "ptrace", "home": False, "network": False,
    "arguments": ["id"], "user": "alice", "login": True, "directory": "/home", "environment": {"A": "b"},
    "terminal": {"rows": 24, "columns": 80}, "umask": 0o77, "force": True, "all": True, "shrink": True, "replace": True, "keep": ["/root/tools"], "patch": True, "shared": True, "access": "user", "ends": 2.5,
    "to": "bob", "autostart": True, "left": 90.5, "why": "another kernel", "stop": True, "pid": 1234, "welcome": "hello", "unset": ["ttl"],
}  # fmt: skip
EXAMPLES |= {"keys": [f"ssh-ed25519 {'A' * 68}"], "target": "0123456789abcdef", "kept": [], "full": True, "snapshots": True, "machines": [], "trees": []}
BASE = messages.Base(name="debian", generation="1", source=None, created=1.0, machines=0)


def test_every_method_has_one_handler():
    assert list(HANDLERS) and set(HANDLERS) == set(METHODS)
    assert all(HANDLERS[name].method is METHODS[name] for name in METHODS)


def test_the_published_interface_has_every_method_and_who_may_call_it():
    assert list(INTERFACE.methods) == list(METHODS)
    for method in METHODS.values():
        before = description().partition(f"method {method.name}(")[0].splitlines()
        assert before[-1] == f"# Who may: {method.right}." and before[-2].startswith("# ")


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("BaseAdd", replies.BaseMade(base=BASE, new=True)),
        ("Publish", replies.BaseMade(base=BASE, new=False)),
        ("BaseSync", replies.BaseSynced(base=BASE, new=False)),
        ("BaseSync", replies.BaseSynced(bases=[BASE])),
        ("BaseSync", replies.Progress(step="fetching", done=1, total=2, unit="files")),
        ("Up", replies.Progress(step="starting")),
        ("Snapshot", replies.Taken(tag="one")),
        ("Down", replies.Nothing()),
    ],
)
def test_what_is_answered_is_published(method, reply):
    faults = INTERFACE.faults(method, reply.parameters())
    assert bool(faults) == (method == "Down"), faults  # which answers the machine, and nothing less


def test_an_empty_optional_is_left_out_of_a_reply_and_null_in_what_it_carries():
    told = replies.BaseMade(base=BASE, new=True).parameters()
    assert told["base"]["size"] is None
    assert replies.Taken(tag="one").parameters() == {"tag": "one"}


def test_the_client_is_made_from_the_table():
    made = client_source.source() + client_source.TAIL
    assert Path(client_methods.__file__).read_text() == made, "python -m gaoler.wire.client_source > src/gaoler/client/methods.py"


@contextmanager
def answering(path: Path, answer: dict) -> Iterator[list[dict]]:
    """Somebody at a socket, who gives every call the same answer; the calls."""
    import socket

    calls: list[dict] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection = Connection(listener.accept()[0])
            try:
                while True:
                    calls.append(connection.receive())
                    connection.send({"parameters": answer})
            except Closed:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield calls
        thread.join()


def example(method, name):
    """A word that means one thing to one method may be a switch to another: `memory`."""
    field = method.request.model_fields.get(name)
    return True if field is not None and field.annotation is bool and not isinstance(EXAMPLES.get(name), bool) else EXAMPLES[name]


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_the_client_says_everything_that_may_be_said(method, tmp_path):
    taken = client_source.parameters(method.request)
    given = {{"all": "everybody"}.get(name, name): example(method, name) for name in taken}
    names = set(method.reply.model_fields)
    with answering(tmp_path / "sock", dict.fromkeys(names, 1)) as calls, Gaoler(str(tmp_path / "sock")) as gaoler:
        got = getattr(gaoler, client_source.python_name(method))(**given)
        if client_source.is_passing(method):
            got = list(got)[-1]
    assert got == (None if not names else dict.fromkeys(names, 1) if len(names) > 1 or client_source.is_passing(method) else 1)
    (call,) = calls
    assert call["method"] == f"org.gaoler.{method.name}"
    request = method.request.model_validate(call["parameters"])
    assert not INTERFACE.faults_of_call(method.name, call["parameters"])
    said = re.findall(r"'(\w+)': ", str(request.model_dump()))
    assert set(taken) <= set(said)
    assert all(example(method, name) in [*request.model_dump().values(), *getattr(request, "spec", BASE).model_dump().values(),
                                  *getattr(request, "command", BASE).model_dump().values()] for name in taken)  # fmt: skip
