"""Who may do what: the same answer for another's machine as for none, and limits that hold also for much at once."""

import os
import pwd
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from gaoler.bases.history import Recipe
from gaoler.configuration.model import Configuration
from gaoler.daemon.caller import Caller, account_of
from gaoler.daemon.rights import Rights
from gaoler.errors import LimitReached, NotAllowed, NotFound
from gaoler.machines.machine import Machine
from gaoler.machines.record import Share
from gaoler.machines.registry import Registry
from gaoler.wire.which import Which
from unit.machines.test_record import OWNER, WEB


class Bases:
    """None is there yet, or one of that recipe."""

    def __init__(self, recipe=None):
        self.made = recipe

    def all(self):
        return []

    def recipe(self, name):
        return self.made

    def is_taken(self, name):
        return False


JAILER = SimpleNamespace(paths=None, network=SimpleNamespace(capacity=None))


def rights(recipe=None, **limits):
    return Rights(Configuration.model_validate({"limits": limits}), Registry(Configuration(), JAILER), Bases(recipe))


TEACHER, ADMIN = Caller(OWNER, 1, admin=False), Caller(OWNER, 1, admin=True)


def test_a_base_that_is_being_made_counts_until_it_is_given_up():
    asked = rights(bases=1)
    with asked.publishing(TEACHER, "course"):
        with pytest.raises(LimitReached), asked.publishing(TEACHER, "other"):
            pass
        with asked.publishing(ADMIN, "other"):
            pass
    with asked.publishing(TEACHER, "other"):
        pass


def test_nobody_publishes_whom_nobody_lets():
    with pytest.raises(NotAllowed), rights().publishing(TEACHER, "course"):
        pass


PUBLISHED = Recipe("machine", "alice/web", publisher="alice", publisher_uid=1000)


def may(asked, caller=TEACHER):
    try:
        asked.base(caller, "course", "sync it")
    except NotAllowed:
        return False
    return True


def test_who_published_owns_and_not_whose_machine_it_was():
    assert may(rights(PUBLISHED, bases=1))
    assert not may(rights(Recipe("machine", "alice/web"), bases=1)), "an administrator made it"
    assert may(rights(Recipe("machine", "alice/web")), ADMIN)


def test_the_grant_is_looked_at_each_time():
    assert not may(rights(PUBLISHED, bases=0))


def test_who_has_machines_of_a_base_is_for_who_may_change_it():
    assert rights(PUBLISHED, bases=1).knows_users_of(TEACHER, "course")
    assert rights(PUBLISHED).knows_users_of(ADMIN, "course")
    assert not rights(PUBLISHED).knows_users_of(TEACHER, "course")
    assert not rights(Recipe("machine", "alice/web"), bases=1).knows_users_of(TEACHER, "course")


def friends(**said):
    """Rights where root shares `web` with TEACHER."""
    registry = Registry(Configuration(), JAILER)
    share = Share(**{"name": OWNER.name, "uid": OWNER.uid, "access": "root", "until": None, "home": False} | said)
    registry.adopt(Machine(WEB.with_(owner=account_of(0), home=False, shares=(share,))))
    return Rights(Configuration(), registry, Bases())


def test_a_share_is_for_one_account_by_name_and_number_and_until_it_ends():
    assert friends().entered(TEACHER, Which("root", "web"), "go in").share
    assert [one.machine.record.name for one in friends().shared(TEACHER)] == ["web"]
    for said in ({"uid": 1001}, {"name": "bob"}, {"until": 1.0}):
        asked = friends(**said)
        assert asked.shared(TEACHER) == []
        assert told(asked.entered, TEACHER, Which("root", "web"), "go in") == told(asked.seen, TEACHER, Which("root", "web"))


def test_a_share_opens_nothing_else():
    asked = friends()
    for right in (asked.owner, asked.machine, partial(asked.inside, to="look")):
        assert told(right, TEACHER, Which("root", "web"))[1] == "there is none that you may see"
    for other in (Which(None, "web"), Which("root", None), Which("root", "other"), Which("nobody", "web")):
        with pytest.raises(NotFound):
            asked.entered(TEACHER, other, "go in")
    assert asked.some(TEACHER, False, "see them") == []


def test_a_share_without_the_home_is_shut_while_it_is_there():
    asked = friends()
    (machine,) = asked._registry.all()
    machine.record = machine.record.with_(home=True)
    with pytest.raises(NotAllowed, match="home directory is in it now"):
        asked.entered(TEACHER, Which("root", "web"), "go in")
    machine.record = machine.record.with_(shares=tuple(replace(one, home=True) for one in machine.record.shares))
    assert asked.entered(TEACHER, Which("root", "web"), "go in").machine is machine


@pytest.mark.parametrize("other", [{"uid": 1001}, {"name": "bob"}])
def test_a_later_account_of_that_name_or_uid_is_not_the_publisher(other):
    assert not may(rights(PUBLISHED, bases=1), Caller(replace(OWNER, **other), 1, admin=False))


@pytest.fixture
def there():
    """Rights on a host where root has a machine `web`: of the accounts that are everywhere."""
    registry = Registry(Configuration(), JAILER)
    registry.adopt(Machine(WEB.with_(owner=account_of(0))))
    return Rights(Configuration(), registry, Bases())


def told(ask, *arguments):
    with pytest.raises(NotFound) as refused:
        ask(*arguments)
    error = refused.value
    return error.what, error.why, error.hint


@pytest.mark.parametrize("owner", ["root", "nobody", "no-such-user"])
@pytest.mark.parametrize("right", ["owner", "machine"])
def test_the_answer_for_anothers_machine_is_that_for_none(there, owner, right):
    refused = told(getattr(there, right), TEACHER, Which(owner, "web"))
    assert refused == (f'no machine "{owner}/web"', "there is none that you may see", "gaol ls")
    assert told(there.inside, TEACHER, Which(owner, "web"), "look") == refused


def test_an_administrator_may_name_anothers(there):
    assert there.machine(ADMIN, Which("root", "web")).record.name == "web"
    assert there.machine(ADMIN, Which("root", None)).record.name == "web", "the only one"
    assert there.owner(ADMIN, Which("root", "new")).uid == 0
    with pytest.raises(NotAllowed):
        there.inside(ADMIN, Which("root", "web"), "look at it")
    assert "of root's" in told(there.machine, ADMIN, Which("root", "other"))[0]


@pytest.mark.skipif(os.getuid() != 0, reason="root's own")
def test_root_may_go_in(there):
    nobody = pwd.getpwnam("nobody")
    root, other = Caller(account_of(0), 1, admin=True), account_of(nobody.pw_uid)
    there._registry.adopt(Machine(WEB.with_(id="b" * 12, owner=other)))
    assert there.inside(root, Which("nobody", "web"), "look").record.owner == other


def test_only_administrators_see_everybodys(there):
    assert there.some(TEACHER, False, "see them") == []
    assert len(there.some(ADMIN, True, "see them")) == 1
    with pytest.raises(NotAllowed, match="see them"):
        there.some(TEACHER, True, "see them")


@pytest.mark.parametrize(
    ("text", "owner", "which"),
    [
        ("web", None, Which(None, "web")),
        ("alice/web", None, Which("alice", "web")),
        ("alice/web", "bob", Which("alice", "web")),
        ("web", "alice", Which("alice", "web")),
        (None, "alice", Which("alice", None)),
        (None, None, Which(None, None)),
        ("a/b/c", None, Which("a", "b/c")),
    ],
)
def test_which_machine_is_meant(text, owner, which):
    assert Which.read(text, owner) == which
