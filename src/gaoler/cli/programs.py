"""Programs beside this one."""

from __future__ import annotations

import os
import sys


def gaoler_program() -> str:
    """The daemon's, of the same installation, where there is one: a host may have several."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "gaoler")
    return beside if os.path.exists(beside) else "gaoler"
