"""What programs see of files that are not everyday ones: `surprises.py DIRECTORY` prints a line a case, `NAME VALUE`.

Run on the host and inside, as root: what is the same there is no surprise. Standard library alone.
"""

import ctypes
import errno
import fcntl
import os
import signal
import socket
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
APPEND, IMMUTABLE, NODUMP = 0x20, 0x10, 0x40
NAME_TO_HANDLE, OPEN_BY_HANDLE = 303, 304
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
TRUNCATE, WRITE_FILE = 1 << 14, 1 << 1
cases = {}


def case(function):
    cases[function.__name__] = function
    return function


def tried(function, *arguments, **named):
    """What a call answers: its value, or the name of its error."""
    try:
        return function(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]


def call(number, *arguments):
    answer = libc.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), "")
    return answer


def make(name, text=b""):
    with open(name, "wb") as file:
        file.write(text)
    return name


def read(name):
    with open(name, "rb") as file:
        return file.read()


def in_child(function):
    """The last line that a child writes: what it changes of itself stays with it."""
    reading, writing = os.pipe()
    if not os.fork():
        os.write(writing, str(tried(function)).encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    with open(reading) as file:
        return file.read()


@case
def node_modes():
    seen = []
    for mode in (0o600, 0o1666, 0o6755, 0o7777):
        os.mknod("node", stat.S_IFCHR | mode, os.makedev(1, 3))
        os.chmod("node", mode)
        seen.append(oct(os.stat("node").st_mode))
        os.unlink("node")
    os.mknod("node", stat.S_IFBLK | 0o1600, os.makedev(7, 0))
    seen.append(oct(os.stat("node").st_mode))
    os.chmod("node", 0o600)
    seen.append(oct(os.stat("node").st_mode))
    os.rename("node", "renamed")
    os.chmod("renamed", 0o1640)
    return [*seen, oct(os.stat("renamed").st_mode), os.stat("renamed").st_rdev]


@case
def leases():
    with open(make("lease"), "rb") as reading:
        one = tried(fcntl.fcntl, reading, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        two = tried(fcntl.fcntl, reading, fcntl.F_GETLEASE)
    with open("lease", "r+b") as writing:
        three = tried(fcntl.fcntl, writing, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        four = tried(os.open, "lease", os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(writing, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return [one, two, three, four]


def flags(name, wanted=None):
    fd = os.open(name, os.O_RDONLY)
    try:
        there = struct.unpack("l", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8)))[0]
        if wanted is None:
            return there & (APPEND | IMMUTABLE | NODUMP)
        return fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", there & ~(APPEND | IMMUTABLE | NODUMP) | wanted)) and 0
    finally:
        os.close(fd)


@case
def immutable():
    make("fixed", b"one")
    seen = [tried(flags, "fixed"), tried(flags, "fixed", IMMUTABLE), tried(flags, "fixed")]
    seen += [tried(os.open, "fixed", os.O_WRONLY), tried(os.unlink, "fixed"), tried(os.rename, "fixed", "other")]
    seen += [
        tried(os.link, "fixed", "other"),
        tried(os.chmod, "fixed", 0),
        tried(os.truncate, "fixed", 0),
        tried(os.chown, "fixed", 1, 1),
    ]
    return [*seen, tried(flags, "fixed", 0), tried(os.unlink, "fixed")]


@case
def append_only():
    make("log", b"one")
    seen = [
        tried(flags, "log", APPEND),
        tried(os.open, "log", os.O_WRONLY),
        tried(os.open, "log", os.O_WRONLY | os.O_APPEND | os.O_TRUNC),
    ]
    fd = os.open("log", os.O_WRONLY | os.O_APPEND)
    seen += [os.write(fd, b"two"), tried(os.ftruncate, fd, 0), tried(os.unlink, "log"), read("log")]
    return [*seen, tried(flags, "log", 0), tried(os.unlink, "log")]


@case
def directory_flags():
    os.mkdir("shelf")
    make("shelf/old")
    seen = [
        tried(flags, "shelf", APPEND),
        tried(make, "shelf/new"),
        tried(os.unlink, "shelf/old"),
        tried(os.rename, "shelf/old", "x"),
    ]
    return [*seen, tried(flags, "shelf", NODUMP), tried(flags, "shelf"), tried(os.unlink, "shelf/old")]


@case
def attributes_of_links_and_sockets():
    os.symlink("nowhere", "link")
    os.mkfifo("pipe")
    socket.socket(socket.AF_UNIX).bind("socket")
    seen = []
    for name in ("link", "pipe", "socket"):
        # Newer kernels than the host's may take user.* on sockets, too.
        attributes = ("trusted.test", "security.test", *(["user.test"] if name != "socket" else []))
        seen += [tried(os.setxattr, name, attribute, b"value", 0, **NOFOLLOW) for attribute in attributes]
        seen.append(tried(os.getxattr, name, "security.test", **NOFOLLOW))
        seen.append(sorted(attribute for attribute in os.listxattr(name, **NOFOLLOW)))
        os.rename(name, f"{name}.renamed")
        os.removexattr(f"{name}.renamed", "security.test", **NOFOLLOW)
        seen.append(tried(os.getxattr, f"{name}.renamed", "trusted.test", **NOFOLLOW))
        seen.append(tried(os.getxattr, f"{name}.renamed", "security.test", **NOFOLLOW))
        os.unlink(f"{name}.renamed")
    return seen


@case
def handles():
    size = 128
    os.mkdir("below")
    make("below/file", b"by handle")
    seen = []
    for name in ("below/file", "below"):
        handle = ctypes.create_string_buffer(struct.pack("Ii", size, 0) + bytes(size))
        mount = ctypes.c_int()
        seen.append(tried(call, NAME_TO_HANDLE, -100, name.encode(), handle, ctypes.byref(mount), 0))
        place = os.open(".", os.O_RDONLY)
        fd = tried(call, OPEN_BY_HANDLE, place, handle, os.O_RDONLY)
        seen.append(os.fstat(fd).st_ino == os.stat(name).st_ino if isinstance(fd, int) else fd)
    os.unlink("below/file")
    os.rmdir("below")
    return seen


@case
def splice_of_a_last_page():
    seen = []
    for length in (1, 4095, 4096 + 100, 3 * 4096 + 1):
        make("data", os.urandom(length))
        reading, writing = os.pipe()
        with open("data", "rb") as file:
            while moved := os.splice(file.fileno(), writing, 1 << 16):
                seen.append(moved if os.read(reading, 1 << 16) else "nothing")
            seen.append(moved)
        # The other way: part of a page, in the middle and at the end.
        os.write(writing, b"x" * 100)
        with open("data", "r+b") as file:
            seen.append(os.splice(reading, file.fileno(), 100, offset_dst=length - 1))
        seen.append(os.stat("data").st_size - length)
        seen.append(read("data")[-101:-1].count(b"x"))
        os.close(reading), os.close(writing)
    return seen


@case
def splice_of_devices():
    seen = []
    for number in (5, 7):  # /dev/zero, /dev/full
        os.mknod("device", stat.S_IFCHR | 0o666, os.makedev(1, number))
        for length in (1, 4096, 5000, 65535):
            reading, writing = os.pipe()
            with open("device", "rb") as file:
                seen.append(tried(os.splice, file.fileno(), writing, length))
            seen.append(os.read(reading, length).count(0))
            os.close(reading), os.close(writing)
        os.unlink("device")
    return seen


def confined(rights, attempt):
    return lambda: (confine(rights), attempt())[1]


def confine(rights):
    ruleset = call(LANDLOCK_CREATE, struct.pack("Q", TRUNCATE | WRITE_FILE), 8, 0)
    parent = os.open("may", os.O_PATH)
    call(LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", rights, parent), 0)
    libc.prctl(38, 1, 0, 0, 0)
    call(LANDLOCK_RESTRICT, ruleset, 0)


@case
def landlock_truncates():
    os.mkdir("may")
    seen = []
    for rights in (WRITE_FILE, WRITE_FILE | TRUNCATE):
        for name, attempt in {
            "truncate": lambda: os.truncate("may/file", 1),
            "open": lambda: os.close(os.open("may/file", os.O_WRONLY | os.O_TRUNC)),
            "ftruncate": lambda: os.ftruncate(os.open("may/file", os.O_WRONLY), 1),
            "creat": lambda: os.close(os.open("may/new", os.O_WRONLY | os.O_TRUNC | os.O_CREAT)),
        }.items():
            make("may/file", b"text")
            seen.append(f"{name} {in_child(confined(rights, attempt))}")
    return seen


NOFOLLOW = {"follow_symlinks": False}


def main():
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # who holds a lease is told so
    os.chdir(sys.argv[1])
    for name in sys.argv[2:] or cases:
        os.mkdir(name)
        os.chdir(name)
        print(name, tried(cases[name]), flush=True)
        os.chdir("..")


main()
