"""A gateway whose base has a desktop (GAOLER_TEST_DESKTOP), as `make desktop` names it; without it there is nothing here to run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from system.support import page as support
from system.support import page_fixtures, users
from system.support.components import components, need_root
from system.support.gateway import Gateway
from system.support.users import User

page, browser = page_fixtures.page, page_fixtures.browser
pytest_runtest_makereport = page_fixtures.pytest_runtest_makereport
TREE = os.environ.get("GAOLER_TEST_DESKTOP", "")
_USUAL_CROWD = 24
"""Machines at once for which the ids of a gateway do; for more there is another range, below those of all gateways of tests."""

if not TREE:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    need_root()
    made = Gateway(
        replace(components(), base=Path(TREE)), {"limits": {"memory": "4G"}, "machines": {"memory": "1G", "deadline": "60s"}}
    )
    if int(os.environ.get("GAOLER_TEST_CROWD", "0")) > _USUAL_CROWD:
        made.ids = range((1 << 28) + (made.number % 32 << 23), (1 << 28) + (made.number % 32 + 1 << 23))
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def ann(gateway: Gateway) -> Iterator[User]:
    with users.account(f"{gateway.prefix}ann") as user:
        support.set_password(user)
        yield user
