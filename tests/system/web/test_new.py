"""A new machine is made with all that can be said of it, and begins with what its base says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from system.support import page as support
from system.support.bases import small_tree
from system.support.gateway import Gateway
from system.support.machine import Machine
from system.support.users import User
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def small(gateway: Gateway, tmp_path: Path) -> Iterator[str]:
    gateway.gaol("base", "add", "small", "--directory", str(small_tree(tmp_path / "tree")), check=True)
    gateway.gaol("base", "set", "small", "home=no", "network=no", check=True)
    yield "small"
    gateway.gaol("base", "rm", "small", check=True)


def test_a_machine_is_made_with_everything(anns: Tab, gateway: Gateway, ann: User, small: str) -> None:
    anns.get_by_role("link", name="New machine").click()
    expect(anns.get_by_role("radio", name="debian")).to_be_checked()
    anns.get_by_text("More settings").click()
    home, network = anns.get_by_label("With my home directory"), anns.get_by_label("With a network")
    expect(home).to_be_checked()
    anns.locator(".base strong", has_text=re.compile("^small$")).click()
    expect(home).not_to_be_checked()
    expect(network).not_to_be_checked()
    # What was chosen by hand stays.
    home.check()
    anns.locator(".base strong", has_text=re.compile("^debian$")).click()
    expect(network).to_be_checked()
    home.uncheck()
    anns.locator(".base strong", has_text=re.compile("^small$")).click()
    expect(home).not_to_be_checked()
    anns.get_by_label("Name").fill("hers")
    anns.get_by_label("Starts with the host").check()
    anns.get_by_label("Controlled by ptrace").check()
    anns.get_by_label("Runs for").select_option(label="8 hours")
    anns.get_by_label("Then").select_option("page")
    assert support.look(anns, support.axe_core(), "a new machine") == []
    anns.get_by_role("button", name="Make it").click()
    hers = Machine(gateway, "hers", ann)
    try:
        expect(anns.locator("main h1")).to_have_text("hers")
        until(lambda: hers.info()["autostart"], "it starts with the host")
        made = hers.info()
        assert (made["base"], made["mode"], made["ttl"], made["home"], made["network"]) == (
            "small",
            "ptrace",
            8 * 3600,
            False,
            False,
        )
    finally:
        hers.remove()
