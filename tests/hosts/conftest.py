"""A fresh host for each suite that GAOLER_HOST_SUITES names, as `make hosts` does; without it there is nothing here to run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaoler.progress import Display
from hosts import image
from hosts.virtual_host import VirtualHost, booted

SUITES = os.environ.get("GAOLER_HOST_SUITES", "").split()

if not SUITES:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session", params=SUITES)
def host(request: pytest.FixtureRequest) -> Iterator[VirtualHost]:
    """Booted once for all tests of a suite, which are the steps of one story."""
    cache = Path(os.environ["GAOLER_HOST_IMAGES"])
    bare = os.environ.get("GAOLER_HOST_BARE") == "1"
    base = Path(os.environ["GAOLER_TEST_BASE"])
    with booted(image.made(request.param, bare, base, cache, Display().report)) as host:
        yield host
