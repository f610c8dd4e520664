"""Whether the kernel has programs look at frames as they come from an interface: NET_CLS_BPF and NET_SCH_INGRESS.

Loading one shows nothing, since that is another part of the kernel. So one is attached, where nobody has an interface: in a
network namespace of a thread's own, which goes with it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pyroute2.netlink.exceptions import NetlinkError

from gaoler.errors import Failed
from gaoler.host import libc
from gaoler.host.net import bpf, links

_LOOPBACK = 1
"""The index of each network namespace's own."""


@cache
def check() -> None:
    """Raises Failed; PermissionError where we may not find out. What is there is looked for once, what isn't each time."""
    with ThreadPoolExecutor(1, "classifying") as pool:
        pool.submit(_attach).result()


def _attach() -> None:
    hint = "modprobe cls_bpf sch_ingress; or a kernel with NET_CLS_BPF and NET_SCH_INGRESS"
    what = "the kernel has no programs look at frames"
    libc.unshare(libc.CLONE_NEWNET)
    try:
        program = bpf.load(_passing(), "gaoler_probe")
    except OSError as error:
        raise Failed(what, error.strerror or str(error), hint) from None
    try:
        with links.connected() as netlink:
            links.classify_with(netlink, _LOOPBACK, program, "gaoler_probe")
    except NetlinkError as error:
        raise Failed(what, str(error.args[-1]), hint) from None
    finally:
        os.close(program)


def _passing() -> bytes:
    it = bpf.Program()
    it.set(bpf.R0, 0)  # TC_ACT_OK
    it.leave()
    return it.assembled()
