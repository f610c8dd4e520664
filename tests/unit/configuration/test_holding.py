"""What of a changed configuration holds at once, and what when a daemon starts."""

from __future__ import annotations

from gaoler.configuration import holding
from gaoler.configuration.model import Configuration


def made(**sections):
    return Configuration.model_validate(sections)


def test_what_is_granted_holds_at_once_and_the_network_does_not():
    there = made(limits={"memory": "1G"})
    wanted = made(
        limits={"memory": "2G", "user": {"alice": {"machines": 3}}},
        base={"debian": {"sync": "daily"}},
        network={"subnet": "10.9.0.0/20"},
        daemon={"admin_group": "staff", "prefix": "g"},
        web={"listen": ""},
    )
    now, later = holding.adopt(there, wanted)
    assert {"limits.memory", "limits.user.alice.machines", "base.debian.sync", "daemon.admin_group"} <= set(now)
    assert set(later) == {"network.subnet", "daemon.prefix"}
    assert there.limits == wanted.limits
    assert there.base == wanted.base
    assert (there.daemon.admin_group, there.daemon.prefix) == ("staff", "gaol")
    assert there.network == Configuration().network
    assert holding.differences(there, wanted) == ([], later)


def test_what_is_taken_back_is_a_difference():
    there, wanted = made(limits={"user": {"alice": {"machines": 3}}}), made()
    assert "limits.user.alice.machines" in holding.differences(there, wanted)[0]
    assert holding.told([], []) == ""


def test_each_section_says_when_it_holds():
    said = {name: holding.when(name) for name in Configuration.model_fields}
    assert said["limits"] == "after `systemctl reload gaoler`"
    assert said["network"] == "after a restart"
    assert "admin_group" in said["daemon"]
    assert said["web"] == "after `systemctl reload gaoler-web`"
