"""`gaol store grow`: the store takes what its image or device has become. Machines run on meanwhile."""

from __future__ import annotations

from gaoler.configuration.model import Store
from gaoler.daemon.store import is_elsewhere, mounted
from gaoler.errors import Failed
from gaoler.host import block, loop
from gaoler.host.btrfs import devices
from gaoler.host.command import run
from gaoler.units import show_size

_LEAST = 16 << 20
"""Bytes below which a device has not grown: btrfs leaves the end of one unused where its size isn't a multiple of the stripes."""


def grow(store: Store) -> str:
    """Says what was done. Raises Failed where there is nothing to grow into."""
    if mounted(store) is None:
        raise Failed("the store is not mounted", f"nothing is at {store.path}", "gaol store init")
    if told := is_elsewhere(store):
        raise Failed("the store is not where the configuration says", told, "gaol store info")
    there = devices.of(store.path)
    if len(there) != 1:
        hint = f"btrfs filesystem resize 1:max {store.path}"
        raise Failed(f"the store is on {len(there)} devices", "which of them is to grow is yours to say", hint)
    before, (device,) = there[0].total, there
    if store.device is None and block.size(store.image) != store.size:
        _grow_image(store, device)
    if block.size(device.path) < before + _LEAST:
        larger = f'store.size = "{show_size(2 * store.size)}", in /etc/gaoler/gaoler.toml'
        hint = f"lsblk {store.device}" if store.device else larger
        raise Failed(f"the store has all of {store.device or store.image} already", f"that is {show_size(before)}", hint)
    run(["btrfs", "filesystem", "resize", f"{device.id}:max", str(store.path)])
    return f"the store had {show_size(before)} and has {show_size(devices.of(store.path)[0].total)}"


def _grow_image(store: Store, device: devices.Device) -> None:
    there = block.size(store.image)
    if store.size < there:
        raise Failed(
            f"a store grows, and never shrinks: the image has {show_size(there)}",
            f"store.size is {show_size(store.size)}",
            f'store.size = "{show_size(there)}", in /etc/gaoler/gaoler.toml',
        )
    loop.grow(store.image, device.path, store.size)
