"""A machine that is written to a file and made of it again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile

import pytest

import published
from gaoler.client import Gaoler, archives
from gaoler.daemon.introspection import description
from gaoler.errors import GaolerError
from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]

MAKE = """mkdir -p /srv/mine/sub; echo mine > /srv/mine/sub/file; ln /srv/mine/sub/file /srv/mine/same; ln -s /etc/passwd /srv/mine/link
    chown 1000:1000 /srv/mine/sub; chmod 2750 /srv/mine/sub; mkfifo /srv/mine/pipe; mknod /srv/mine/null c 1 3; chmod 666 /srv/mine/null
    cp /bin/true /srv/mine/suid; chmod 4755 /srv/mine/suid; truncate -s 1G /srv/mine/holes; echo ignored > /run/not-in-it"""
LOOK = """cat /srv/mine/same; stat -c '%u %a' /srv/mine/sub; stat -c %h /srv/mine/same; readlink /srv/mine/link; test -p /srv/mine/pipe && echo pipe
    echo gone > /srv/mine/null; stat -c %F /srv/mine/null | tr ' ' -; stat -c %a /srv/mine/suid; stat -c '%s %b' /srv/mine/holes; hostname
    test ! -e /run/not-in-it; test ! -e ~alice/in-the-home"""


@pytest.fixture(scope="module")
def quiet(gateway, alice):
    with running(gateway, alice, "quiet", "--no-network") as machine:
        yield machine


@pytest.fixture(scope="module")
def archive(gateway, quiet, alice):
    quiet.sh(MAKE)
    gateway.gaol("snapshot", "quiet", "kept", user=alice, check=True)
    done = gateway.gaol("export", "quiet", "quiet.tar.zst", "--json", user=alice, check=True, timeout=240)
    path = alice.home / "quiet.tar.zst"
    yield path, json.loads(done.stdout)
    path.unlink()


@pytest.fixture(scope="module")
def small(archive, alice, tmp_path_factory):
    """Writes an archive of the same machine, with other files."""
    path, _ = archive
    zstd = subprocess.Popen(["zstd", "-q", "-d", "-c", path], stdout=subprocess.PIPE)
    with zstd, tarfile.open(fileobj=zstd.stdout, mode="r|") as whole:
        begin = whole.next()
        machine = whole.extractfile(begin).read()
        zstd.kill()
    directory = tmp_path_factory.mktemp("archives")

    def write(name, *members, size=0, **other):
        described = json.dumps(json.loads(machine) | other).encode()
        files = [("machine.json", tarfile.REGTYPE, described), ("tree", tarfile.DIRTYPE, b""), *members]
        if size:
            files.append(("tree/large", tarfile.REGTYPE, os.urandom(size)))
        files.append(("end.json", tarfile.REGTYPE, json.dumps({"files": len(files) - 1}).encode()))
        with tarfile.open(directory / name, "w") as made:
            for path, kind, data in files:
                info = tarfile.TarInfo(path)
                info.type, info.mode, info.size = kind, 0o755, len(data)
                made.addfile(info, io.BytesIO(data))
        target = alice.home / name
        subprocess.run(["zstd", "-q", "-1", directory / name, "-o", target], check=True)
        target.chmod(0o644)
        return target

    yield write, json.loads(machine)
    for path in directory.iterdir():
        (alice.home / path.name).unlink(missing_ok=True)


def test_a_machine_is_carried_in_a_file(gateway, quiet, archive, alice, bob):
    path, report = archive
    reply = {key: value for key, value in report.items() if key not in ("file", "size")}
    assert (published.read(description()).faults("Export", reply), report["size"]) == ([], path.stat().st_size)
    assert report["left_out"] == len(report["without"])
    state = path.stat()
    assert (state.st_uid, state.st_mode & 0o777, list(alice.home.glob("*.part"))) == (alice.uid, 0o600, [])
    again = gateway.gaol("export", "quiet", "quiet.tar.zst", user=alice)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    there = gateway.gaol("import", "quiet.tar.zst", user=alice)
    assert (there.returncode, 'there is a machine "quiet" already' in there.stderr) == (1, True)
    refused = gateway.gaol("export", f"{alice.name}/quiet", user=bob)
    assert (refused.returncode, refused.stdout) == (3, "")

    try:
        with path.open() as file:
            made = gateway.gaol("import", "-", "moved", user=bob, stdin=file, check=True, timeout=240)
        assert made.stdout == "moved is there, without your home directory (gaol set moved home=on puts it in): gaol up moved\n"
        info, old = gateway.json("info", "moved", user=bob), gateway.json("info", "quiet", user=alice)
        assert (info["state"], info["home"], info["base"], info["address"]) == ("stopped", False, "debian", None)
        assert (info["memory"], info["cpus"]) == (old["memory"], old["cpus"])
        assert 100 << 20 < info["disk_used"] < 500 << 20, "what it takes when all is written, and no more"
        gateway.gaol("up", "moved", user=bob, check=True)
        seen = gateway.gaol("exec", "moved", "--", "sh", "-ec", LOOK, user=bob, check=True).stdout.split()
        wanted = [
            "mine",
            "1000",
            "2750",
            "2",
            "/etc/passwd",
            "pipe",
            "character-special-file",
            "4755",
            str(1 << 30),
            "0",
            "moved",
        ]
        assert seen == wanted
        identity = "cat /etc/machine-id"
        assert gateway.gaol("exec", "moved", "--", "sh", "-c", identity, user=bob).stdout != quiet.sh(identity)
    finally:
        gateway.gaol("rm", "--force", "moved", user=bob)


def test_a_reader_that_goes_ends_the_work(gateway, quiet, alice):
    with Gaoler(str(gateway.socket)) as gaoler:
        replies = gaoler.replies("Export", {"name": f"{alice.name}/quiet"})
        assert list(next(replies)) == ["step"]
        for descriptor in gaoler.descriptors():
            os.close(descriptor)
        with pytest.raises(GaolerError, match="quiet can't be exported"):
            list(replies)
    assert list((gateway.store / ".gaoler/staging").iterdir()) == []


def test_what_is_refused_leaves_nothing(gateway, archive, small, alice):
    write, machine = small
    assert (machine["format"], machine["name"], machine["base"], machine["home"]) == ("gaoler-machine", "quiet", "debian", True)
    assert not [key for key in machine if "owner" in key]
    cut, foreign = alice.home / "cut", alice.home / "foreign"
    cut.write_bytes(archive[0].read_bytes()[: 1 << 20])
    foreign.write_bytes(b"PK\3\4" * 1000)
    hostile = write("hostile", ("tree/sda", tarfile.BLKTYPE, b""))
    tiny = write("tiny", memory=1)
    try:
        for file, why in ((cut, "damaged"), (foreign, "not what gaol export writes"), (hostile, "tree/sda is a device node"),
                          (tiny, "memory 1 is too little: a machine needs 32M\ntry: gaol export --help")):  # fmt: skip
            file.chmod(0o644)
            done = gateway.gaol("import", file.name, "bad", user=alice)
            assert (done.returncode, why in done.stderr) == (1, True), done.stderr
        assert gateway.gaol("import", "nothing", user=alice).returncode == 3
        assert "bad" not in [one["name"] for one in gateway.json("ls", user=alice)]
        assert list((gateway.store / ".gaoler/staging").iterdir()) == []
    finally:
        for file in (cut, foreign):
            file.unlink(missing_ok=True)


def test_the_owners_quota_holds_and_a_killed_daemon_leaves_nothing(gateway, small, alice, monkeypatch):
    write, _ = small
    file = write("large", size=40 << 20).name
    try:
        gateway.restart(limits={"disk": "32M", "memory": "128M"})
        full = gateway.gaol("import", file, "small", user=alice)
        assert (full.returncode, "the archive does not fit" in full.stderr) == (5, True), full.stderr
        monkeypatch.setenv("GAOLER_FAILPOINT", "import.unpacked")
        gateway.restart(limits={"memory": "128M"})
        monkeypatch.delenv("GAOLER_FAILPOINT")
        assert gateway.gaol("import", file, "small", user=alice).returncode == 6
        gateway.process.wait(60)
        gateway.start()
        assert list((gateway.store / ".gaoler/staging").iterdir()) == []
        with Gaoler(str(gateway.socket)) as gaoler, (alice.home / file).open("rb") as archive:
            made = archives.import_(gaoler, archive.read, f"{alice.name}/small")
        assert published.read(description()).faults("Import", made) == []
        assert made["notes"] == ["memory is 128M and not 256M: limits.memory"]
        assert (made["machine"]["name"], made["machine"]["owner"], made["machine"]["state"]) == ("small", alice.name, "stopped")
    finally:
        monkeypatch.delenv("GAOLER_FAILPOINT", raising=False)
        gateway.restart()
        gateway.gaol("rm", "--force", "small", user=alice)
