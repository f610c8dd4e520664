"""The rules of the house that a machine can hold: imports run one way, types are right, nothing of a workplace is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gaoler.progress import Display
from gaoler.setup import lint

ROOT = Path(__file__).parents[2]


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / words[0]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run([program, *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_imports_run_one_way():
    done = tool("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(300)
def test_types_are_right(tmp_path):
    done = tool("mypy", "--cache-dir", str(tmp_path))
    assert done.returncode == 0, done.stdout


def test_the_linter_is_content():
    done = tool("ruff", "check", "--no-cache")
    assert done.returncode == 0, done.stdout[-4000:]


def test_shell_scripts_are_sound():
    scripts = list(lint.scripts())
    assert Path("guest/bin/startenv") in scripts
    done = tool("shellcheck", "-S", "warning", "-e", ",".join(lint.UNHEEDED), "-f", "gcc", *map(str, scripts))
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(300)
def test_the_compiler_and_its_analyzer_are_content_with_the_guests_programs(tmp_path, monkeypatch):
    assert lint.guest(Display()) == []
    (tmp_path / "src").mkdir()
    (tmp_path / "src/twice.c").write_text("#include <stdlib.h>\nvoid twice(char *of) { free(of); free(of); }\n")
    monkeypatch.setattr(lint.places, "GUEST", tmp_path)
    assert lint.guest(Display()) == ["gcc complains of twice.c"], "it would be seen"


@pytest.mark.parametrize("word", ["shell=True", "os.system("])
def test_no_shell_runs_commands(word):
    found = [path for path in (ROOT / "src").rglob("*.py") if word in path.read_text()]
    assert not found
