"""An ssh key pair for each owner: gaoler lets it into his machines, and gives him its private half."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from gaoler.configuration.account import Account
from gaoler.host.command import run

_making = threading.Lock()


def _pair(directory: Path, owner: Account) -> Path:
    key = directory / str(owner.uid)
    with _making:
        if key.exists():
            return key
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            new = Path(scratch) / "key"
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"gaoler for {owner.name}", "-f", str(new)])
            os.replace(new.with_suffix(".pub"), key.with_suffix(".pub"))
            os.replace(new, key)
    return key


def public(directory: Path, owner: Account) -> str:
    """The line for authorized_keys."""
    return _pair(directory, owner).with_suffix(".pub").read_text()


def private(directory: Path, owner: Account) -> str:
    return _pair(directory, owner).read_text()
