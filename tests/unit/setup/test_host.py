"""What a host must have, looked at in a tree that is made to look like one."""

import pytest

from gaoler.errors import Failed
from gaoler.setup import host


@pytest.fixture
def root(tmp_path):
    for name in ("dev/net/tun", "dev/loop-control", "sys/fs/cgroup/cgroup.controllers", "proc/sys/user/max_user_namespaces"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1000")
    return tmp_path


def test_all_is_there(root):
    assert host.check(loop=True, tun=True, root=root, release="6.1.0-56-cloud-amd64") == (
        "Linux 6.1.0-56-cloud-amd64, control groups version 2"
    )


def test_everything_that_lacks_is_told_at_once_with_what_mends_it(root):
    (root / "dev/net/tun").unlink()
    (root / "dev/loop-control").unlink()
    (root / "proc/sys/user/max_user_namespaces").write_text("0\n")
    with pytest.raises(Failed) as caught:
        host.check(loop=True, tun=True, root=root, release="5.10.0-8")
    for word in ("5.10.0-8", "/dev/net/tun", "/dev/loop-control", "user namespaces"):
        assert word in caught.value.why
    assert "[store] device" in caught.value.hint


def test_what_is_not_used_may_be_missing(root):
    (root / "dev/net/tun").unlink()
    (root / "dev/loop-control").unlink()
    assert host.check(loop=False, tun=False, root=root, release="6.12")


def test_control_groups_that_are_not_there(root):
    (root / "sys/fs/cgroup/cgroup.controllers").unlink()
    (root / "sys/fs/cgroup").rmdir()
    with pytest.raises(Failed, match="/sys/fs/cgroup"):
        host.check(loop=True, tun=True, root=root, release="6.12")
