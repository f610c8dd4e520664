"""Builds the guest's programs once, as for machines and with sanitizers, and starts agents."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
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


@pytest.fixture
def agent(built: Path, tmp_path: Path) -> Iterator[Agent]:
    # The test run itself may have been started with nohup.
    agent = start_agent(built / "agent-sanitized", tmp_path, "serve", "--quiet", prefix=("env", "--default-signal"))
    yield agent
    assert agent.process.poll() is None, "the agent died"
    agent.process.terminate()
    assert agent.process.wait(PATIENCE) == 0
