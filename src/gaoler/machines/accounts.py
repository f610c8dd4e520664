"""Whose a machine is: an account, and no later one of the same uid or name.

The daemon gives each account that uses it a mark of its own, kept in the store, and writes it into what that account makes.
An account is the same one as long as it has the same uid and

- the same home, the directory itself, whatever it or the account is called: who is renamed keeps all (usermod --login), or
- the same password, which is salted: homes are moved to other disks, or
- the same name, where its home was never seen: it lies on a server, say.

usermod and useradd write the account files first, and move or make the home then: of an account without one nothing is
decided before it asks for something.

Of a local account that is seen to have gone the mark is void for good, whoever gets its uid, name and home afterwards. The
account files are watched, so that also an account that is back a moment later is another one. Directory services are
believed: an account of theirs that isn't found has not gone, since the service may be down.
"""

from __future__ import annotations

import json
import logging
import pwd
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gaoler import files
from gaoler.configuration.account import Account, turn_of
from gaoler.errors import GaolerError
from gaoler.host import accounts
from gaoler.host.accounts import NO_HOME, Entry
from gaoler.machines import lost_accounts

_NOTED = 7 * 86400.0
"""Seconds for which doctor tells that something was lost."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """An account that has used gaoler."""

    mark: str
    uid: int
    name: str
    local: bool
    """Whether it was in this host's own files when it was seen last."""
    home: str | None = None
    secret: str = ""
    left: float | None = None
    """When it was seen that it had gone; seconds since the epoch."""


class Accounts:
    """Those of one daemon. Safe to use from any thread."""

    def __init__(
        self,
        path: Path,
        signature: Callable[[], tuple[int, ...]] = accounts.signature,
        entries: Callable[[set[int]], dict[int, Entry]] = accounts.entries,
        name_of: Callable[[int], str | None] | None = None,
    ) -> None:
        self._path = path
        self._signature, self._entries, self._name_of = signature, entries, name_of or _name_of
        self._lock = threading.RLock()
        self._known, self._lost = _read(path)
        self._seen: tuple[int, ...] | None = None
        self._open: set[str] = set()
        """Marks of accounts whose homes are not there yet."""

    def known(self, account: Account) -> Account:
        """The account with its mark, which is made when there is none. Raises Failed where that can't be kept."""
        if account.uid == 0:
            return account
        with self._lock:
            self.look()
            mine = self._current(account.uid)
            # Of a directory service's accounts nothing but the name tells one from another.
            if mine is not None and (mine.mark in self._open or (mine.name != account.name and not mine.local)):
                self._leave(mine)
                mine = None
            if mine is None:
                entry = self._entries({account.uid}).get(account.uid)
                home, secret = (entry.home, entry.secret) if entry else (None, "")
                mine = Known(self._new_mark(account.uid), account.uid, account.name, entry is not None, home, secret)
                self._known[mine.mark] = mine
                try:
                    self._write()
                except GaolerError:
                    del self._known[mine.mark]
                    raise
            return replace(account, mark=mine.mark)

    def login(self, account: Account) -> str:
        """What it is called now."""
        with self._lock:
            one = self._known.get(account.mark)
            return one.name if one else account.name

    def has_gone(self, account: Account) -> bool:
        """Whether that very account is gone."""
        return account.uid != 0 and self.left(account) is not None

    def left(self, account: Account) -> float | None:
        """When it was seen that it had gone; seconds since the epoch, 0 where nothing is known of it."""
        with self._lock:
            one = self._known.get(account.mark)
            return 0.0 if one is None else one.left

    def look(self) -> None:
        """See who has gone, when the host's account files have changed since."""
        with self._lock:
            now = self._signature()
            if now == self._seen and not self._open:
                return
            there = [one for one in self._known.values() if one.left is None]
            try:
                found = self._entries({one.uid for one in there})
            except OSError as error:
                _log.warning("the host's accounts can't be read: %s", error)
                return
            before = dict(self._known)
            self._open.clear()
            for one in there:
                self._judge(one, found.get(one.uid))
            self._seen = now
            if self._known != before:
                try:
                    self._write()
                except GaolerError as error:
                    _log.error("%s", error)

    def adopt(self, account: Account) -> Account:
        """A record's owner from before there were marks: who has that uid and name now, or nobody.

        Whoever was not to be found is one that has gone.
        """
        if account.uid == 0 or account.mark:
            return account
        if self._name_of(account.uid) == account.name:
            return self.known(account)
        with self._lock:
            former = ((one.uid, one.name, one) for one in self._known.values() if one.left)
            gone = next((one for uid, name, one in former if (uid, name) == (account.uid, account.name)), None)
            if gone is None:
                gone = Known(self._new_mark(account.uid), account.uid, account.name, local=True, left=time.time())
                self._known[gone.mark] = gone
                self._write()
            return replace(account, mark=gone.mark)

    def mend(self, borne: Iterable[lost_accounts.Borne]) -> None:
        """Put back what was lost, from its copy, or from what in the store bears accounts' marks. Raises Failed.

        Nothing is done where nothing was lost, or nothing bears a mark: there is a first time.
        """
        with self._lock:
            found = [one for one in lost_accounts.gather(borne) if one.mark not in self._known]
            if not self._lost or (not self._known and not found):
                return
            told = f"{self._lost}; it was put back from its copy"
            if not self._known:
                there = lost_accounts.present(found, self._entries({one.uid for one in found}), self._name_of)
                for one in found:
                    self._known[one.mark] = _again(one, there)
                nobodys = ", ".join(f"{one.name} (uid {one.uid})" for one in found if one.mark not in there)
                told = f"{self._lost}, nor its copy; whose machines are whose was found out anew"
                told += f", but for those of {nobodys}" if nobodys else ""
            _log.error("%s", told)
            self._write()
            files.write(note_of(self._path), told.encode(), durable=True)
            self._lost = ""

    def forget(self, needed: set[str]) -> None:
        """Those that have gone, and whose marks nothing bears any more."""
        with self._lock:
            over = [one.mark for one in self._known.values() if one.left is not None and one.mark not in needed]
            for mark in over:
                del self._known[mark]
            if over:
                try:
                    self._write()
                except GaolerError as error:  # the next daemon forgets them
                    _log.warning("%s", error)

    def _new_mark(self, uid: int) -> str:
        """One whose turn (Account.turn) none has of whom something is left: they share no control group, and no quota."""
        taken = {turn_of(one.mark) for one in self._known.values() if one.uid == uid}
        turn = next(number for number in range(len(taken) + 1) if number not in taken)
        return secrets.token_hex(8) + (f".{turn}" if turn else "")

    def _current(self, uid: int) -> Known | None:
        return next((one for one in self._known.values() if one.uid == uid and one.left is None), None)

    def _judge(self, one: Known, entry: Entry | None) -> None:
        if entry is None:
            if not one.local:
                return
            if self._name_of(one.uid) == one.name:  # a directory service has it now
                self._known[one.mark] = replace(one, local=False, home=None, secret="")
            else:
                self._leave(one)
        elif _same(one, entry):
            if one.name != entry.name:
                _log.info("%s is called %s now, and keeps their machines", one.name, entry.name)
            self._known[one.mark] = replace(one, name=entry.name, local=True, home=entry.home, secret=entry.secret)
        elif entry.home == NO_HOME:
            self._open.add(one.mark)
        else:
            self._leave(one)

    def _leave(self, one: Known) -> None:
        _log.warning("the account %s (uid %d) has gone; what it had is nobody's until it is given to somebody", one.name, one.uid)
        self._known[one.mark] = replace(one, left=time.time())
        self._open.discard(one.mark)

    def _write(self) -> None:
        data = json.dumps([asdict(one) for one in self._known.values()], indent=1).encode()
        for path in (self._path, copy_of(self._path)):
            files.write(path, data, durable=True)


def _same(one: Known, entry: Entry) -> bool:
    if one.home == entry.home and one.home not in (None, NO_HOME):
        return True
    if one.secret and one.secret == entry.secret:
        return True
    return one.name == entry.name and (one.home in (None, NO_HOME) or entry.home is None)


def copy_of(path: Path) -> Path:
    return path.with_suffix(".copy.json")


def note_of(path: Path) -> Path:
    """What was done when it had been lost."""
    return path.with_suffix(".lost")


def mended(path: Path) -> str:
    """What was done when the file had been lost, where that is not long ago."""
    try:
        note = note_of(path)
        return note.read_text() if time.time() - note.stat().st_mtime < _NOTED else ""
    except OSError:
        return ""


def _read(path: Path) -> tuple[dict[str, Known], str]:
    """Those in the file, or else in its copy; and how the file was lost, "" where it is as it should be."""
    lost = ""
    for place in (path, copy_of(path)):
        try:
            return {one["mark"]: Known(**one) for one in json.loads(place.read_bytes())}, lost
        except (OSError, ValueError, TypeError, KeyError) as error:
            lost = lost or f"{place} can't be read ({error.strerror if isinstance(error, OSError) else error})"
    return {}, lost


def _again(of: lost_accounts.Borne, there: dict[str, Entry | None]) -> Known:
    entry = there.get(of.mark)
    left = None if of.mark in there else time.time()
    home, secret = (entry.home, entry.secret) if entry else (None, "")
    return Known(of.mark, of.uid, of.name, entry is not None or left is not None, home, secret, left)


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
