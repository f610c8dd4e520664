"""Choose a processor for a machine."""

from __future__ import annotations

import os
from collections.abc import Mapping


def choose(counts: Mapping[int, int]) -> int:
    """The processor with the fewest machines, of those that this process may use; the lowest number of equal ones.

    `counts` is machines by processor. A uniprocessor kernel that stays on one processor makes system calls 5.5 times
    faster than one that moves, since kernel and program hand over to each other at each of them.
    """
    return min(os.sched_getaffinity(0), key=lambda cpu: (counts.get(cpu, 0), cpu))
