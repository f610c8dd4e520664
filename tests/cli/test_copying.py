"""What a machine may put into the tar stream of `cp`, and what of it arrives."""

import io
import os
import subprocess
import tarfile

import pytest

from gaoler.cli.copy import _leave_out, _scratch

NOBODY = 65534


def unpacked(tmp_path, *members):
    """A directory that GNU tar has unpacked these in as `cp` has it do, as somebody who is not root."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, kind, mode in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.linkname = kind, mode, "/etc/shadow" if kind == tarfile.SYMTYPE else ""
            out.addfile(member)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    if os.getuid() == 0:
        os.chown(scratch, NOBODY, NOBODY)
    argv = ["tar", "-xf", "-", "--no-same-owner", "--no-same-permissions", "-C", "."]
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run(argv, input=stream.getvalue(), cwd=scratch, check=True, **user)
    return scratch


def as_somebody(work):
    """Do it in a process that root's rights don't help; how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("mode", [0o000, 0o300, 0o311, 0o700])
def test_no_link_arrives_in_a_directory_that_can_not_be_read(tmp_path, mode):
    for part in (tmp_path, *list(tmp_path.parents)[:3]):
        part.chmod(part.stat().st_mode | 0o111)
    scratch = unpacked(tmp_path, ("t", tarfile.DIRTYPE, 0o755), ("t/d", tarfile.DIRTYPE, mode), ("t/d/l", tarfile.SYMTYPE, 0o777))
    os.chdir(scratch)
    assert as_somebody(lambda: _leave_out(".", links=False)) == 0
    assert not os.path.lexists(scratch / "t/d/l")
    assert (scratch / "t/d").is_dir()


def test_a_tree_however_deep_is_looked_through_and_removed(tmp_path):
    deep = "/".join(["d"] * 1500)
    with _scratch(tmp_path) as scratch:
        where = os.open(scratch, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("d", dir_fd=where)
            below = os.open("d", os.O_RDONLY, dir_fd=where)
            os.close(where)
            where = below
        os.symlink("/etc", "link", dir_fd=where)
        os.close(where)
        assert _leave_out(scratch, links=False) == [f"{deep}/link"]
    assert list(tmp_path.iterdir()) == []
