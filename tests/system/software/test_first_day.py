"""What somebody does in a machine first, with nothing but the documents."""

from __future__ import annotations

import pytest

from system.support.components import components

pytestmark = pytest.mark.root


def test_a_base_comes_with_package_lists():
    lists = components().base / "var/lib/apt/lists"
    assert list(lists.glob("*_main_*_Packages.lz4")), f"{lists} has no package lists"
    assert not list((components().base / "var/cache/apt").iterdir())
