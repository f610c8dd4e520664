"""`gaol desktop` where there is none; what there is where there is one: tests/desktop."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.root, pytest.mark.machine]


def test_a_machine_without_a_desktop_says_so(quiet):
    done = quiet.gaol("desktop")
    said = "this machine has no desktop: make one from a base that has, such as debian-desktop"
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        f"gaol: can't start a desktop in quiet: {said}",
        "try: gaol desktop NAME --base debian-desktop",
    ]
