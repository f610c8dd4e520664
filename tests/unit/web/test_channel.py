"""Messages with descriptors, what outlives a restart, and connections that stay whoever opened them."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest

from gaoler.web import broker
from gaoler.web.channel import Channel, Gone
from gaoler.web.keeping import Store


def test_a_message_brings_its_descriptors():
    ours, theirs = Channel.pair()
    reading, writing = os.pipe()
    ours.send({"keep": "a", "note": {"uid": 1}}, [writing])
    os.close(writing)
    message, descriptors = theirs.receive()
    assert message == {"keep": "a", "note": {"uid": 1}}
    os.write(descriptors[0], b"through")
    os.close(descriptors[0])
    assert os.read(reading, 100) == b"through"
    os.close(reading)


@pytest.mark.parametrize("data", [b"[1]", b"nonsense", b"\xff\xfe", b"{" * 70000])
def test_what_is_no_message_ends_it(data):
    ours, theirs = Channel.pair()
    ours.sock.send(data)
    with pytest.raises(Gone):
        theirs.receive()


def test_its_descriptors_do_not_leak():
    ours, theirs = Channel.pair()
    reading, writing = os.pipe()
    socket.send_fds(ours.sock, [b"nonsense"], [writing])
    os.close(writing)
    with pytest.raises(Gone):
        theirs.receive()
    assert os.read(reading, 1) == b""  # nobody holds the other end
    os.close(reading)


def test_an_end_is_seen():
    ours, theirs = Channel.pair()
    ours.close()
    with pytest.raises(Gone):
        theirs.receive()
    with pytest.raises(Gone):
        theirs.send({})


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_what_is_kept_is_replaced_renoted_and_dropped():
    store = Store()
    first, second = os.dup(0), os.dup(0)
    store.keep("a", {"n": 1}, [first])
    store.keep("a", {"n": 2}, [])
    assert store.kept["a"].note == {"n": 2} and store.kept["a"].descriptors == (first,)
    store.keep("a", {"n": 3}, [second])
    assert not is_open(first)
    store.drop("a")
    store.drop("a")
    assert not is_open(second) and not store.kept
    store.keep("b", {"n": 4}, [])  # a note of what isn't there
    assert not store.kept


def test_what_is_kept_goes_over_an_exec():
    store = Store()
    reading, writing = os.pipe()
    store.keep("terminal:x", {"uid": 7}, [writing])
    text = store.pack()
    assert os.get_inheritable(writing)
    again = Store.unpack(text)
    assert json.loads(text) and again.kept["terminal:x"].note == {"uid": 7}
    assert not os.get_inheritable(writing)
    again.drop("terminal:x")
    os.close(reading)


def test_a_broker_connects_as_itself_until_its_channel_ends(tmp_path):
    path = str(tmp_path / "daemon")
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(path)
        daemon.listen()
        ours, theirs = Channel.pair()

        def serve():
            with pytest.raises(Gone):
                broker.serve(theirs, path)

        thread = threading.Thread(target=serve)
        thread.start()
        ours.send({"connect": True})
        message, descriptors = ours.receive()
        assert message == {"connected": True}
        with socket.socket(fileno=descriptors[0]) as given, daemon.accept()[0] as accepted:
            given.sendall(b"as whoever opened it")
            assert accepted.recv(100) == b"as whoever opened it"
        os.unlink(path)
        ours.send({"connect": True})
        message, descriptors = ours.receive()
        assert "error" in message and not descriptors
        ours.close()
        thread.join(10)
        assert not thread.is_alive()
