"""An account is the same as long as uid and home are, or name and password; one that has gone never comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gaoler.host import libc
from gaoler.host.accounts import NO_HOME, Entry
from gaoler.machines.accounts import Accounts, copy_of, mended
from gaoler.machines.lost_accounts import Borne
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

        return Accounts(
            self.path, lambda: (self.changes,), lambda uids: {uid: self.files[uid] for uid in uids & {*self.files}}, name_of
        )


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
    for path in (host.path, copy_of(host.path)):
        path.write_text("{")
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


def test_one_who_gets_a_uid_shares_nothing_with_whom_it_was(host):
    accounts = host.accounts()
    first = accounts.known(OWNER)
    assert (first.turn, first.share, first.quota) == (0, f"{UID}", UID)
    host.has(replace(ALICE, home="56:78", secret="another"))
    second = accounts.known(OWNER)
    assert (second.turn, second.share, second.quota) == (1, f"{UID}.1", 1 << 32 | UID)
    host.has(replace(ALICE, home="90:12", secret="third"))
    third = host.accounts().known(OWNER)
    assert third.turn == 2
    accounts = host.accounts()
    accounts.forget({second.mark, third.mark})  # nothing of the first one's is left
    host.has(replace(ALICE, home="34:56", secret="fourth"))
    assert accounts.known(OWNER).turn == 0


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_a_lost_file_is_put_back_from_its_copy(host, damage):
    before = host.accounts().known(OWNER)
    host.path.unlink() if damage == "gone" else host.path.write_text("[{")
    accounts = host.accounts()
    accounts.mend([borne(before)])
    assert accounts.known(OWNER) == before
    assert "put back" in mended(host.path)
    assert host.path.read_bytes() == copy_of(host.path).read_bytes()


def test_the_first_time_nothing_was_lost(host):
    host.accounts().mend([])
    assert not mended(host.path)


BORN = 1_700_000_000
"""When the home of whoever has that uid now was made; seconds since the epoch."""
NOW = replace(ALICE, home=f"12:{BORN}000000000")


def borne(account, since=BORN + 5, name=OWNER.name) -> Borne:
    return Borne(account if isinstance(account, str) else account.mark, UID, name, since)


@pytest.mark.parametrize(
    ("entry", "bear", "theirs"),
    [
        (NOW, [("a", BORN + 5), ("a", BORN + 9)], "a"),
        (NOW, [("a", BORN + 9), ("a", BORN - 5)], None),  # an older machine: it was somebody else's of that name
        (NOW, [("a", BORN - 5), ("b.1", BORN + 5)], "b.1"),  # who left, and who came then
        (NOW, [("a", BORN + 5), ("b", BORN + 6)], None),  # two, and nothing tells which of them is there
        (replace(NOW, name="bob"), [("a", BORN + 5)], None),
        (replace(NOW, home=None), [("a", BORN - 5)], "a"),  # on a server: the name is all there is
        (replace(NOW, home=NO_HOME), [("a", BORN + 5)], None),
        (None, [("a", BORN + 5)], None),  # it has gone
    ],
)
def test_when_both_are_lost_what_is_certain_is_found_out_from_the_machines(host, entry, bear, theirs):
    host.has(*([entry] if entry else []))
    accounts = host.accounts()
    accounts.mend([borne(mark, since) for mark, since in bear])
    there = [mark for mark in {mark for mark, _ in bear} if not accounts.has_gone(replace(OWNER, mark=mark))]
    assert there == ([theirs] if theirs else [])
    assert ("but for those of alice" in mended(host.path)) == (len({mark for mark, _ in bear}) > len(there))
    mine = accounts.known(replace(OWNER, name=entry.name)).mark if entry else None
    assert (mine == theirs) if theirs else (mine not in {mark for mark, _ in bear})


def test_a_directory_services_account_is_found_by_its_name(host):
    host.has()
    host.elsewhere = {UID: OWNER.name}
    accounts = host.accounts()
    accounts.mend([borne("a")])
    assert accounts.known(OWNER).mark == "a"
