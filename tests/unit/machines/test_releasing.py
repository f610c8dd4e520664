"""Taking away what a machine has on the host."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gaoler.errors import Failed
from gaoler.host import jail
from gaoler.host.cgroup import owners
from gaoler.machines.jailing import Jailer
from gaoler.store.paths import Paths
from unit.machines.test_record import WEB


@pytest.mark.parametrize("trouble", [OSError(16, "Device or resource busy"), Failed("it stays")])
def test_one_step_that_fails_keeps_no_other_from_being_done(tmp_path, monkeypatch, trouble):
    def refuse(*_, **__):
        raise trouble

    unplugged = []
    monkeypatch.setattr(jail, "remove", refuse)
    paths, network = Paths(tmp_path / "store", tmp_path / "run"), SimpleNamespace(unplug=unplugged.append)
    jailer = Jailer(paths, "t", 1 << 20, network, owners.Groups("t"))
    left = jailer.runtime(WEB).root / "host"
    left.mkdir(parents=True)
    with pytest.raises(Failed, match=r"busy|stays"):
        jailer.release(WEB)
    assert unplugged == [WEB]
    assert not jailer.left_over(WEB)
