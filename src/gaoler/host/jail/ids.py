"""Which user and group ids a machine has on the host, as three tables that fit together.

A machine owns 2 * 65536 host ids, the *range*. Ids 0..65535 inside are the first half. The owner's uid and groups may
lie above 65535 (directory services number from a million on); each of those gets one id of the second half. What is left
of that half are the owner's *subordinate* ids, for containers that the owner runs inside without being root (subuid(5)).

The tables, all seen from the left to the right:

- user namespace:   id inside  -> host id. What the kernel process may switch to.
- gaol's mount:     id on disk -> host id. The same table: files of the gaol lie on disk under the ids seen inside.
- home's mount:     id on disk -> host id, of the owner's uid and groups alone: anybody else's file belongs to "nobody"
  and grants nothing, not even to root inside.

Where a home can't be mounted with mapped ids (NFS), the owner's uid and primary group are `squashed`: the host's id is
the id inside, in the user namespace and in the gaol's mount. The process then holds the owner's identity on the host.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gaoler.errors import Failed, LimitReached
from gaoler.host.ids import IDS

HALF = IDS
SIZE = 2 * HALF  # host ids that a machine owns
SUBORDINATE = 100_000  # the first one inside, as useradd has it
_EXTENTS_MAX = 340  # UID_GID_MAP_MAX_EXTENTS of linux/user_namespace.h


@dataclass(frozen=True)
class IdRange:
    """Host ids `first` to `first + count - 1`."""

    first: int
    count: int = SIZE


@dataclass(frozen=True)
class Mapping:
    """`count` ids from `inside` on (or on disk, for a mount) are the host's ids from `outside` on."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True)
class Maps:
    uids: tuple[Mapping, ...]
    gids: tuple[Mapping, ...]


@dataclass(frozen=True)
class Identities:
    """All tables of a machine."""

    namespace: Maps
    gaol: Maps
    home: Maps | None


def identities(ids: IdRange, uid: int | None = None, gids: Sequence[int] = (), *, squashed: bool = False) -> Identities:
    """The tables of a machine that owns `ids`, for an owner (primary group first) or for nobody.

    Raises Failed for root's home: it would hand out root's files. Further groups of number 0 are left out for the same
    reason.
    Raises LimitReached for more groups than the kernel's tables hold.
    """
    _check(ids)
    if uid is None:
        nobodys = (Mapping(0, ids.first, HALF),)
        everyone = Maps(nobodys, nobodys)
        return Identities(everyone, everyone, None)
    if uid == 0 or gids[0] == 0:
        raise Failed(
            "can't give root's home to a machine", "root inside would be root over files of the host", "gaol up --no-home"
        )
    gids = [number for number in gids if number != 0]
    if len(gids) > _EXTENTS_MAX // 2:
        raise LimitReached("can't map the owner's groups", f"{len(gids)} groups, the kernel takes {_EXTENTS_MAX // 2}", "id")
    spare = subordinate(uid, gids)
    if squashed:
        own = Maps(_machine_with_hole(ids, uid, spare), _machine_with_hole(ids, gids[0], spare))
        return Identities(own, own, None)
    own = Maps(_machine(ids, (uid,), spare), _machine(ids, gids, spare))
    home = Maps(_only(own.uids, (uid,)), _only(own.gids, gids))
    return Identities(own, own, home)


def subordinate(uid: int, gids: Iterable[int]) -> range:
    """The ids inside, of users and of groups, that the owner of a machine may give to containers of their own.

    65536 of them, less as many as the owner has above 65535 (of users or of groups); the owner's own are not among them.
    """
    users, groups = _high((uid,)), _high(gids)
    own = {*users, *groups}
    blocks = (range(first, first + HALF) for first in itertools.count(SUBORDINATE, HALF))
    block = next(block for block in blocks if not any(number in block for number in own))
    return block[: HALF - max(len(users), len(groups))]


def outside(table: Iterable[Mapping], inside: int) -> int | None:
    """The host's id of an id inside, None where there is none."""
    for entry in table:
        if entry.inside <= inside < entry.inside + entry.count:
            return entry.outside + inside - entry.inside
    return None


def _check(ids: IdRange) -> None:
    if ids.first < HALF or ids.count != SIZE:
        raise Failed(
            f"can't use ids {ids.first}..{ids.first + ids.count - 1}",
            f"a machine owns {SIZE} ids, none of them below {HALF}, where the host's own users are",
            "ids.first = 1073741824, in /etc/gaoler/gaoler.toml",
        )


def _high(ids: Iterable[int]) -> list[int]:
    return sorted({number for number in ids if number >= HALF})


def _machine(ids: IdRange, own: Iterable[int], spare: range) -> tuple[Mapping, ...]:
    singles = (Mapping(number, ids.first + HALF + place, 1) for place, number in enumerate(_high(own)))
    return (Mapping(0, ids.first, HALF), *singles, _spare(ids, spare))


def _machine_with_hole(ids: IdRange, own: int, spare: range) -> tuple[Mapping, ...]:
    if own >= HALF:
        return (Mapping(0, ids.first, HALF), Mapping(own, own, 1), _spare(ids, spare))
    entries = (
        Mapping(0, ids.first, own),
        Mapping(own, own, 1),
        Mapping(own + 1, ids.first + own + 1, HALF - own - 1),
        _spare(ids, spare),
    )
    return tuple(entry for entry in entries if entry.count)


def _spare(ids: IdRange, spare: range) -> Mapping:
    return Mapping(spare.start, ids.first + SIZE - len(spare), len(spare))


def _only(table: Sequence[Mapping], numbers: Iterable[int]) -> tuple[Mapping, ...]:
    found = ((number, outside(table, number)) for number in sorted(set(numbers)))
    return tuple(Mapping(number, host, 1) for number, host in found if host is not None)
