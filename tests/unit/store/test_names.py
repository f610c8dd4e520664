"""Names become host names, paths and DNS labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaoler.errors import Usage
from gaoler.store.names import base_name, default_name, machine_name, tag_name

HOSTILE = ["", "..", ".", "a/b", "a\0b", "a\nb", "-rf", "a" * 300, "Web", "ä", "a b", "a-", "-a", "a..b/..", "$(id)", "a\x1b[2J"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_machine_is_called_that(name):
    with pytest.raises(Usage) as refused:
        machine_name(name)
    assert refused.value.hint


@pytest.mark.parametrize("name", [*HOSTILE[:8], "bin", "etc", "lib", "kernels", ".gaoler", "a..b"])
def test_no_base_is_called_that(name):
    with pytest.raises(Usage):
        base_name(name)


@pytest.mark.parametrize("name", ["..", "a/b", "-x", ""])
def test_no_snapshot_is_called_that(name):
    with pytest.raises(Usage):
        tag_name(name)


@pytest.mark.parametrize("name", ["web", "a", "web-2", "x" * 32, "0"])
def test_good_names(name):
    assert machine_name(name) == name


@given(st.text(max_size=80))
def test_every_login_has_a_default(login):
    assert machine_name(default_name(login))
