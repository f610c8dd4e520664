"""What the tests of the host's facilities share: throw-away stores and network namespaces, and a look for leftovers."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from gaoler.host import libc, loop, mounts
from gaoler.host.net import links, nft


def seen() -> dict[str, set[str]]:
    """What of the kernel's state a test must leave as it was, as far as it is ours: the machine is shared."""
    own = f"gaoler-test-{os.getpid()}"  # others may run the same tests now
    cgroups = [*Path("/sys/fs/cgroup").glob(f"*/{own}"), *Path("/sys/fs/cgroup").glob(own)]
    mounted = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return {
        "mounts": {path for path in mounted if "pytest-" in path or "/gaoler-test-" in path},
        "links": set(links.list_links("gt")) & {tap_name(), "gt1", "gt2"},
        "cgroups": set(map(str, cgroups)),
        "descriptors": set(_descriptors()),
    }


def tap_name() -> str:
    """Of a TAP in the host's own network namespace, which other runs share."""
    return f"gt{os.getpid() % 100000}"


def _descriptors():
    """But for sockets to the kernel, which are kept open on purpose."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if not target.startswith(("socket:", "/proc/", "/memfd:", "user:", "pipe:")):
                yield f"{name} {target}"


@pytest.fixture(autouse=True)
def nothing_left_over():
    before = seen()
    yield
    after = seen()
    left = {kind: sorted(after[kind] - before[kind]) for kind in after}
    assert not any(left.values()), left


@pytest.fixture
def store(tmp_path):
    """A mounted btrfs of 1 GiB, as the daemon makes its own."""
    image, target = tmp_path / "image", tmp_path / "store"
    loop.ensure_store_image(image, 1 << 30)
    mounts.mount_store(loop.attach_loop(image), target)
    yield target
    mounts.unmount(target)
    for device in loop.devices_of(image):
        loop.detach_loop(device)


@pytest.fixture
def network():
    """A network namespace of the test's own; what it makes there goes with it."""
    with open("/proc/thread-self/ns/net", "rb") as before:
        libc.unshare(libc.CLONE_NEWNET)
        links.netlink.cache_clear()
        nft._context.cache_clear()
        links.netlink().call(lambda ip: ip.link("set", ifname="lo", state="up"))
        try:
            yield
        finally:
            links.netlink().close()
            libc.setns(before.fileno(), libc.CLONE_NEWNET)
            links.netlink.cache_clear()
            nft._context.cache_clear()
