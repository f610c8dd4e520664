"""An ssh key pair for each machine: it lets in whoever holds the private half, which only its owner is given; both go with it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from gaoler.host.command import run

_NEW = ("ssh_key.new", "ssh_key.new.pub")
"""A pair that is being made, in files of known names: a daemon without a descriptor left to list a directory can delete them."""
FILES = ("ssh_key", "ssh_key.pub", "ssh_host_keys", *_NEW)
"""What is kept beside a machine's record: the pair, and the host keys that its sshd had when it was first asked."""
_making = threading.Lock()


def _pair(directory: Path) -> Path:
    key = directory / FILES[0]
    with _making:
        if key.exists():
            return key
        new, new_public = (directory / name for name in _NEW)
        for path in (new, new_public):  # ssh-keygen overwrites nothing
            path.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gaoler", "-f", str(new)])
        os.replace(new_public, key.with_suffix(".pub"))
        os.replace(new, key)
    return key


def public(directory: Path) -> str:
    """The line for authorized_keys, of the machine whose record lies in `directory`."""
    return _pair(directory).with_suffix(".pub").read_text()


def private(directory: Path) -> str:
    return _pair(directory).read_text()
