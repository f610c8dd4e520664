"""Look for bytes that break a reader, led by what of it they reach (atheris, `pip install .[fuzz]`).

    python tests/fuzz/run.py TARGET SECONDS

What reaches something new is kept in tests/fuzz/corpus/TARGET; what breaks it, in crash-* here. tests/unit/test_fuzz.py
goes through the corpus again without atheris.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent

if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE)]
    with atheris.instrument_imports(include=["gaoler", "json", "tomllib"]):
        from targets import TARGETS
    wanted, seconds = sys.argv[1], sys.argv[2]
    corpus = HERE / "corpus" / wanted
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096", "-timeout=5"], TARGETS[wanted])
    atheris.Fuzz()
