"""The page of a gateway and the browser that looks at it, for the conftest of whoever tests the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from system.support import page as support
from system.support.gateway import Gateway
from system.support.page import Page


@pytest.fixture(scope="session")
def page(gateway: Gateway) -> Iterator[Page]:
    served = Page(gateway)
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with support.browser() as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What the page has said of late, where a test of it fails."""
    report: Any = yield
    served = getattr(item, "funcargs", {}).get("page")
    if report.failed and isinstance(served, Page) and served.log.exists():
        report.sections.append(("page", served.log.read_text(errors="replace")[-4000:]))
    return report
