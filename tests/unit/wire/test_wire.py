"""Framing: what is bounded, what is refused, and that descriptors arrive."""

import json
import os
import socket
import threading
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.wire.framing import (
    DEPTH_LIMIT,
    LARGE,
    MESSAGE_LIMIT,
    REPLY_LIMIT,
    Closed,
    Connection,
    ProtocolError,
    TooLong,
    decode,
    encode,
)


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    ends = Connection(one), Connection(other)
    for end in ends:
        end.sock.settimeout(5)
    yield ends
    for end in ends:
        end.close()


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=10), _json, max_size=5))
def test_what_is_sent_arrives(message):
    assert decode(encode(message)[:-1]) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data):
    try:
        assert isinstance(decode(data), dict)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[1]",
        b"{",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
    ],
)
def test_refused(data):
    with pytest.raises(ProtocolError):
        decode(data)


@given(st.text(alphabet='[]{}"\\\n,:', max_size=200))
def test_brackets_in_a_string_are_text(text):
    assert decode(encode({"log": "[" * 40 + text + "{" * 40})[:-1]) == {"log": "[" * 40 + text + "{" * 40}


@given(st.integers(DEPTH_LIMIT, 40), st.text(alphabet='[]{}"\\', max_size=20))
def test_depth_is_bounded_whatever_the_strings_say(depth, text):
    inner: object = text
    for _ in range(depth):
        inner = [text, inner]
    with pytest.raises(ProtocolError, match="deeper"):
        decode(json.dumps({"a": inner}).encode())


def test_two_messages_in_one_packet(pair):
    one, other = pair
    one.sock.sendall(encode({"n": 1}) + encode({"n": 2}))
    assert [other.receive(), other.receive()] == [{"n": 1}, {"n": 2}]


def test_a_message_without_end_is_bounded(pair):
    one, other = pair
    one.sock.setblocking(False)
    with pytest.raises(ProtocolError, match="more than"):
        for _ in range(2 * MESSAGE_LIMIT // 4096):
            one.sock.send(b"a" * 4096)
            other._fill()
            if len(other._buffer) > MESSAGE_LIMIT:
                other.receive()


def test_the_daemon_may_answer_more_than_it_may_be_asked(pair):
    """The machines of a thousand students, or a log of nothing but quotes."""
    one, other = pair
    client = Connection(other.sock, REPLY_LIMIT)
    machines = {"machines": [{"name": f"m{number}", "reason": '"' * 400, "missing": []} for number in range(6000)]}
    assert len(encode(machines)) > MESSAGE_LIMIT
    sending = threading.Thread(target=one.send, args=(machines,))
    sending.start()
    assert client.receive() == machines
    sending.join()


@pytest.mark.parametrize("text", [b"x" * 200_000, b"\\u0041" * 30_000])
def test_a_long_string_costs_little_memory(text):
    tracemalloc.start()
    try:
        decode(b'{"a":"' + text + b"[" * 40 + b'"}')
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_descriptors_arrive(pair):
    one, other = pair
    reader, writer = os.pipe()
    one.send({}, (writer,))
    os.close(writer)
    other.receive()
    (mine,) = other.take_descriptors()
    os.write(mine, b"hello")
    os.close(mine)
    assert os.read(reader, 10) == b"hello"
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_flood_of_descriptors_is_refused(pair):
    one, other = pair
    null = os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(ProtocolError, match="descriptors"):
        for _ in range(5):
            socket.send_fds(one.sock, [b"x"], [null] * 3)
            other._fill()
    os.close(null)


def test_the_end_is_told(pair):
    one, other = pair
    one.close()
    with pytest.raises(Closed):
        other.receive()


@pytest.mark.parametrize(
    "value",
    [
        "", "plain", 'a "quote"', "back\\slash", "new\nline", "\x7f", "gr\u00fcn", "\ud800", 0, -1, 1.5, True, False, None, [], {},
        [1, "two", None], {"a": {"b": [True, {"c": "d"}]}}, {"a\n": 1}, [1.0],
        {"arguments": ["sh", "-c", "true"]},
    ],
)  # fmt: skip
def test_what_is_encoded_by_hand_is_what_json_makes_of_it(value):
    message = {"method": "m", "parameters": value}
    as_text = json.dumps(message, separators=(",", ":"), ensure_ascii=value == "\ud800")
    assert encode(message) == as_text.encode() + b"\0"


def test_a_message_in_drops_has_one_deadline_for_all(pair):
    """Each piece in time, the whole too late."""
    one, other = pair
    clock = iter(range(0, 100, 2))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TimeoutError):
        patch.setattr("gaoler.wire.framing.time.monotonic", lambda: float(next(clock)))
        fill = other._fill

        def drop_and_fill():
            one.sock.sendall(b"x")
            fill()

        patch.setattr(other, "_fill", drop_and_fill)
        other.receive(patience=7.0)
    assert 1 <= len(other._buffer) <= 3


def test_a_large_message_must_be_admitted(pair):
    one, other = pair
    asked = []

    def refuse():
        asked.append(len(other._buffer))
        raise RuntimeError("too many")

    other.large = refuse
    message = {"arguments": ["x" * 1000] * 3000}
    sending = threading.Thread(target=suppressing, args=(one, message))
    sending.start()
    with pytest.raises(RuntimeError):
        other.receive()
    assert LARGE < asked[0] <= LARGE + 65536
    other.close()
    sending.join()


def suppressing(connection, message):
    with suppress(Closed):
        connection.send(message)


def test_a_message_that_the_other_side_would_not_take_is_not_sent(pair):
    one, other = pair
    with pytest.raises(TooLong):
        one.send({"arguments": ["x" * 5000]}, limit=4096)
    one.send({"n": 1})
    assert other.receive() == {"n": 1}


@pytest.mark.parametrize("word", ["na\u00efve", os.fsdecode(b"\xff\xe9"), 'quote"\n'])
def test_words_of_any_language_take_no_more_room_than_they_must(word):
    data = encode({"word": word * 100})
    assert decode(data[:-1]) == {"word": word * 100}
    if word == "na\u00efve":
        assert len(data) < 650
