"""Look for bytes that break a reader, led by what of it they reach (atheris).

    python tests/fuzz/run.py TARGET [DIRECTORY] [-max_total_time=SECONDS] [-runs=NUMBER] ...

The options are libFuzzer's. What reaches something new is kept in DIRECTORY (tests/fuzz/corpus/TARGET), what breaks it in
crash-* here. tests/unit/test_fuzz.py looks for a while each time, and goes through what is kept.
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
    _, wanted, *words = sys.argv
    corpus = HERE / "corpus" / wanted
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], "-max_len=4096", "-timeout=5", *words, str(corpus)], TARGETS[wanted])
    atheris.Fuzz()
