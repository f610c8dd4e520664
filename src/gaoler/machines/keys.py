"""An ssh key pair for each machine: it lets in whoever holds the private half, which only its owner is given; both go with it."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from gaoler.host.command import run

FILES = ("ssh_key", "ssh_key.pub", "ssh_host_keys")
"""What is kept beside a machine's record: the pair, and the host keys that its sshd had when it was first asked."""
_making = threading.Lock()


def _pair(directory: Path) -> Path:
    key = directory / FILES[0]
    with _making:
        if key.exists():
            return key
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            new = Path(scratch) / "key"
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gaoler", "-f", str(new)])
            os.replace(new.with_suffix(".pub"), key.with_suffix(".pub"))
            os.replace(new, key)
    return key


def public(directory: Path) -> str:
    """The line for authorized_keys, of the machine whose record lies in `directory`."""
    return _pair(directory).with_suffix(".pub").read_text()


def private(directory: Path) -> str:
    return _pair(directory).read_text()
