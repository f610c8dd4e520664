"""The store as it is configured: made where there is none, known again where there is one, and mounted.

What is configured and what is mounted are two things. A store is known by its file system's UUID, which the host remembers
outside of it (store/memo.py), and a btrfs that gaoler has never seen by what it made in it. Nothing is written to any other.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gaoler.configuration.model import Configuration, Store
from gaoler.errors import Failed
from gaoler.host import block, btrfs, loop, mounts
from gaoler.host.block import Content
from gaoler.host.command import run
from gaoler.store.memo import NAME, Memo
from gaoler.store.paths import Paths

_log = logging.getLogger(__name__)


def memo_of(store: Store) -> Path:
    return store.image.parent / NAME


def configured(store: Store) -> Path:
    """The device or image that the configuration names."""
    return store.device or store.image


def setting(source: Path) -> str:
    """What the configuration says for a store that is on `source`."""
    key = "device" if source.is_block_device() else "image"
    return f'store.{key} = "{source}"' + ("" if key == "device" else ", and no store.device")


def mounted(store: Store) -> Path | None:
    """The device or image that the mounted store is on; None where none is mounted. Raises Failed where that isn't btrfs."""
    if not mounts.is_mounted(store.path):
        return None
    if not btrfs.is_btrfs(store.path):
        why = "what is mounted there is not a btrfs file system"
        raise Failed(f"can't use {store.path} as the store", why, f"findmnt {store.path}")
    there = [_known(store, one) for one in block.sources(store.path)]
    return next((one for one in there if block.same(one, configured(store))), there[0])


def _known(store: Store, device: Path) -> Path:
    """The image in the place of its loop device."""
    image = block.image_of(device)
    return store.image if image and (image == store.image or block.same(image, store.image)) else device


def is_elsewhere(store: Store) -> str:
    """What to tell where the store that is mounted is not on what is configured; nothing where it is."""
    source = mounted(store)
    if source is None or block.same(source, configured(store)):
        return ""
    return f"the store at {store.path} is on {source}, and the configuration says {configured(store)}"


def prepare(configuration: Configuration, *, anew: bool = False) -> None:
    """Have the store mounted, with gaoler's directories in it; made where there never was one, or `anew`.

    One that is mounted stays, whatever is configured by now. Raises Failed, and writes to nothing, where what is configured is
    not empty and not a store, or is empty though there was a store with machines.
    """
    store, path = configuration.store, memo_of(configuration.store)
    memo = Memo() if anew else Memo.read(path)
    if mounted(store) is None:
        source = _source(store, memo)
        found = _looked_at(store, source, memo)
        mounts.mount_store(_attached(source, found, store), store.path)
    elif told := is_elsewhere(store):
        _log.warning("%s: gaol store move --to %s moves it there", told, configured(store))
    identity, there = str(btrfs.uuid(store.path)), mounted(store)
    if memo.uuid != identity and not _is_ours(store.path):
        raise _foreign(there or configured(store))
    _must_have_machines(store, memo)
    if anew:
        Memo.change(path, machines=False, target="")
    Memo.change(path, uuid=identity, source=memo.source if memo.target else str(there))
    Paths(store.path, configuration.daemon.runtime).make()


def _source(store: Store, memo: Memo) -> Path:
    """What to mount: what is configured, but for a store whose move was cut short, or was done and not yet written down."""
    if not memo.target:
        return configured(store)
    target = Path(memo.target)
    with suppress(Failed):  # both must be known for the kernel to go on with it; it may not have begun
        run(["btrfs", "device", "scan", str(target)])
    former = Path(memo.source)
    return former if former.exists() and block.content(former).is_btrfs else target


def _looked_at(store: Store, source: Path, memo: Memo) -> Content:
    """What is on it, which is gaoler's or nothing."""
    if store.device:
        block.must_be_device(store.device)
    found = block.content(source) if source.exists() else Content("")
    if not found.kind and memo.machines:
        raise _vanished(f"there is nothing on {source}", memo)
    if found.kind and not found.is_btrfs:
        why = "gaoler never overwrites what is there"
        raise Failed(f"{source} holds {found.kind}", why, f"lsblk -f {source}")
    if found.is_btrfs and str(found.uuid) != memo.uuid:
        with _peek(source) as content:
            if not _is_ours(content):
                raise _foreign(source)
            if memo.machines and not has_machines(content):
                raise _vanished(f"{source} has none", memo)
    return found


def _attached(source: Path, found: Content, store: Store) -> Path:
    """What to mount, made where there is nothing."""
    if source.is_block_device():
        if not found.kind:
            btrfs.make_filesystem(source)
        return source
    loop.ensure_store_image(source, store.size)
    return loop.attach_loop(source)


@contextmanager
def _peek(source: Path) -> Iterator[Path]:
    """What is in a btrfs, without writing a byte to it: its log stays as it is."""
    image = not source.is_block_device()
    with tempfile.TemporaryDirectory(prefix="gaoler-") as name:
        options = "ro,nosuid,nodev,noexec,rescue=nologreplay"
        run(["mount", "-t", "btrfs", "-o", f"loop,{options}" if image else options, str(source), name])
        try:
            yield Path(name)
        finally:
            run(["umount", name])


def _is_ours(content: Path) -> bool:
    """A store has gaoler's directory; an empty file system, made with an administrator's own options, may become one."""
    return Paths(content, content).private.is_dir() or not any(content.iterdir())


def has_machines(store: Path) -> bool:
    return any(Paths(store, store).records.glob("*/record.json"))


def _must_have_machines(store: Store, memo: Memo) -> None:
    if memo.machines and not has_machines(store.path):
        raise _vanished(f"the one that is mounted at {store.path} has none", memo)


def _vanished(why: str, memo: Memo) -> Failed:
    """The sentence that stops a start, rather than everybody's machines being gone without a word."""
    return Failed(
        f"the store looks empty: machines were in one on {memo.source}, with UUID {memo.uuid}",
        why,
        f"{setting(Path(memo.source))}, in /etc/gaoler/gaoler.toml; gaol store init --anew begins with an empty one",
    )


def _foreign(source: Path) -> Failed:
    return Failed(
        f"{source} holds somebody else's btrfs",
        "gaoler made nothing in it, and writes to none but its own",
        f"lsblk -f {source}",
    )
