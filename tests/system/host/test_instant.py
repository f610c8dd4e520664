"""A snapshot is of an instant that whoever takes it can wait for, and nobody else in the program waits while it is taken."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gaoler.errors import Failed
from gaoler.host import btrfs
from gaoler.host.btrfs import instant
from system.support.gateway import SOURCES
from system.support.host import nothing_left_over, store  # noqa: F401 - fixtures
from system.support.waiting import PATIENCE

pytestmark = pytest.mark.root

_TAKING = """
import sys, threading, time
from pathlib import Path
from gaoler.host import btrfs
store = Path(sys.argv[1])
taking = threading.Thread(target=btrfs.snapshot, args=(store / "tree", store / "copy"))
taking.start()
def state():
    return Path(f"/proc/self/task/{taking.native_id}/stat").read_text().rpartition(")")[2].split()[0]
while state() != "D":
    time.sleep(0.01)
print("others run", flush=True)
taking.join()
"""


def test_what_is_written_after_the_instant_is_not_in_the_snapshot(store):  # noqa: F811
    btrfs.create(store / "tree")
    (store / "staging").mkdir()
    for turn in range(20):
        before, after = store / f"tree/before{turn}", store / f"tree/after{turn}"
        before.write_text("x" * 100_000)
        copy = store / f"staging/copy{turn}"
        with ThreadPoolExecutor(1) as pool:
            taking = pool.submit(btrfs.snapshot, store / "tree", copy)
            instant.wait(copy, taking)
            after.write_text("later")
        taking.result()
        assert (copy / before.name).read_text() == "x" * 100_000
        assert not (copy / after.name).exists()


def test_a_snapshot_that_is_not_taken_says_why(store):  # noqa: F811
    failed: Future[None] = Future()
    failed.set_exception(Failed("can't clone", "no reason", "gaol doctor"))
    with pytest.raises(Failed, match="can't clone"):
        instant.wait(store / "copy", failed)


def test_nobody_else_waits_while_a_snapshot_is_taken(store):  # noqa: F811
    btrfs.create(store / "tree")
    subprocess.run(["fsfreeze", "--freeze", store], check=True)
    try:
        command = [sys.executable, "-c", _TAKING, str(store)]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(SOURCES)}) as child,
            ThreadPoolExecutor(1) as pool,
        ):
            try:
                assert child.stdout is not None
                assert pool.submit(child.stdout.readline).result(PATIENCE) == "others run\n"
            finally:
                subprocess.run(["fsfreeze", "--unfreeze", store], check=False)
        assert child.returncode == 0
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", store], check=False, capture_output=True)
    assert (store / "copy").is_dir()
