"""What OpenSSH reads of ours, where the caller alone reads it: keys, and the host keys of machines."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from gaoler.errors import Failed

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST_KEY = re.compile(r"(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+) [A-Za-z0-9+/=]+")
_KEPT = ("identity", "known_hosts", "host_keys")
"""Of a machine: the key and the host keys for its address, and the host keys for its name."""


def known_hosts(host: str, told: Sequence[str]) -> str:
    """The lines for a machine of what it told of its host keys: whatever else it said is left out."""
    return "".join(f"{host} {found[0]}\n" for key in told if (found := _HOST_KEY.match(str(key))))


def directory(host: str) -> Path:
    """Where what belongs to a machine is kept, made if need be. Raises Failed."""
    place = _place() / host
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(
            "no place for the machine's ssh key", f"{place}: {error.strerror}", "XDG_CACHE_HOME=/tmp gaol ssh NAME"
        ) from None
    return place


def forget(name: str) -> None:
    """Remove key and host keys that were kept for a machine of that name: the next one of that name is another."""
    with suppress(OSError, RuntimeError):  # none were, or there is no home
        place = _place() / name.rpartition("/")[2]
        for kept in _KEPT:
            (place / kept).unlink(missing_ok=True)
        place.rmdir()


def identity() -> Path:
    """The caller's own key pair for what goes through the daemon, made if need be; its private half. Raises Failed.

    It opens nothing by itself: a machine takes it for a connection that the daemon has let through, and for that alone.
    """
    place = directory(".own") / "identity"  # no machine's name begins so
    if not place.exists():
        new = place.with_name(f"identity.{os.getpid()}")
        new.unlink(missing_ok=True)  # ssh-keygen overwrites nothing
        _keygen("-t", "ed25519", "-N", "", "-C", "gaoler", "-f", str(new))
        with suppress(FileExistsError):  # somebody was faster
            os.link(new, place)
        new.unlink()
        new.with_name(f"{new.name}.pub").unlink()
    return place


def public_half(identity: Path) -> str:
    """Without its comment. Raises Failed."""
    return " ".join(_keygen("-y", "-f", str(identity)).split()[:2])


def _keygen(*arguments: str) -> str:
    from subprocess import DEVNULL, CalledProcessError, run  # 10 ms to import

    try:
        return run(["ssh-keygen", "-q", *arguments], stdin=DEVNULL, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise no_ssh() from None
    except CalledProcessError as error:
        raise Failed("your ssh key can't be read or made", error.stderr.strip()[-200:], f"ls -l {_place()}/.own") from None


def no_ssh() -> Failed:
    return Failed("there is no ssh on this host", "the OpenSSH client is not installed", "apt install openssh-client")


def _place() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gaoler"
