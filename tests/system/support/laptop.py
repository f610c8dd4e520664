"""A computer that isn't the gateway: another account with a home of its own, and an sshd of the gateway's that it comes by."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from system.support import users
from system.support.gateway import Gateway
from system.support.users import User
from system.support.waiting import until

NAME = "gateway.example"
"""What it calls the gateway."""
_PORT = 2222


@contextmanager
def laptop(gateway: Gateway, place: Path, *owners: User) -> Iterator[User]:
    """Its user, whose key lets them in as each of `owners`; what gaol prints goes to ~/.ssh/gaol."""
    with users.account(f"{gateway.prefix}laptop") as user, _sshd(gateway, place) as host_key:
        own = user.home / ".ssh"
        own.mkdir()
        _keygen(own / "id_ed25519")
        (own / "known_hosts").write_text(f"[{gateway.address}]:{_PORT} {host_key}\n")
        (own / "config").write_text(f"Include gaol\nHost {NAME}\n  HostName {gateway.address}\n  Port {_PORT}\n")
        _given(user, own)
        try:
            for owner in owners:
                theirs = owner.home / ".ssh"
                theirs.mkdir()
                shutil.copy(own / "id_ed25519.pub", theirs / "authorized_keys")
                _given(owner, theirs)
            yield user
        finally:
            for owner in owners:
                shutil.rmtree(owner.home / ".ssh", ignore_errors=True)


@contextmanager
def _sshd(gateway: Gateway, place: Path) -> Iterator[str]:
    _keygen(place / "host")
    settings = f"""ListenAddress {gateway.address}:{_PORT}
HostKey {place}/host
PasswordAuthentication no
UsePAM no
PidFile none
SetEnv GAOLER_SOCKET={gateway.socket} PATH={gateway.environment(gateway.root)["PATH"]}
"""
    (place / "sshd_config").write_text(settings)
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", place / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        ask = ["ssh-keyscan", "-p", str(_PORT), gateway.address]
        until(lambda: subprocess.run(ask, capture_output=True, check=False).stdout, "sshd answers")
        yield " ".join((place / "host.pub").read_text().split()[:2])
    finally:
        server.terminate()
        server.wait()


def _keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def _given(user: User, directory: Path) -> None:
    for path in (directory, *directory.iterdir()):
        os.chown(path, user.uid, user.gid)
        path.chmod(0o700 if path.is_dir() else 0o600)
