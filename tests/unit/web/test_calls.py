"""The page asks for what one may do with one's own machines, and for nothing besides."""

from __future__ import annotations

from gaoler.web.calls import METHODS
from gaoler.wire import methods

APART = {"Run", "Exec", "Rescue", "Ssh", "SshConnect"}
"""What carries descriptors or keys: terminals, desktops and files have addresses of their own, and a key stays at the gateway."""


def test_it_hands_out_no_descriptors_and_no_keys():
    assert not METHODS & APART


def test_it_asks_for_nothing_that_there_is_not_or_that_is_an_administrators():
    known = {name for name, entry in methods.METHODS.items() if not isinstance(entry, methods.Administrators)}
    assert known >= METHODS
