"""`make test` and `make hosts`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from gaoler import places
from gaoler.bases.sources import debian
from gaoler.errors import Failed
from gaoler.host import apt
from gaoler.host.stream import plain_environment
from gaoler.kernels import building
from gaoler.progress import Display
from gaoler.setup import components, environment, guest, page, steps
from gaoler.setup.settings import Settings
from gaoler.setup.steps import Step
from gaoler.setup.up import component_step

#: Beside the checkout's sources, so that it is at hand for whoever works on them.
ENVIRONMENT = places.TREE / ".venv"

_ALL = ["tests", "-n", str(max(2, os.cpu_count() or 1)), "--dist", "loadfile", "--durations", "25"]
"""Files side by side, as each has a gateway of its own to share among its tests."""


#: What the tests use inside machines beside a base's packages, by the file of tests that does.
SOFTWARE = {
    "containers": "podman docker.io crun slirp4netns uidmap iptables netavark aardvark-dns",
    "databases": "mariadb-server sqlite3",
    "files": "git fio acl attr",
    "builds": "gcc make libc6-dev python3-venv python3-dev npm cargo",
    "debugging": "gdb strace valgrind",
    "kernel network": "wireguard-tools ipset ebtables tcpdump",
    "kernel features": "btrfs-progs dosfstools squashfs-tools genisoimage bindfs fuse3 nfs-kernel-server",
    "block devices": "fdisk lvm2 cryptsetup-bin",
}


def environment_step(display: Display) -> Step:
    wanted = environment.requirements(places.TREE / "pyproject.toml", extra="dev")

    def make() -> str:
        environment.make(ENVIRONMENT, wanted, display.report)
        return str(ENVIRONMENT)

    return Step("Python environment", lambda: str(ENVIRONMENT) if environment.is_current(ENVIRONMENT, wanted) else "", make)


def test(settings: Settings, display: Display, words: list[str]) -> None:
    """Runs all tests, or those that `words` names; raises Failed when one does not pass."""
    run_tool("pytest", words or _ALL, prepare(settings, display, software=True))


def hosts(settings: Settings, display: Display, words: list[str]) -> None:
    """Runs the tests of whole hosts in virtual ones, of the suites in SUITES; raises Failed when one does not pass.

    BARE=1: hosts that have none of gaoler's components, and make their base themselves, as a new user's does.
    """
    extra = {
        "GAOLER_HOST_SUITES": os.environ.get("SUITES") or "bookworm trixie",
        "GAOLER_HOST_BARE": os.environ.get("BARE") or "0",
        "GAOLER_HOST_IMAGES": str(settings.cache / "test" / "hosts"),
    }
    story = ["tests/hosts", "-v", "-s", "-x", "--durations=0", "--durations-min=1"]
    run_tool("pytest", [*story, *words], {**prepare(settings, display, software=False), **extra})


def desktop(settings: Settings, display: Display, words: list[str]) -> None:
    """Runs the tests of desktops, in a tree that is too large for every change's tests; raises Failed when one does not pass."""
    variables = prepare(settings, display, software=False)
    further = debian.SETS["desktop"].values()
    tree = tree_for(settings.cache / "test" / "desktop", *further)
    steps.run([tree_step("desktop", tree, further, display)], display)
    run_tool("pytest", ["tests/desktop", "-v", *words], {**variables, "GAOLER_TEST_DESKTOP": str(tree)})


def prepare(settings: Settings, display: Display, *, software: bool) -> dict[str, str]:
    """Makes a kernel, guest files and a base for the tests, and a base full of software.

    They find them by GAOLER_TEST_KERNEL (the program `linux`), GAOLER_TEST_GUEST, GAOLER_TEST_BASE, GAOLER_TEST_SOFTWARE and
    GAOLER_TEST_PAGE (directories).
    """
    place = settings.cache / "test"
    kernels, guest_files, packages = place / "kernels", place / "guest", place / "page"
    base, full = tree_for(place / "base"), tree_for(place / "software", *SOFTWARE.values())

    def found_kernel() -> str:
        found = building.installed(kernels)
        return found.name if found else ""

    def install_guest() -> str:
        guest_files.mkdir(parents=True, exist_ok=True)
        guest.install(guest_files, settings.cache, display.report)
        return str(guest_files)

    steps.run(
        [
            component_step({**components.RUNTIME, **components.TESTS}, display),
            environment_step(display),
            Step("kernel", found_kernel, lambda: building.build(settings.cache, kernels, display.report).name),
            Step("guest files", lambda: str(guest_files) if guest.is_current(guest_files) else "", install_guest),
            page.packages_step(packages, display.report, tests=True),
            tree_step("base", base, (), display),
            *([tree_step("software", full, SOFTWARE.values(), display)] if software else []),
        ],
        display,
    )
    found = building.installed(kernels)
    assert found is not None
    names = {
        "GAOLER_TEST_KERNEL": found.binary,
        "GAOLER_TEST_GUEST": guest_files,
        "GAOLER_TEST_BASE": base,
        "GAOLER_TEST_SOFTWARE": full,
        "GAOLER_TEST_PAGE": packages,
    }
    return {name: str(path) for name, path in names.items()}


def tree_for(stem: Path, *further: str) -> Path:
    """Where a tree lies that has the packages of a base and `further` ones: what is made otherwise is another tree."""
    wanted = repr((apt.host_suite(), sorted([*debian.PACKAGES.values(), *further]), debian.LISTS))
    return stem.with_name(f"{stem.name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}")


def tree_step(name: str, tree: Path, further: Iterable[str], display: Display) -> Step:
    """Makes the tree, under its own name only when it is whole; others' remains go first."""

    def make() -> str:
        for other in tree.parent.glob(f"{name}*"):
            shutil.rmtree(other)
        unfinished = tree.with_name(f"{name}.new")
        unfinished.mkdir(parents=True)
        debian.make(unfinished, progress=display.report, further=further)
        if further:
            quieten(unfinished)
        unfinished.rename(tree)
        return str(tree)

    return Step(name, lambda: str(tree) if tree.is_dir() else "", make)


def quieten(tree: Path) -> None:
    """Daemons start when a test asks for them, and not with every machine."""
    for link in (tree / "etc/rc2.d").glob("S*"):
        if link.is_symlink():
            link.unlink()


def run_tool(tool: str, words: list[str], extra: dict[str, str]) -> None:
    """Runs a tool of the environment in the checkout, its output shown; raises Failed when it is not content."""
    status = subprocess.run(
        [str(ENVIRONMENT / "bin" / tool), *words],
        cwd=places.TREE,
        env={**plain_environment(), **extra, "PATH": f"{ENVIRONMENT}/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        check=False,
    ).returncode
    if status:
        raise Failed(f"{tool} is not content", f"{tool} ended with {status}", "make test ARGS=--last-failed")
