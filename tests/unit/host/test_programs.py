"""Programs and Debian's packages: what the daemon needs is what set-up installs."""

from gaoler.host import programs
from gaoler.setup import components


def test_what_the_daemon_runs_is_installed_by_set_up():
    assert set(programs.packages(programs.NEEDED)) <= set(components.RUNTIME)


def test_a_package_is_named_once():
    assert programs.packages(("btrfs", "crun", "mkfs.btrfs")) == ["btrfs-progs", "crun"]
