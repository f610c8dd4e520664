"""TAP interfaces: the cable's end that a machine holds as an open descriptor."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from gaoler.errors import Failed

# linux/if_tun.h, linux/sockios.h
_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_TUNSETVNETHDRSZ = 0x400454D8
_SIOCSIFHWADDR = 0x8924
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4, _TUN_F_TSO6 = 0x01, 0x02, 0x04
_ARPHRD_ETHER = 1
_NAME_MAX = 15  # IFNAMSIZ with its NUL

VNET_HEADER = 10  # bytes: struct virtio_net_hdr, what UML's vector driver reads and writes before each frame


def open_tap(name: str, mac: str | None = None) -> int:
    """Make TAP `name`, down, and return its close-on-exec descriptor; the interface is gone with the last copy of it.

    All that needs an ioctl is done here, offloads as UML's own TAP transport sets them, so that the machine's process
    needs none. `mac` is that of the host's end, not the machine's.
    """
    encoded = name.encode()
    if not encoded or len(encoded) > _NAME_MAX or "/" in name:
        raise Failed(
            f"can't make TAP {name!r}",
            f"an interface's name has 1 to {_NAME_MAX} bytes",
            'daemon.prefix = "gaol", in /etc/gaoler/gaoler.toml',
        )
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"can't make TAP {name}", f"/dev/net/tun: {error.strerror}", "modprobe tun") from error
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", encoded, _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
        fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("i", VNET_HEADER))
        fcntl.ioctl(fd, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6)
        if mac is not None:
            _set_mac(encoded, mac)
    except OSError as error:
        os.close(fd)
        why = "the name is in use" if error.errno == errno.EBUSY else error.strerror or str(error)
        raise Failed(f"can't make TAP {name}", why, "ip -br link") from error
    return fd


def _set_mac(name: bytes, mac: str) -> None:
    address = bytes.fromhex(mac.replace(":", ""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFHWADDR, struct.pack("16sH6s16x", name, _ARPHRD_ETHER, address))
