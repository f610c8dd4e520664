"""A limit holds also for who asks for much at once."""

import pytest

from gaoler.configuration.model import Configuration
from gaoler.daemon.base_rights import BaseRights
from gaoler.daemon.caller import Caller
from gaoler.errors import LimitReached, NotAllowed
from unit.machines.test_record import OWNER


class Bases:
    """None is there yet."""

    def all(self):
        return []

    def recipe(self, name):
        return None

    def is_taken(self, name):
        return False


def rights(**limits):
    return BaseRights(Configuration.model_validate({"limits": limits}), Bases())


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
