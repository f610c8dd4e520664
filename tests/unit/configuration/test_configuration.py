"""The configuration is checked whole: every mistake, with file, line, key and the nearest right one."""

from dataclasses import replace

import pytest

from gaoler.bases.history import Defaults
from gaoler.configuration.account import Account
from gaoler.configuration.file import load
from gaoler.configuration.grants import limit_of
from gaoler.configuration.model import Configuration, Limits
from gaoler.errors import LimitReached, Usage
from gaoler.machines.request import Wishes, above, complete, held
from unit.machines.test_record import WEB

ALICE = Account("alice", 1000, 1000, "alice", (("students", 50), ("staff", 60)), "", "/home/alice", "/bin/sh")


def loaded(tmp_path, text):
    path = tmp_path / "gaoler.toml"
    path.write_text(text)
    return load(path)


def test_an_empty_file_is_the_defaults(tmp_path):
    assert loaded(tmp_path, "") == Configuration()


def test_what_is_said_holds(tmp_path):
    found = loaded(tmp_path, '[machines]\nmemory = "256M"\n[limits]\nttl = "2h"\n[network]\nsubnet = "10.9.0.0/24"\n')
    assert (found.machines.memory, found.limits.ttl, str(found.network.subnet)) == (256 << 20, 7200, "10.9.0.0/24")


def test_all_mistakes_at_once(tmp_path):
    with pytest.raises(Usage) as refused:
        loaded(tmp_path, '[machines]\nmemroy = "1G"\n\n[network]\nmode = "nat"\n\n[limits]\nmemory = "lots"\n')
    told = str(refused.value)
    assert "gaoler.toml:2: unknown key machines.memroy, did you mean memory?" in told
    assert "gaoler.toml:5: network.mode" in told
    assert "gaoler.toml:8: limits.memory" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[machines]\ndeadline = true", ":2: machines.deadline: can't be true"),
        ("[limits]\nmachines = 'many'", ":2: limits.machines: must be a whole number, not 'many'"),
        ("[network]\nisolate = 3", ":2: network.isolate: must be true or false, not 3"),
        ("[network]\nmode = 'nat'", ":2: network.mode: must be 'private', 'bridge' or 'none', not 'nat'"),
        ("[network]\nsubnet = '10.77.0.5/24'",
         ":2: network.subnet: must be a network, not '10.77.0.5/24': it has bits of a host in it, did you mean 10.77.0.0/24?"),
        ("[network]\nsubnet6 = 'fd00::1/64'",
         ":2: network.subnet6: must be a network, not 'fd00::1/64': it has bits of a host in it, did you mean fd00::/64?"),
        ("[limits]\ncpus = inf", ":2: limits.cpus: must be a number, not inf"),
        ("[limits.user.x]\nweight = 0", ":2: limits.user.x.weight: must be 1 at least, not 0"),
        ("store = 'here'", ":1: store: must be a section of its own, in brackets"),
        ("[registries]\ninsecure = 'a:5000'", ':2: registries.insecure: must be a list, ["...", "..."], not \'a:5000\''),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words_of_its_own(tmp_path, text, told):
    with pytest.raises(Usage) as refused:
        loaded(tmp_path, text)
    assert str(refused.value) == f"the configuration has a mistake: {tmp_path}/gaoler.toml{told}"


@pytest.mark.parametrize("text", ["[network]\npackages = '10.83.0.1:3142'\n", "[network]\npackages = 'http://cache:65536'\n"])
def test_what_a_value_looks_like_is_told_and_no_pattern(tmp_path, text):
    with pytest.raises(Usage, match=r"network\.packages: must be http://HOST:PORT, or empty, not"):
        loaded(tmp_path, text)


def test_whatever_has_a_pattern_says_what_it_looks_like():
    sections = [one.annotation for one in Configuration.model_fields.values() if isinstance(one.annotation, type)]
    fields = {key: one for section in sections if hasattr(section, "model_fields") for key, one in section.model_fields.items()}
    patterned = {key for key, one in fields.items() if any(getattr(part, "pattern", None) for part in one.metadata)}
    assert patterned >= {"prefix", "bridge", "packages", "listen"}
    assert {key for key in patterned if not (fields[key].json_schema_extra or {}).get("form")} == set()


def test_several_have_a_line_each(tmp_path):
    with pytest.raises(Usage) as refused:
        loaded(tmp_path, "[machines]\ndeadline = true\nmemroy = 1\n")
    first, *mistakes = str(refused.value).splitlines()
    assert first.startswith("the configuration has 2 mistakes")
    assert [line.strip().split(":")[1] for line in mistakes] == ["2", "3"]


@pytest.mark.parametrize("text", ["[", "x = ", "[daemon]\nprefix = 'a/b'\n", "[network]\nsubnet = '10.0.0.0/30'\n", "[colour]\n"])
def test_refused(tmp_path, text):
    with pytest.raises(Usage):
        loaded(tmp_path, text)


def test_no_file(tmp_path):
    with pytest.raises(Usage, match="no configuration"):
        load(tmp_path / "none")


def test_a_request_is_completed():
    wanted = complete(Configuration(), ALICE, Wishes(memory=128 << 20))
    assert (wanted.base, wanted.memory, wanted.home) == ("debian", 128 << 20, True)


NONSENSE = {
    "memory": (0, -1, 1 << 20, 1 << 62), "cpus": (0.0, -1.0, 1e-9, 1e9, float("nan"), float("inf")),
    "disk": (0, -1, 1, 1 << 62), "ttl": (0, -1, 1 << 62),
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in NONSENSE.items() for value in values])
def test_what_makes_no_machine_whatever_is_granted(key, value):
    boundless = Configuration.model_validate({"limits": {"memory": 0, "disk": 0, "ttl": 0, "cpus": 1e12}})
    with pytest.raises(Usage, match=key):
        complete(boundless, ALICE, Wishes(**{key: value}))


LOWERED = Limits.model_validate({"memory": 1 << 28, "cpus": 0.5, "disk": 1 << 26, "ttl": 60, "pids": 100})


@pytest.mark.parametrize("disk", [None, 0, -5, 1 << 40])
@pytest.mark.parametrize("ttl", [None, 0, -5, 1 << 40])
def test_limits_that_were_lowered_hold_for_machines_that_are_there(disk, ttl):
    now = held(LOWERED, WEB.with_(disk=disk, ttl=ttl))
    assert (now.memory, now.cpus, now.disk, now.ttl, now.pids) == (1 << 28, 0.5, 1 << 26, 60, 100)
    assert "memory 512M (limits.memory is 256M)" in above(LOWERED, WEB)


def test_what_is_within_the_limits_stays_as_it_is():
    small = WEB.with_(memory=1 << 27, cpus=0.25, disk=1 << 25, ttl=30, pids=100)
    assert held(LOWERED, small) == small
    assert above(LOWERED, small) == ""
    assert held(Limits(), WEB) == WEB.with_(disk=Limits().disk)


@pytest.mark.parametrize("given", [{"memory": 1 << 40}, {"cpus": 99.0}])
def test_what_is_too_much_names_the_limit(given):
    with pytest.raises(LimitReached, match="limits"):
        complete(Configuration(), ALICE, Wishes(**given))


def test_a_disk_without_limit_is_not_more_than_the_limit(tmp_path):
    configuration = loaded(tmp_path, '[limits]\ndisk = "1G"\n')
    assert complete(configuration, ALICE, Wishes()).disk == 1 << 30


@pytest.mark.parametrize(
    ("uid", "machines"), [(0, 8), (1, 0), (33, 0), (999, 0), (1000, 8), (60000, 8), (61184, 0), (65534, 0), (1 << 20, 8)]
)
def test_services_have_no_machines_unless_they_are_granted(uid, machines):
    account = replace(ALICE, uid=uid)
    assert limit_of(Limits(), account, "machines").value == machines
    assert limit_of(Limits.model_validate({"user": {"alice": {"machines": 3}}}), account, "machines").value == 3
    assert limit_of(Limits.model_validate({"group": {"staff": {"machines": 3}}}), account, "machines").value == 3


GRANTS = """
[limits]
memory = "1G"
machines = 2
[limits.group.students]
memory = "512M"
[limits.group.staff]
memory = "2G"
ttl = 0
[limits.user.alice]
machines = 9
"""


def test_a_user_beats_groups_and_groups_beat_the_rest(tmp_path):
    limits = loaded(tmp_path, GRANTS).limits
    assert limit_of(limits, ALICE, "machines").setting == "limits.user.alice.machines"
    assert limit_of(limits, ALICE, "memory").value == 2 << 30  # the more generous group
    assert limit_of(limits, ALICE, "cpus").setting == "limits.cpus"


def test_the_refusal_names_the_setting(tmp_path):
    configuration = loaded(tmp_path, GRANTS)
    with pytest.raises(LimitReached, match=r"limits\.group\.staff\.memory is 2G"):
        complete(configuration, ALICE, Wishes(memory=3 << 30))


def test_a_grants_mistake_is_found(tmp_path):
    with pytest.raises(Usage, match=r"unknown key limits\.user\.alice\.memroy"):
        loaded(tmp_path, "[limits.user.alice]\nmemroy = 1\n")


def test_of_what_is_counted_nothing_is_the_least(tmp_path):
    text = '[limits.group.students]\nbases = 0\nttl = 0\n[limits.group.staff]\nbases = 4\nttl = "2h"\n'
    limits = loaded(tmp_path, text).limits
    assert (limit_of(limits, ALICE, "bases").value, limit_of(limits, ALICE, "bases").setting) == (4, "limits.group.staff.bases")
    assert limit_of(limits, ALICE, "ttl").value == 0, "of other limits 0 is none at all, the most generous"


def test_a_bases_defaults_hold_where_nothing_is_said_and_within_the_limits():
    usual = Defaults(memory=3 << 30, cpus=2.0, ttl=7200, home=False, network=False)
    plain = complete(Configuration(), ALICE, Wishes(), usual)
    assert (plain.memory, plain.cpus, plain.ttl, plain.home, plain.network) == (3 << 30, 2.0, 7200, False, False)
    said = complete(Configuration(), ALICE, Wishes(memory=1 << 28, home=True, network=True, ttl=60), usual)
    assert (said.memory, said.cpus, said.ttl, said.home, said.network) == (1 << 28, 2.0, 60, True, True)
    limited = Configuration.model_validate({"limits": {"memory": "1G", "ttl": "1h", "cpus": 1}})
    held = complete(limited, ALICE, Wishes(), usual)
    assert (held.memory, held.cpus, held.ttl) == (1 << 30, 1, 3600), "nobody asked for more"
    nothing = complete(Configuration(), ALICE, Wishes(), Defaults())
    assert nothing == complete(Configuration(), ALICE, Wishes())
    assert (nothing.home, nothing.network) == (True, True)
