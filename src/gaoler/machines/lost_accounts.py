"""What is known of accounts, made anew from what their machines' records say, after it was lost with its copy.

Whose a machine is must not be guessed. An account that has the same uid and name now is the one that had the machine where its
home was there before the machine was; or where nothing but the name ever told it from others, since it is a directory
service's or its home is on a server. Where that holds for two who had the uid one after the other, neither gets anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gaoler.host.accounts import NO_HOME, Entry


@dataclass(frozen=True)
class Borne:
    """A mark that something in the store bears."""

    mark: str
    uid: int
    name: str
    since: float
    """When the oldest thing that bears it was made; seconds since the epoch."""


def gather(found: Iterable[Borne]) -> list[Borne]:
    """One of each mark."""
    oldest: dict[str, Borne] = {}
    for one in found:
        if one.mark not in oldest or one.since < oldest[one.mark].since:
            oldest[one.mark] = one
    return list(oldest.values())


def present(borne: Iterable[Borne], entries: dict[int, Entry], name_of: Callable[[int], str | None]) -> dict[str, Entry | None]:
    """Marks of those whose accounts are there; None with a directory service's."""
    candidates: dict[int, list[Borne]] = defaultdict(list)
    for one in borne:
        entry = entries.get(one.uid)
        if (entry.name if entry else name_of(one.uid)) == one.name and (entry is None or _was_there(entry, one.since)):
            candidates[one.uid].append(one)
    return {those[0].mark: entries.get(uid) for uid, those in candidates.items() if len(those) == 1}


def _was_there(entry: Entry, moment: float) -> bool:
    if entry.home is None:
        return True
    return entry.home != NO_HOME and int(entry.home.partition(":")[2]) / 1e9 <= moment
