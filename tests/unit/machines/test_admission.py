"""A machine that does not fit is refused before it starts, and is told what is in its way."""

from __future__ import annotations

from typing import Any

import pytest

from gaoler.configuration.model import Configuration
from gaoler.errors import LimitReached
from gaoler.machines import admission, footprint
from unit.machines.test_record import OWNER, WEB

MB = 1 << 20
BIG = WEB.with_(memory=512 * MB)
MAY = footprint.host_memory(BIG.memory)
OTHERS = BIG.with_(owner=OWNER.__class__(**{**vars(OWNER), "uid": OWNER.uid + 1, "name": "bob"}))


def configured(owner_memory: int | None = None, **machines: Any) -> Configuration:
    limits = {"user": {OWNER.name: {"owner_memory": owner_memory}}} if owner_memory else {}
    return Configuration.model_validate({"machines": machines, "limits": limits})


def refused(configuration: Configuration, *others: Any) -> str:
    with pytest.raises(LimitReached) as raised:
        admission.check(configuration, others, admission.of_record(BIG))
    assert raised.value.limit == "memory"
    assert raised.value.hint == f"gaol set {BIG.name} memory=256M"
    return f"{raised.value.what}: {raised.value.why}"


@pytest.mark.parametrize(
    ("memory", "hint"), [(1 << 30, "gaol set web memory=512M"), (128 * MB, "gaol set web memory=64M"), (96 * MB, "gaol ls")]
)
def test_the_hint_asks_for_less_than_there_was(memory: int, hint: str) -> None:
    assert admission.of_record(WEB.with_(memory=memory)).hint == hint


def fits(configuration: Configuration, *others: Any) -> None:
    admission.check(configuration, others, admission.of_record(BIG))


def test_what_an_owner_is_granted_is_never_promised_twice() -> None:
    configuration = configured(owner_memory=2 * MAY, all_memory=100 * MAY)
    fits(configuration, BIG, *[OTHERS] * 50)
    said = refused(configuration, BIG, BIG)
    assert said.startswith(f"{BIG.name} does not fit: it may take 563M")
    assert f"(limits.user.{OWNER.name}.owner_memory)" in said


@pytest.mark.parametrize("overcommit", [1, 4])
def test_the_host_is_promised_so_many_times(overcommit: int) -> None:
    configuration = configured(all_memory=10 * MAY, overcommit=overcommit)
    fits(configuration, *[OTHERS] * (10 * overcommit - 1))
    said = refused(configuration, *[OTHERS] * (10 * overcommit))
    assert "(machines.overcommit)" in said


def test_one_owner_is_promised_half_of_that() -> None:
    configuration = configured(all_memory=10 * MAY, overcommit=2)
    fits(configuration, *[BIG] * 9)
    assert "your machines that run" in refused(configuration, *[BIG] * 10)
