"""BPF as UML has it, interpreted: a map, a program that counts and drops a socket's packets, a limit of a control group."""

import ctypes
import os
import socket
import struct

SYSCALL, SO_ATTACH_BPF = 321, 50
MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, PROG_LOAD, PROG_ATTACH = 0, 1, 2, 5, 8
SOCKET_FILTER, CGROUP_SKB, INGRESS = 1, 8, 0
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(SYSCALL, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return result


def address(data):
    return ctypes.addressof(data)


def instruction(code, registers=0, offset=0, value=0):
    return struct.pack("<BBhi", code, registers, offset, value)


table = bpf(MAP_CREATE, struct.pack("<IIII", 2, 4, 8, 1))  # an array of one 8-byte number
key, value = ctypes.c_uint32(0), ctypes.c_uint64(40)
bpf(MAP_UPDATE, struct.pack("<IxxxxQQQ", table, address(key), address(value), 0))


# if ((n = lookup(table, &0))) (*n)++; return verdict
def counting(verdict):
    return b"".join([
        instruction(0x62, 0x0A, -4, 0),  # *(u32 *)(r10 - 4) = 0
        instruction(0xBF, 0xA2),  # r2 = r10
        instruction(0x07, 0x02, 0, -4),  # r2 += -4
        instruction(0x18, 0x11, 0, table), instruction(0),  # r1 = the map
        instruction(0x85, 0, 0, 1),  # call bpf_map_lookup_elem
        instruction(0x15, 0x00, 2),  # if r0 == 0 skip 2
        instruction(0xB7, 0x01, 0, 1),  # r1 = 1
        instruction(0xDB, 0x10),  # lock *(u64 *)r0 += r1
        instruction(0xB7, 0x00, 0, verdict), instruction(0x95),
    ])  # fmt: skip


def load(kind, program):
    log = ctypes.create_string_buffer(1 << 16)
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"GPL")
    words = struct.pack("<IIQQIIQ", kind, len(program) // 8, address(code), address(licence), 1, len(log), address(log))
    try:
        return bpf(PROG_LOAD, words)
    except OSError as error:
        raise SystemExit(f"{error}\n{log.value.decode()}") from None


def arrives(receiver):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", receiver.getsockname())
    try:
        return receiver.recv(1) == b"x"
    except TimeoutError:
        return False


def receiver():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(0.2)
    return made


filtered = receiver()
assert arrives(filtered)
filtered.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, load(SOCKET_FILTER, counting(0)))
assert not arrives(filtered)
bpf(MAP_LOOKUP, struct.pack("<IxxxxQQQ", table, address(key), address(value), 0))
assert value.value == 41, value.value

os.makedirs("/sys/fs/cgroup/closed", exist_ok=True)
group = os.open("/sys/fs/cgroup/closed", os.O_RDONLY | os.O_DIRECTORY)
bpf(PROG_ATTACH, struct.pack("<IIII", group, load(CGROUP_SKB, counting(0)), INGRESS, 0))
assert arrives(receiver())
with open("/sys/fs/cgroup/closed/cgroup.procs", "w") as processes:
    processes.write("0")
assert not arrives(receiver())
