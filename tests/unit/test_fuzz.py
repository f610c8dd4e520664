"""What reads hostile bytes: what fuzzing has found worth keeping (tests/fuzz/run.py), and whatever hypothesis makes up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS

FUZZ = Path(__file__).parents[1] / "fuzz"
CORPUS = FUZZ / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_is_survived(target):
    kept = sorted((CORPUS / target).iterdir())
    assert kept
    for path in kept:
        TARGETS[target](path.read_bytes())


RUNS = 20_000


@pytest.mark.parametrize("target", TARGETS)
def test_a_search_led_by_what_it_reaches_finds_nothing(target, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    words = [FUZZ / "run.py", target, new, f"-runs={RUNS}", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr


WORDS = st.sampled_from(
    [b'{"', b'":', b"}", b"[", b"]", b'"', b"\\", b"\\ud800", b"1e999", b"NaN", b"null", b"gaol address ", b"gaol missing ", b"10.1.2.3",
     b"sshd", b"\x1b[", b"\x1b]", b"\x9c", b"\n[limits]\n", b"memory = ", b'"256M"', b"mode=", b"-", b"..", b"/", b"\0", b"512", b"K", b"h"]
)  # fmt: skip
BYTES = st.lists(WORDS | st.binary(max_size=6), max_size=20).map(b"".join)


@pytest.mark.parametrize("target", TARGETS)
@settings(deadline=None, max_examples=150)
@given(data=BYTES)
def test_whatever_comes_is_read_or_refused(target, data):
    TARGETS[target](data)
