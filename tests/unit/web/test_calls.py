"""The page asks for what one may do with one's own machines: all of it, and nothing besides."""

from __future__ import annotations

from gaoler.web.calls import METHODS
from gaoler.wire import methods
from gaoler.wire.requests import OfMachine

APART = {"Exec", "Ssh"}
"""What carries descriptors or keys: terminals, desktops and files have addresses of their own, and a key stays at the gateway."""


def test_it_has_every_request_about_ones_own_machines():
    """A method added to the table comes with a place on the page."""
    about_machines = {name for name, entry in methods.METHODS.items() if issubclass(entry.request, OfMachine)}
    assert about_machines - APART <= METHODS
    assert not METHODS & APART


def test_it_asks_for_nothing_that_there_is_not_or_that_is_an_administrators():
    known = {name for name, entry in methods.METHODS.items() if not isinstance(entry, methods.Administrators)}
    assert known >= METHODS
