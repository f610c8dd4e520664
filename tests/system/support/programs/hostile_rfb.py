"""Stands where a machine's desktop would: an RFB server that means no good (RFC 6143). The file /root/what says how."""

import os
import struct
import sys
from pathlib import Path

what = Path("/root/what").read_text().strip()
out = sys.stdout.buffer


def say(data):
    out.write(data)
    out.flush()


def hear(size):
    got = b""
    while len(got) < size:
        data = os.read(0, size - len(got))
        if not data:
            sys.exit(0)
        got += data
    return got


if what == "noise":
    say(os.urandom(1 << 20))
    sys.exit(0)
if what == "silence":
    hear(1 << 30)
say(b"RFB 003.008\n")
hear(12)
if what == "reason":
    text = b"<img src=x onerror=document.title='evil'>" * 1000
    say(b"\x00" + struct.pack(">I", len(text)) + text)
    sys.exit(0)
say(b"\x01\x01")
hear(1)
say(struct.pack(">I", 0))
hear(1)
width, height = (65535, 65535) if what == "huge" else (64, 48)
name = b"<script>document.title='evil'</script>" * (20000 if what == "name" else 1)
say(struct.pack(">HHBBBBHHHBBB3xI", width, height, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0, len(name)) + name)
if what == "clipboard":
    for _ in range(100):
        say(b"\x03\0\0\0" + struct.pack(">I", 4) + b"evil")
if what == "endless":
    say(b"\x03\0\0\0" + struct.pack(">I", 0xFFFFFFF0))
    while True:
        say(b"x" * 65536)
if what == "outside":
    say(b"\x00\0" + struct.pack(">HHHHHi", 3, 60000, 60000, 60000, 60000, 7) + b"\0" * 64)
if what == "flood":
    while True:
        say(b"\x02" * 4096)
hear(1 << 30)
