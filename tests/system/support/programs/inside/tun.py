"""A host behind a TUN device: this program, which answers one ping as 10.3.0.2 would."""

import fcntl
import struct
import subprocess

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ECHO_REQUEST, ICMP = 8, 1

with open("/dev/net/tun", "r+b", buffering=0) as tun:
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "address", "add", "10.3.0.1/24", "dev", "tun0"], check=True)
    subprocess.run(["ip", "link", "set", "tun0", "up"], check=True)
    ping = subprocess.Popen(["ping", "-q", "-c1", "-W5", "10.3.0.2"])
    while True:
        packet = bytearray(tun.read(2000))
        if packet[0] >> 4 == 4 and packet[9] == ICMP and packet[20] == ECHO_REQUEST:
            break
    packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
    checksum = struct.unpack_from("!H", packet, 22)[0] + (ECHO_REQUEST << 8)  # RFC 1624: the type becomes 0
    struct.pack_into("!H", packet, 22, (checksum & 0xFFFF) + (checksum >> 16))
    packet[20] = 0
    tun.write(packet)
    raise SystemExit(ping.wait())
