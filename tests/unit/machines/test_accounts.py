"""An account is the same as long as uid and home are, or name and password; one that has gone never comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gaoler.host import libc
from gaoler.host.accounts import NO_HOME, Entry
from gaoler.machines.accounts import Accounts
from unit.machines.test_record import OWNER

UID = OWNER.uid
ALICE = Entry(OWNER.name, UID, "12:34", "digest")


class Host:
    """Account files that a test writes."""

    def __init__(self, path):
        self.path, self.files, self.elsewhere, self.changes = path, {UID: ALICE}, {}, 0

    def has(self, *entries):
        self.files = {entry.uid: entry for entry in entries}
        self.changes += 1

    def accounts(self) -> Accounts:
        """Of a daemon that has just started."""

        def name_of(uid):
            return self.files[uid].name if uid in self.files else self.elsewhere.get(uid)

        return Accounts(self.path, lambda: (self.changes,), lambda uids: {uid: self.files[uid] for uid in uids & {*self.files}}, name_of)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "accounts.json")


def test_a_mark_is_kept_over_restarts(host):
    before = host.accounts().known(OWNER)
    assert before.mark
    assert host.accounts().known(OWNER) == before
    assert not host.accounts().has_gone(before)


@pytest.mark.parametrize(
    ("now", "stays"),
    [
        (replace(ALICE, secret="another"), True),  # a new password
        (replace(ALICE, name="alicia"), True),  # usermod --login, whose home stays
        (replace(ALICE, home="56:78"), True),  # homes have moved to another disk
        (replace(ALICE, home=None), True),  # or to a server
        (replace(ALICE, home="56:78", secret="another"), False),  # userdel -r, useradd
        (replace(ALICE, home="56:78", secret=""), False),
        (replace(ALICE, name="alicia", home="56:78"), True),  # renamed, and its home on another disk
        (replace(ALICE, name="bob", home="56:78", secret=""), False),  # another one with that uid
        (replace(ALICE, name="bob", home=None, secret=""), False),
        (replace(ALICE, home=NO_HOME, secret=""), False),  # userdel -r, useradd without a home
    ],
)
def test_who_is_the_same(host, now, stays):
    before = host.accounts().known(OWNER)
    host.has(now)
    later = host.accounts()
    after = later.known(replace(OWNER, name=now.name))
    assert (after.mark == before.mark, later.has_gone(before)) == (stays, not stays)


def test_one_that_was_seen_to_have_gone_never_comes_back(host):
    """Even with the same home and password: files are put back, and an account of that name is made on them."""
    accounts = host.accounts()
    before = accounts.known(OWNER)
    host.has()
    accounts.look()
    assert accounts.has_gone(before) and accounts.left(before)
    host.has(ALICE)
    assert host.accounts().known(OWNER).mark != before.mark
    assert host.accounts().has_gone(before)


def test_who_is_being_renamed_is_not_given_up(host):
    """usermod writes the new name, and moves the home afterwards."""
    accounts = host.accounts()
    before = accounts.known(OWNER)
    host.has(replace(ALICE, name="alicia", home=NO_HOME))
    accounts.look()
    assert not accounts.has_gone(before)
    host.files[UID] = replace(ALICE, name="alicia")  # which changes nothing in the account files
    assert accounts.known(replace(OWNER, name="alicia")).mark == before.mark


def test_another_uid_is_another_account(host):
    accounts = host.accounts()
    before = accounts.known(OWNER)
    host.has(replace(ALICE, uid=UID + 1))
    assert accounts.known(replace(OWNER, uid=UID + 1)).mark != before.mark
    assert accounts.has_gone(before)


def test_a_directory_service_that_does_not_answer_takes_nobody_away(host):
    host.has()
    host.elsewhere = {UID: OWNER.name}
    accounts = host.accounts()
    before = accounts.known(OWNER)
    host.elsewhere = {}
    host.changes += 1
    accounts.look()
    assert not accounts.has_gone(before)
    assert accounts.known(OWNER) == before
    assert accounts.known(replace(OWNER, name="bob")).mark != before.mark
    assert accounts.has_gone(before)


def test_one_that_moves_to_a_directory_service_stays(host):
    accounts = host.accounts()
    before = accounts.known(OWNER)
    host.elsewhere = {UID: OWNER.name}
    host.has()
    assert accounts.known(OWNER) == before


def test_records_without_marks_are_whose_they_were(host):
    accounts = host.accounts()
    assert not accounts.has_gone(accounts.adopt(OWNER))
    gone = accounts.adopt(replace(OWNER, uid=UID + 1, name="bob"))
    assert accounts.has_gone(gone)
    assert accounts.adopt(replace(gone, mark="")) == gone, "one mark for all machines of theirs"
    accounts.forget(set())
    assert host.accounts().left(gone) == 0.0


def test_root_has_no_mark(host):
    root = replace(OWNER, uid=0, name="root")
    assert host.accounts().known(root) == root
    assert not host.accounts().has_gone(root)


def test_what_can_not_be_read_makes_nobody_an_heir(host):
    before = host.accounts().known(OWNER)
    host.path.write_text("{")
    later = host.accounts()
    assert later.has_gone(before)
    assert later.known(OWNER).mark != before.mark


def _pass_a_tick(directory):
    """File systems tell time in ticks of the kernel's clock (current_time(9)): until the next one."""
    probe, times = directory / "probe", set()
    while len(times) < 2:
        probe.touch()
        times.add(probe.stat().st_mtime_ns)
    probe.unlink()


def test_a_directory_has_an_inode_and_a_birth_of_its_own(tmp_path):
    found = set()
    for _ in range(3):
        home = tmp_path / "home"
        home.mkdir()
        first = libc.birth(home)
        (home / "file").touch()
        assert libc.birth(home) == first
        found.add(first)
        _pass_a_tick(tmp_path)
        home.rename(tmp_path / "moved")
        assert libc.birth(tmp_path / "moved") == first
        (tmp_path / "moved/file").unlink()
        (tmp_path / "moved").rmdir()
    assert len(found) == 3
