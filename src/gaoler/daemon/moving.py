"""`gaol store move`: the store changes to another device, with all that is in it. Machines run on meanwhile.

The kernel copies it (btrfs replace): identity, snapshots, what clones share and what quotas have counted stay
(docs/decisions/0033). It goes on when whoever asked is gone, and when the store is mounted again. The host remembers where to,
so that whoever comes next, `gaol store move` or a daemon that starts, does what is left: grow to the device's size, have the
configuration name it, remove the image.
"""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from gaoler.configuration import change
from gaoler.configuration.model import Store
from gaoler.daemon.store import memo_of, mounted
from gaoler.errors import Failed, GaolerError
from gaoler.host import block, btrfs, loop
from gaoler.host.btrfs import devices
from gaoler.host.command import run
from gaoler.progress import Progress, Report
from gaoler.store.memo import Memo
from gaoler.units import show_size

_PERMILLE = re.compile(r"([0-9]+)\.([0-9])% done")
_ERRORS = re.compile(r"([1-9][0-9]*) (?:write errs|uncorr\. read errs)")
_BETWEEN = 0.5
"""Seconds between looks at how far the kernel is."""


def move(store: Store, target: Path, configuration: Path, report: Report) -> str:
    """Move the mounted store to a device, or go on with that; says what was done. Raises GaolerError."""
    there = mounted(store)
    if there is None:
        raise Failed("the store is not mounted", f"nothing is at {store.path}", "gaol store init")
    block.must_be_device(target)
    path, memo = memo_of(store), Memo.read(memo_of(store))
    if memo.target and not block.same(Path(memo.target), target):
        hint = f"gaol store move --to {memo.target}"
        raise Failed(f"the store is being moved to {memo.target}", "one move ends before the next begins", hint)
    if not memo.target:
        if block.same(there, target):
            finish(store, target, configuration)
            return f"the store is on {target}"
        _must_be_empty(target)
        memo = Memo.change(path, uuid=str(btrfs.uuid(store.path)), source=str(there), target=str(target))
    if not is_there(store, target):
        _copy(store, target, report)
    return finish(store, target, configuration)


def is_there(store: Store, target: Path) -> bool:
    """Whether the store is on that device, and on no other."""
    now = devices.of(store.path)
    return len(now) == 1 and block.same(now[0].path, target)


def finish(store: Store, target: Path, configuration: Path) -> str:
    """What is left when the store is on its new device; says it. Raises GaolerError."""
    path = memo_of(store)
    memo = Memo.read(path)
    run(["btrfs", "filesystem", "resize", f"{devices.of(store.path)[0].id}:max", str(store.path)])
    former = Path(memo.source)
    if store.device is None or not block.same(store.device, target):
        change.put(configuration, "store", "device", str(target))
    if former.is_file():  # the kernel has taken the file system's mark off it
        for device in loop.devices_of(former):
            loop.detach_loop(device)
        former.unlink()
    Memo.change(path, source=str(target), target="")
    now = f"the store is on {target}, {show_size(devices.of(store.path)[0].total)}; {configuration} says so"
    return now if block.same(former, target) else f"{now}, and {former} is free"


def _must_be_empty(target: Path) -> None:
    found = block.content(target)
    if found.kind:
        raise Failed(f"{target} holds {found.kind}", "gaoler never overwrites what is there", f"lsblk -f {target}")
    with suppress(OSError):
        if any((Path("/sys/class/block") / target.resolve().name / "holders").iterdir()):
            raise Failed(f"{target} is in use", "another device is made of it", f"lsblk {target}")


def _copy(store: Store, target: Path, report: Report) -> None:
    """Have the kernel do it, or wait until it has."""
    now = [device for device in devices.of(store.path) if device.id]
    if len(now) != 1:
        raise Failed(f"the store is on {len(now)} devices", "gaoler moves it from one to one", "btrfs replace --help")
    process = None if _PERMILLE.search(_state(store)) else _begun(store, now[0], target)
    while True:
        state = _state(store)
        if found := _PERMILLE.search(state):
            report(Progress("moving", int(found[1] + found[2]), 1000))
        ended = process is None or process.poll() is not None
        if ended and not found:
            break
        time.sleep(_BETWEEN)  # the kernel tells nobody when it is done
    said = process.stderr.read().strip() if process and process.stderr else ""
    if process and process.stderr:
        process.stderr.close()
    errors = _ERRORS.search(state)
    if errors or not is_there(store, target):
        why = said or state or "btrfs replace ended without a word"
        Memo.change(memo_of(store), target="")
        hint = f"dmesg; btrfs replace status {store.path}"
        raise Failed(f"the store could not be moved to {target}; it is where it was", why, hint)


def _begun(store: Store, device: devices.Device, target: Path) -> subprocess.Popen[str]:
    found = block.content(target)
    if found.kind and found.uuid != btrfs.uuid(store.path):  # what an earlier try has left is ours
        raise Failed(f"{target} holds {found.kind}", "gaoler never overwrites what is there", f"lsblk -f {target}")
    if (room := block.size(target)) < device.total:
        _shrink(store, device, room)
    words = ["btrfs", "replace", "start", "-B", "-f", str(device.id), str(target), str(store.path)]
    # In a session of its own: the kernel works in this process, and whoever is at the terminal may interrupt us.
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def _shrink(store: Store, device: devices.Device, room: int) -> None:
    """Let the file system be no larger than the device that it is to move to: the empty part of it goes."""
    try:
        run(["btrfs", "filesystem", "resize", f"{device.id}:{room}", str(store.path)])
    except GaolerError as error:
        why = f"{show_size(room)} are less than the store takes"
        raise Failed("the store does not fit there", why, "gaol store info") from error


def _state(store: Store) -> str:
    return run(["btrfs", "replace", "status", "-1", str(store.path)]).stdout.strip()
