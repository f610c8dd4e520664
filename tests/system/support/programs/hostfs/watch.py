"""`watch.py PATH...`: watches with inotify, prints each event as `told PATH EVENT NAME`, and ends with one of the name `end`."""

import ctypes
import os
import struct
import sys

EVENTS = {
    0x2: "MODIFY",
    0x4: "ATTRIB",
    0x8: "CLOSE_WRITE",
    0x40: "MOVED_FROM",
    0x80: "MOVED_TO",
    0x100: "CREATE",
    0x200: "DELETE",
    0x400: "DELETE_SELF",
    0x8000: "IGNORED",
}
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
paths = {libc.inotify_add_watch(fd, path.encode(), sum(EVENTS) & 0xFFF): path for path in sys.argv[1:]}
print("watching", flush=True)
while True:
    data = os.read(fd, 65536)
    while data:
        watch, mask, cookie, length = struct.unpack("iIII", data[:16])
        name = data[16 : 16 + length].rstrip(b"\0").decode()
        events = " ".join(event for bit, event in EVENTS.items() if mask & bit)
        print("told", paths[watch], events, name, flush=True)
        data = data[16 + length :]
        if name == "end":
            sys.exit(0)
