"""What stands in the way when a machine is moved over to a newer generation of its base."""

from __future__ import annotations

from gaoler.machines.differences import Difference
from gaoler.machines.rebasing import conflicts


def changed(path, change="changed", kind="file", exact=True):
    return Difference(path, change, kind, 1, 1, ("content",) if change == "changed" else (), exact)


def test_what_one_side_has_changed_is_no_conflict():
    assert conflicts([changed("/etc/hosts")], [changed("/etc/motd")], [changed("/etc/hosts"), changed("/etc/motd")]) == []


def test_what_both_have_changed_is_one_unless_into_the_same():
    mine, theirs = [changed("/etc/hosts"), changed("/etc/motd", "removed")], [changed("/etc/hosts"), changed("/etc/motd")]
    assert conflicts(mine, theirs, [*mine]) == ["/etc/hosts", "/etc/motd"]
    assert conflicts(mine, theirs, []) == []


def test_directories_that_both_have_made_hold_what_both_put_there():
    mine, theirs = [changed("/srv/x", "added", "directory")], [changed("/srv/x", "added", "directory")]
    assert conflicts(mine, theirs, [changed("/srv/x", kind="directory")]) == []
    assert conflicts(mine, [changed("/srv/x", "removed", "directory")], mine) == ["/srv/x"]


def test_nothing_is_put_below_what_the_base_has_taken_away():
    theirs = [changed("/srv/app", "removed", "directory"), changed("/srv/app", "added", "link")]
    assert conflicts([changed("/srv/app/x", "added")], theirs, []) == ["/srv/app/x"]


def test_what_programs_write_by_themselves_does_not_count():
    both = [changed("/var/log/dpkg.log"), changed("/var/cache/x"), changed("/var/login")]
    assert conflicts(both, both, both) == ["/var/login"]


def test_a_name_that_can_not_be_told_is_refused():
    assert conflicts([changed("/srv/we\\xffird", "added", exact=False)], [], []) == ["/srv/we\\xffird"]
