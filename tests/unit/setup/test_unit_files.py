"""Each installation has units of systemd of its own, which name nothing of another's."""

import re
from pathlib import Path

import pytest

from gaoler import places
from gaoler.setup import daemon, page, unit_files
from gaoler.setup.settings import Settings

UNITS = (*daemon.UNITS, page.UNIT)
STANDARD = Settings.of({})


def settings(prefix, configuration="/etc/gaoler-trial/gaoler.toml"):
    return Settings(Path(prefix), STANDARD.cache, Path(configuration))


@pytest.fixture
def three(tmp_path):
    found = [STANDARD, settings("/opt/trial"), settings("/opt/trial/web", "/etc/other.toml")]
    for one in found:
        unit_files.install(one, UNITS, tmp_path)
    return found


def test_the_standard_one_has_what_is_in_packaging(three, tmp_path):
    for name in UNITS:
        assert (tmp_path / name).read_text() == (places.PACKAGING / name).read_text()


def test_no_unit_is_of_two(three, tmp_path):
    mine = [{unit_files.name(one, name) for name in UNITS} for one in three]
    assert {name for names in mine for name in names} == {path.name for path in tmp_path.iterdir()}
    assert sum(map(len, mine)) == 3 * len(UNITS)
    assert "gaoler@opt-trial.service" in mine[1]
    assert "gaoler-web@opt-trial.service" in mine[1]
    for one, names in zip(three, mine, strict=True):
        assert set(unit_files.installed(one, UNITS, tmp_path)) == names


def test_each_names_its_own_programs_and_units_and_nobody_elses(three, tmp_path):
    for one in three[1:]:
        own = {unit_files.name(one, name) for name in UNITS}
        for name in own:
            text = (tmp_path / name).read_text()
            assert "/usr/local" not in text
            assert set(re.findall(r"gaoler[\w-]*(?:@[\w.-]+)?\.(?:service|timer)", text)) <= own, name
            programs = re.findall(r"(?m)^Exec\w+=-?(/\S+/gaol\S*)", text)
            assert all(program.startswith(f"{one.commands}/gaol") for program in programs)
            assert programs or name.endswith(".timer")
    assert unit_files.instance(three[1]) in unit_files.name(three[1], daemon.UNIT)


def test_a_timer_finds_its_service(three):
    """By its name, as nothing in it says which."""
    timer, service = (unit_files.name(three[1], name) for name in ("gaoler-bases.timer", "gaoler-bases.service"))
    assert timer.removesuffix(".timer") == service.removesuffix(".service")


def test_what_systemd_would_read_as_its_own_is_not(tmp_path):
    odd = settings("/opt/50%h é")
    assert unit_files.instance(odd) == "opt-50_h__"
    assert f"ExecStart={odd.prefix}/bin/gaoler".replace("%", "%%") in unit_files.text(odd, daemon.UNIT)


@pytest.mark.parametrize("prefix", ["/tmp/trial", "/var/tmp/trial"])
def test_what_the_page_would_not_see_has_no_units(prefix):
    assert not unit_files.are_possible(settings(prefix))
    assert not unit_files.are_possible(settings("/opt/trial", f"{prefix}/gaoler.toml"))
    assert unit_files.are_possible(settings("/opt/trial"))
