"""Bases that somebody has published: who stands on them, and what is done with them, as on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from system.support import page as support
from system.support.gateway import Gateway
from system.support.machine import Machine, running
from system.support.page import Page
from system.support.users import User

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture
def course(gateway: Gateway, ann: User) -> Iterator[Machine]:
    """The machine that a base `course` was published from, as two generations."""
    gateway.restart(limits={"user": {ann.name: {"bases": 1}}})
    try:
        with running(gateway, ann, "prepared", "--no-network", "--no-home") as machine:
            machine.gaol("publish", "course", check=True)
            machine.sh("echo second > /srv/exercise")
            machine.gaol("publish", "course", check=True)
            yield machine
    finally:
        gateway.gaol("base", "rm", "--yes", "course")
        gateway.restart()


def base(gateway: Gateway) -> dict[str, object]:
    return json.loads(gateway.gaol("base", "info", "course", "--json", check=True).stdout)


def test_a_base_of_ones_own(
    anns: Tab, browser: Browser, page: Page, gateway: Gateway, ann: User, ben: User, course: Machine
) -> None:
    tom = Machine(gateway, "lab", ben)
    tom.up("--no-network", "--no-home", "--base", "course")
    try:
        anns.reload()
        part = anns.locator("details.published")
        part.locator("summary").click()
        expect(part.locator("summary")).to_have_text("Bases that you look after (1)")
        row = part.locator("li")
        expect(row).to_contain_text("generation 2")
        expect(row).to_contain_text(f"{ben.name}/lab (generation 2, ready)")
        assert support.look(anns, support.axe_core(), "one's own bases") == []

        def choose(entry: str) -> None:
            row.get_by_role("button", name="More for course").click()
            anns.get_by_role("menuitem", name=entry).click()

        def answer(yes: str) -> None:
            anns.get_by_role("dialog").get_by_role("button", name=yes, exact=True).click()

        choose("What its machines get")
        anns.get_by_role("dialog").get_by_label("Memory").select_option("1073741824")
        anns.get_by_role("dialog").get_by_label("With a network").select_option("no")
        anns.get_by_label("What the first shell says").fill("Welcome, all of you")
        assert support.look(anns, support.axe_core(), "what its machines get") == []
        answer("Change")
        expect(anns.get_by_text("course is changed")).to_be_visible()
        defaults = base(gateway)["defaults"]
        assert isinstance(defaults, dict)
        assert (defaults["memory"], defaults["network"], defaults["welcome"]) == (1 << 30, False, "Welcome, all of you")
        assert defaults["cpus"] is None and defaults["home"] is None

        choose("Back to the generation before")
        answer("Go back")
        expect(row).to_contain_text("generation 1 ")
        course.sh("echo third > /srv/exercise")
        choose("Bring it up to date")
        expect(anns.get_by_text("course is at generation 3 now")).to_be_visible()
        expect(row).to_contain_text("generation 3")

        bens = support.context(browser).new_page()  # who may not change it has no such part
        support.log_in(bens, page, ben)
        expect(bens.locator(".machine[data-name=lab]")).to_be_visible()
        bens.wait_for_load_state("networkidle")
        expect(bens.locator("details.published")).to_be_hidden()
        refused = bens.evaluate(
            "import(document.querySelector('script[src*=app]').src.replace('app.js', 'gateway.js'))"
            ".then(({call}) => call('BaseRemove', {name: 'course'})).then(() => 'removed', (error) => error.message)"
        )
        assert re.search("not yours|may not", refused), refused
        bens.context.close()

        choose("Remove")
        expect(anns.get_by_role("dialog")).to_contain_text(f"{ben.name}/lab")
        answer("Remove")
        expect(anns.get_by_text("The base course is gone")).to_be_visible()
        expect(part).to_be_hidden()
        assert gateway.gaol("base", "info", "course").returncode != 0
        assert tom.sh("cat /srv/exercise") == "second"
    finally:
        tom.remove()
