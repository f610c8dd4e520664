"""Our ends of running machines' TAPs.

Whoever closes the last descriptor of a TAP takes the interface down, and waits for the kernel to do so: 14 to 28 ms, several
RCU grace periods. With a copy here it is not the dying machine who waits, and those who wait for its end, but a thread of
ours. When the daemon has been restarted there is no copy, and a machine takes its TAP along as it dies.
"""

from __future__ import annotations

import os
import threading


class Cables:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._going: dict[str, threading.Thread] = {}

    def hold(self, tap: str, descriptor: int) -> None:
        """Keep a copy of a TAP's descriptor."""
        copy = os.dup(descriptor)
        with self._lock:
            self._held[tap] = copy

    def let_go(self, tap: str) -> None:
        """Close the copy in the background; nothing where there is none."""
        with self._lock:
            descriptor = self._held.pop(tap, None)
            if descriptor is None:
                return
            going = threading.Thread(target=self._close, args=(tap, descriptor), name="cable", daemon=True)
            try:
                going.start()
            except (RuntimeError, MemoryError):  # no further thread: it takes us as long as it takes
                os.close(descriptor)
            else:
                self._going[tap] = going

    def wait_gone(self, tap: str) -> None:
        """Until a TAP of that name that was let go is gone, and the name free."""
        with self._lock:
            going = self._going.get(tap)
        if going is not None:
            going.join()

    def _close(self, tap: str, descriptor: int) -> None:
        os.close(descriptor)
        with self._lock:
            self._going.pop(tap, None)
