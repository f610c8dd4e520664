"""Archives of machines: packed and unpacked, and what is refused."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager

import pytest

from gaoler.errors import Failed
from gaoler.machines import packing, portable, unpacking

UID, GID = os.getuid(), os.getgid()


@contextmanager
def streams():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as sink:
        yield source, sink


def packed(tree):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        packing.Packing(archive).run('{"a": 1}', str(tree))
    return content.getvalue()


def unpacked(content, tree):
    tree.mkdir()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|", errors="surrogateescape") as archive:
        unpacking.Unpacking(archive, str(tree)).run()


def test_what_was_packed_is_unpacked(tmp_path, capsys):
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "etc/empty").mkdir(parents=True)
    (old / "etc/file").write_text("x" * 70000)
    (old / "etc/file").chmod(0o4755)
    os.link(old / "etc/file", old / "same")
    with (old / "holes").open("wb") as file:
        file.truncate(64 << 20)
    os.mkfifo(old / "pipe", 0o640)
    os.symlink("../away/../../x", old / "link")
    (old / os.fsdecode(b"na\xffme\n")).write_text("")
    os.utime(old / "etc", ns=(5_123_456_789, 5_123_456_789))
    os.setxattr(old / "same", "user.colour", b"\xff\0=\nred")
    unpacked(packed(old), new)
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {"machine": '{"a": 1}'}
    assert sorted(os.listdir(new)) == sorted(os.listdir(old))
    assert (new / "same").stat().st_ino == (new / "etc/file").stat().st_ino
    assert (new / "etc/file").stat().st_mode == (old / "etc/file").stat().st_mode
    assert (new / "etc").stat().st_mtime_ns == 5_123_456_789
    assert os.getxattr(new / "etc/file", "user.colour") == b"\xff\0=\nred"
    assert os.readlink(new / "link") == "../away/../../x"
    holes = (new / "holes").stat()
    assert (holes.st_size, holes.st_blocks) == (64 << 20, 0)
    assert (new / "pipe").stat().st_mode == (old / "pipe").stat().st_mode


def member(name, kind=tarfile.REGTYPE, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.uid, info.gid, info.size = kind, UID, GID, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def archive(*members, machine='{"a": 1}', count=None):
    content = io.BytesIO()
    told = len(members) + 1 if count is None else count
    everything = [member("machine.json", data=machine.encode()), member("tree", tarfile.DIRTYPE, mode=0o755), *members]
    everything.append(member("end.json", data=json.dumps({"files": told}).encode()))
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as made:
        for info, data in everything:
            made.addfile(info, io.BytesIO(data))
    return content.getvalue()


LINK = member("tree/link", tarfile.SYMTYPE, linkname="/etc")
HOSTILE = {
    "device node": [member("tree/null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "is not a path": [member("/tree/passwd")],
    "not a path": [member("tree/../passwd")],
    "path in a machine's tree": [member("etc/passwd")],
    "does not lie in a directory": [LINK, member("tree/link/passwd")],
    "not lie in a directory of the archive": [member("tree/a/b")],
    "in it twice": [member("tree/a"), member("tree/a")],
    "which is not in the archive": [LINK, member("tree/hard", tarfile.LNKTYPE, linkname="tree/link")],
    "not a path in a machine's tree": [member("tree/hard", tarfile.LNKTYPE, linkname="/etc/shadow")],
    "belongs to 65536:0": [member("tree/suid", uid=65536, gid=0, mode=0o4755)],
    "belongs to -1": [member("tree/suid", uid=-1)],
    "the attribute trusted.overlay": [member("tree/a", pax_headers={"SCHILY.xattr.trusted.overlay": "y"})],
    "the attribute security.capability": [member("tree/a", pax_headers={"SCHILY.xattr.security.capability": "y" * 24})],
    "keeps for itself": [member("tree/.hostfs-attributes", tarfile.DIRTYPE)],
    "of a kind": [member("tree/a", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "1099511627776"})],
    "is too long": [member("tree/" + "a" * 300)],
}


@pytest.mark.parametrize("why", HOSTILE)
def test_what_no_machine_has_is_refused(tmp_path, why):
    with pytest.raises(unpacking.Refused, match=why):
        unpacked(archive(*HOSTILE[why]), tmp_path / "tree")
    assert not (tmp_path / "passwd").exists()


def test_absurd_sizes_are_refused_before_they_are_made(tmp_path):
    info = tarfile.TarInfo("tree/large")
    info.uid, info.gid, info.size = UID, GID, 1 << 50
    content = archive()[:1536] + info.tobuf(tarfile.PAX_FORMAT)  # machine.json and the tree, then a file that never comes
    with pytest.raises(unpacking.Refused, match="1125899906842624 bytes"):
        unpacked(content + b"\0" * 4096, tmp_path / "tree")


@pytest.mark.parametrize("content", [archive(count=7), archive()[:2048] + b"\0" * 10240, archive(member("tree/a"))[:-9000]])
def test_one_that_was_cut_short_is_no_machine(tmp_path, content):
    with pytest.raises((unpacking.Refused, tarfile.TarError)):
        unpacked(content, tmp_path / "tree")


def test_what_is_no_archive_is_refused(tmp_path):
    program = unpacking.__file__
    with streams() as (source, sink):
        threading.Thread(target=lambda: (sink.write(b"PK\3\4 foreign" * 1000), sink.close())).start()
        done = subprocess.run(
            [sys.executable, "-IS", program, str(source.fileno())], pass_fds=(source.fileno(),), capture_output=True, text=True
        )
    assert done.returncode == 3
    assert "not what gaol export writes" in json.loads(done.stdout)["refused"]


GOOD = json.loads(portable.describe("web", "debian", "1", {"memory": 1 << 28, "cpus": 0.5, "disk": None, "ttl": 60, "pids": 9,
    "init": "systemd", "mode": "seccomp", "home": True, "network": False}))  # fmt: skip


def test_a_machine_says_what_it_is():
    found = portable.read(json.dumps(GOOD))
    assert (found.name, found.base) == ("web", "debian")
    assert found.wishes.said() == {
        "memory": 1 << 28,
        "cpus": 0.5,
        "ttl": 60,
        "init": "systemd",
        "mode": "seccomp",
        "network": False,
    }
    assert "pids" not in GOOD


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[" * 5000, json.dumps(GOOD | {"format": "x"}), json.dumps(GOOD | {"version": 2}),
     json.dumps(GOOD).replace('"version": 1', '"version": 1e999'),
     json.dumps(GOOD | {"name": "../x"}), json.dumps(GOOD | {"base": "../../etc"})],
)  # fmt: skip
def test_a_description_that_is_none_is_refused(text):
    with pytest.raises(Failed, match="can't be imported"):
        portable.read(text)


def test_values_of_another_kind_are_nobodys_wish():
    strange = {"memory": "1G", "cpus": True, "disk": 1.5, "ttl": [], "network": 1, "init": "evil", "mode": None}
    assert portable.read(json.dumps(GOOD | strange)).wishes.said() == {}


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "{}", "3", '{"end": true}', '{"end": true, "files": "many", "bytes": 1}', '{"end": true, "files": null, "bytes": 1}', '{"files": 1, "bytes": 1}']
)  # fmt: skip
def test_a_program_that_does_not_say_what_it_did_has_not_done_it(line):
    words = portable._Words("packing", lambda _: None)
    words.hear(line)
    with pytest.raises(Failed, match="not whole"):
        words.end("files", "bytes")


def test_what_a_program_says_is_short_and_of_one_line_and_a_machine_is_told_once():
    began = []
    words = portable._Words("unpacking", lambda _: None, began.append)
    for said in ({"machine": "one"}, {"machine": "two"}, {"path": "a\x1b[2J\nb" + "x" * 9000, "why": []}, {"end": True, "files": 3}):
        words.hear(json.dumps(said))
    assert (began, words.end("files")) == (["one"], [3])
    (told,) = words.without
    assert told.isprintable() and len(told) <= 500
