"""A machine full of software, in which scripts try what its kernel can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running

_INSIDE = Path(__file__).with_name("programs") / "inside"


@pytest.fixture(scope="module", name="box")
def box_fixture(workshop, smith):
    """The programs in inside/ are in /root/inside."""
    with leaving_nothing(workshop), running(workshop, smith, "box", "--no-network") as machine:
        for path in _INSIDE.iterdir():
            machine.sh(f"mkdir -p /root/inside; cat > /root/inside/{path.name}", input=path.read_text())
        yield machine


def passes(machine, script, *namespaces):
    """The script succeeds, in those namespaces and mounts of its own."""
    done = machine.exec("unshare", "--mount", *namespaces, "sh", "-exc", script)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
