"""What the page's helper carries over to the program that takes its place."""

from __future__ import annotations

import json
import os

from gaoler.web.keeping import Store


def test_logins_and_what_is_kept_come_over():
    store = Store()
    mine, other = os.pipe()
    store.keep("session:a", {"user": "ann"}, [mine])
    store.logins[4711] = ("ann", "192.0.2.7")
    again = Store.unpack(store.pack())
    assert again.logins == {4711: ("ann", "192.0.2.7")}
    assert (again.kept["session:a"].note, again.kept["session:a"].descriptors) == ({"user": "ann"}, (mine,))
    again.drop("session:a")
    os.close(other)


def test_the_service_can_not_name_logins():
    """What is carried over of them stands under a name that it may have given something of its own."""
    store = Store()
    mine, other = os.pipe()
    store.keep("", {"1": ["root", "here"]}, [mine])
    assert Store.unpack(store.pack()).logins == {}
    store.drop("")
    os.close(other)


def test_what_an_older_program_has_kept_is_taken():
    assert Store.unpack(json.dumps({"session:a": [{"user": "ann"}, []]})).logins == {}
