"""`make test`, `make hosts` and `make lint`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from gaoler.errors import Failed
from gaoler.setup import apt, base_debian, components, environment, guest, kernel, places, steps
from gaoler.setup.progress import Display
from gaoler.setup.settings import Settings
from gaoler.setup.steps import Step
from gaoler.setup.stream import plain_environment
from gaoler.setup.up import component_step

#: Beside the checkout's sources, so that it is at hand for whoever works on them.
ENVIRONMENT = places.TREE / ".venv"

_ALL = ["tests", "-n", str(max(2, os.cpu_count() or 1)), "--dist", "loadfile"]
"""Files side by side, as each has a gateway of its own to share among its tests."""


def environment_step(display: Display) -> Step:
    wanted = environment.requirements(places.TREE / "pyproject.toml", extra="dev")

    def make() -> str:
        environment.make(ENVIRONMENT, wanted, display.report)
        return str(ENVIRONMENT)

    return Step("Python environment", lambda: str(ENVIRONMENT) if environment.is_current(ENVIRONMENT, wanted) else "", make)


def test(settings: Settings, display: Display, words: list[str]) -> None:
    """Runs all tests, or those that `words` names; raises Failed when one does not pass."""
    run_tool("pytest", words or _ALL, prepare(settings, display))


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
    run_tool("pytest", [*story, *words], {**prepare(settings, display), **extra})


def prepare(settings: Settings, display: Display) -> dict[str, str]:
    """Makes a kernel, guest files and a base for the tests.

    They find them by GAOLER_TEST_KERNEL (the program `linux`), GAOLER_TEST_GUEST and GAOLER_TEST_BASE (directories).
    """
    place = settings.cache / "test"
    kernels, guest_files = place / "kernels", place / "guest"
    wanted = hashlib.sha256(repr((apt.host_suite(), sorted(base_debian.PACKAGES.values()))).encode()).hexdigest()[:12]
    base = place / f"base-{wanted}"

    def found_kernel() -> str:
        found = kernel.installed(kernels)
        return found.name if found else ""

    def install_guest() -> str:
        guest_files.mkdir(parents=True, exist_ok=True)
        guest.install(guest_files, settings.cache, display.report)
        return str(guest_files)

    steps.run(
        [
            component_step({**components.RUNTIME, **components.TESTS}, display),
            environment_step(display),
            Step("kernel", found_kernel, lambda: kernel.build(settings.cache, kernels, display.report).name),
            Step("guest files", lambda: str(guest_files) if guest.is_current(guest_files) else "", install_guest),
            Step("base", lambda: str(base) if base.is_dir() else "", lambda: make_base(base, display)),
        ],
        display,
    )
    found = kernel.installed(kernels)
    assert found is not None
    names = {"GAOLER_TEST_KERNEL": found.linux, "GAOLER_TEST_GUEST": guest_files, "GAOLER_TEST_BASE": base}
    return {name: str(path) for name, path in names.items()}


def make_base(base: Path, display: Display) -> str:
    """Under its own name only when it is whole; others' remains go first."""
    for other in base.parent.glob("base*"):
        shutil.rmtree(other)
    unfinished = base.with_name("base.new")
    unfinished.mkdir(parents=True)
    base_debian.make(unfinished, progress=display.report)
    unfinished.rename(base)
    return str(base)


def lint(display: Display) -> None:
    """ruff, mypy --strict and import-linter over all sources; raises Failed when one of them complains."""
    steps.run([environment_step(display)], display)
    complaints = []
    for tool, words in (("ruff", ["check"]), ("mypy", []), ("lint-imports", ["--no-cache"])):
        try:
            run_tool(tool, words, {"PYTHONPATH": str(places.TREE / "src")})
        except Failed as error:
            complaints.append(error.why)
    if complaints:
        raise Failed("lint found something", "; ".join(complaints), "the lines above say what")


def run_tool(tool: str, words: list[str], extra: dict[str, str]) -> None:
    """Runs a tool of the environment in the checkout, its output shown; raises Failed when it is not content."""
    status = subprocess.run(
        [str(ENVIRONMENT / "bin" / tool), *words],
        cwd=places.TREE,
        env={**plain_environment(), **extra, "PATH": f"{ENVIRONMENT}/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        check=False,
    ).returncode
    if status:
        raise Failed(f"{tool} is not content", f"{tool} ended with {status}", "the lines above say why")
