"""From a process to its machine."""

import pytest

from gaoler.host.cgroup import origin


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ("0::/gaoler/gaol.1000/gaol-0123456789ab\n", "0123456789ab"),
        ("5:memory:/gaoler/gaol.1000.1/gaol-0123456789ab/inner\n1:name=systemd:/user.slice\n", "0123456789ab"),
        ("0::/user.slice/user-1000.slice/user@1000.service/gaol-0123456789ab\n", None),
        ("0::/user.slice/user@1000.service/gaoler/gaol.1000/gaol-0123456789ab\n", None),
        ("0::/gaoler/other.1000/other-0123456789ab\n", None),
        ("0::/user.slice/gaol-0123456789abcd\n", None),
        ("0::/\n", None),
    ],
)
def test_the_control_group_names_the_machine(tmp_path, groups, found):
    (tmp_path / "12").mkdir()
    (tmp_path / "12/cgroup").write_text(groups)
    assert origin.machine_of(12, "gaol", tmp_path) == found


def test_a_process_that_has_gone_is_no_machines(tmp_path):
    assert origin.machine_of(12, "gaol", tmp_path) is None
