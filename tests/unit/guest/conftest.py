"""Builds the guest's programs once, as for machines and with sanitizers, and starts agents."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guest_sessions import PATIENCE, Agent, start_agent

GUEST = Path(__file__).resolve().parents[3] / "guest"


@pytest.fixture(scope="session")
def guest() -> Path:
    """The guest's directory in the source tree."""
    return GUEST


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the built agent and initramfs, and of the agent as the tests run it: the first fault of memory ends it."""
    if not shutil.which("musl-gcc"):
        pytest.skip("needs musl-gcc (package musl-tools)")
    output = tmp_path_factory.mktemp("guest")
    subprocess.run(["make", "-s", "-C", GUEST, f"O={output}", "WERROR=-Werror", "all", "sanitized"], check=True)
    return output


@pytest.fixture(scope="session")
def need_namespaces() -> Callable[[list[str]], None]:
    """Called with a command that makes them: where it can't, the test is skipped, but fails as root and in CI."""

    def need(command: list[str]) -> None:
        probe = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        if probe.returncode:
            why = f"needs to make namespaces: {probe.stderr}"
            assert os.geteuid() != 0 and os.environ.get("CI") != "true", why
            pytest.skip(why)

    return need


@pytest.fixture
def agent(built: Path, tmp_path: Path) -> Iterator[Agent]:
    # The test run itself may have been started with nohup.
    agent = start_agent(built / "agent-sanitized", tmp_path, "serve", "--quiet", prefix=("env", "--default-signal"))
    yield agent
    assert agent.process.poll() is None, "the agent died"
    agent.process.terminate()
    assert agent.process.wait(PATIENCE) == 0
