"""The page's packages on a host that has no npm, as a fresh one: with the npm that set-up brings."""

from __future__ import annotations

import shutil

import pytest

from gaoler.progress import silent
from gaoler.setup import page
from system.support.components import need_root

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]


def test_they_come_where_no_npm_is_installed(tmp_path, monkeypatch):
    need_root()
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    place = tmp_path / "page"
    assert page.fetch(place, silent) == str(place)
    assert list(place.glob("node_modules/@xterm/xterm/package.json"))
    assert page.packages_step(place, silent).done() == str(place)
