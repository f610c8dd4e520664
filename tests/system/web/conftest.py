"""The page of the gateway, its users with passwords, and a tab in which one of them has logged in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from system.support import page as support
from system.support import page_fixtures
from system.support.page import Page, Watched
from system.support.users import User

page, browser = page_fixtures.page, page_fixtures.browser
pytest_runtest_makereport = page_fixtures.pytest_runtest_makereport


@pytest.fixture(scope="session")
def ann(alice: User) -> User:
    support.set_password(alice)
    return alice


@pytest.fixture(scope="session")
def ben(bob: User) -> User:
    support.set_password(bob)
    return bob


@pytest.fixture
def tab(browser: Browser, page: Page) -> Iterator[Tab]:
    """Nobody has logged in there; whatever the page complains of fails the test."""
    context = support.context(browser)
    opened = context.new_page()
    watched = Watched(opened)
    yield opened
    context.close()
    assert watched.complaints == []


@pytest.fixture
def anns(tab: Tab, page: Page, ann: User) -> Tab:
    """A tab with ann's list of machines."""
    support.log_in(tab, page, ann)
    expect(tab.locator("header .brand")).to_be_visible()
    expect(tab.locator("main h1")).to_have_text("Your machines")
    return tab
