"""A walk is tried again while others rename things on the host."""

import os
import threading

from gaoler.host import libc


def test_renames_on_the_host_do_not_disturb_a_walk_through_dot_dot(tmp_path):
    (tmp_path / "one/two").mkdir(parents=True)
    (tmp_path / "file").touch()
    over = threading.Event()

    def rename():
        here, there = tmp_path / "a", tmp_path / "b"
        here.mkdir()
        while not over.is_set():
            here.rename(there)
            here, there = there, here

    renaming = threading.Thread(target=rename)
    renaming.start()
    root = os.open(tmp_path, os.O_PATH)
    try:
        for _ in range(20_000):
            os.close(libc.openat2(root, "one/two/../../one/../file", os.O_PATH, libc.RESOLVE_IN_ROOT))
    finally:
        over.set()
        renaming.join()
        os.close(root)
