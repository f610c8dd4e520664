"""Who is who on the host: the tables fit together whatever the owner's ids are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.errors import Failed, LimitReached
from gaoler.host.jail.ids import HALF, SIZE, IdRange, Mapping, identities, outside, subordinate

RANGE = IdRange(1 << 20)
owners = st.integers(1, 2**31)


def test_without_an_owner_the_lower_half_is_mapped_and_nothing_else():
    found = identities(RANGE)
    assert found.namespace.uids == (Mapping(0, RANGE.first, HALF),)
    assert found.gaol == found.namespace
    assert found.home is None


@given(uid=owners, gids=st.lists(owners, min_size=1, max_size=20, unique=True))
def test_the_home_gives_the_owners_ids_and_only_those_to_the_machine(uid, gids):
    found = identities(RANGE, uid, gids)
    assert outside(found.home.uids, uid) == outside(found.namespace.uids, uid)
    assert sum(entry.count for entry in found.home.uids) == 1
    assert {entry.inside for entry in found.home.gids} == set(gids)
    for gid in gids:
        assert outside(found.home.gids, gid) == outside(found.namespace.gids, gid)


@given(uid=owners, gids=st.lists(owners, min_size=1, max_size=20, unique=True))
def test_all_host_ids_are_the_machines_own_and_none_is_given_twice(uid, gids):
    for table in (identities(RANGE, uid, gids).namespace.uids, identities(RANGE, uid, gids).namespace.gids):
        hosts = sorted((entry.outside, entry.count) for entry in table)
        assert hosts[0][0] >= RANGE.first
        assert hosts[-1][0] + hosts[-1][1] <= RANGE.first + SIZE
        assert all(first + count <= after for (first, count), (after, _) in itertools.pairwise(hosts))


@given(uid=owners, gid=owners)
def test_squashed_the_owner_is_himself_and_everybody_else_is_not(uid, gid):
    found = identities(RANGE, uid, [gid], squashed=True)
    assert found.home is None
    assert outside(found.namespace.uids, uid) == uid
    assert outside(found.namespace.gids, gid) == gid
    for other in {0, 1, uid - 1, uid + 1, 65535} - {uid}:
        host = outside(found.namespace.uids, other)
        assert host is None or RANGE.first <= host < RANGE.first + SIZE


@given(uid=owners, gids=st.lists(owners, min_size=1, max_size=20, unique=True), squashed=st.booleans())
def test_subordinate_ids_are_mapped_and_nobodys_yet(uid, gids, squashed):
    spare = subordinate(uid, gids)
    assert spare.start >= HALF
    assert not any(number in spare for number in (uid, *gids))
    assert len(spare) == HALF - max(uid >= HALF, sum(gid >= HALF for gid in gids))
    for table in (identities(RANGE, uid, gids, squashed=squashed).namespace.uids, identities(RANGE, uid, gids).gaol.gids):
        hosts = {outside(table, spare.start), outside(table, spare.stop - 1)}
        assert hosts == {RANGE.first + SIZE - len(spare), RANGE.first + SIZE - 1}


def test_subordinate_ids_begin_where_useradd_lets_them_begin():
    assert subordinate(1000, [1000, 27]) == range(100_000, 165_536)


def test_roots_home_is_refused():
    with pytest.raises(Failed):
        identities(RANGE, 0, [0])
    with pytest.raises(Failed):
        identities(RANGE, 1000, [0])


def test_roots_group_grants_nothing():
    found = identities(RANGE, 1000, [1000, 0])
    assert outside(found.home.gids, 0) is None


def test_more_groups_than_the_kernel_maps_is_said_so():
    with pytest.raises(LimitReached):
        identities(RANGE, 1000, range(1, 1000))


@pytest.mark.parametrize("ids", [IdRange(0), IdRange(1 << 20, HALF)])
def test_ranges_of_the_hosts_own_users_or_of_the_wrong_size_are_refused(ids):
    with pytest.raises(Failed):
        identities(ids)
