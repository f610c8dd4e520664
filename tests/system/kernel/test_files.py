"""Files that are not everyday ones: what programs see of them natively is what they see inside, in both modes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from system.support.hostfs_machine import PROGRAMS, machine_fixture, programs_fixture, store_fixture  # noqa: F401
from system.support.kernel_machine import kernel_fixture  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(params=["on", "off"], name="mode")
def mode_fixture(request, machine):
    machine.words = (f"seccomp={request.param}",)
    return request.param


def natively(store: Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=store) as place:
        words = ["/usr/bin/python3", PROGRAMS / "surprises.py", place]
        return lines(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def lines(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines() if line.endswith("]") and " [" in line)


def test_as_natively(machine, mode, store):
    """A table: surprises.py has the cases, and btrfs on this host the values."""
    wanted = natively(store)
    assert len(wanted) >= 9
    found = lines(machine.run("mkdir /test/s; python3 /surprises.py /test/s").replace("\r", ""))
    assert {name: found.get(name) for name in wanted} == wanted


def test_kept_over_a_restart(machine):
    """Flags, attributes beside links, the sticky bit of a node, and a handle of what nobody has looked at since."""
    machine.run(
        """
        cd /test; touch fixed; ln -s nowhere link; mkfifo pipe
        chattr +i fixed
        python3 -c 'import os; os.setxattr("link", "trusted.mine", b"kept", follow_symlinks=False); os.setxattr("pipe", "security.mine", b"too")'
        mknod node b 7 0; chmod 1600 node; mkdir -p deep/er; echo found > deep/er/file; python3 /handle.py take deep/er/file
        """
    )
    console = machine.run(
        """
        cd /test; lsattr fixed; ! rm fixed; chattr -i fixed; rm fixed
        python3 -c 'import os; print(os.getxattr("link", "trusted.mine", follow_symlinks=False) + os.getxattr("pipe", "security.mine"))'
        stat -c ' %A' node; python3 /handle.py open
        test ! -e /.hostfs-attributes; ! ls -a / | grep hostfs-attributes
        rm link pipe deep/er/file; python3 /handle.py open
        """
    )
    for told in ("----i---", "kepttoo", "brw------T", "found", "ESTALE"):
        assert told in console, console
    assert list((machine.root / ".hostfs-attributes").iterdir()) == []


@pytest.fixture
def noexec(machine) -> Iterator[Path]:
    """The home as a jail shows it: nothing in it may be executed by the host."""
    subprocess.run(["mount", "--bind", machine.home, machine.home], check=True)
    subprocess.run(["mount", "-o", "remount,bind,noexec", machine.home], check=True)
    yield machine.home
    subprocess.run(["umount", "--lazy", machine.home], check=True)


@pytest.mark.parametrize(
    ("mode", "acl", "runs"),
    [
        (0o755, None, True),
        (0o700, None, False),
        (0o754, None, False),
        (0o750, None, False),
        (0o700, "u:1000:rx", True),
        (0o755, "u:1000:r", False),
        (0o705, "g:1000:r", False),
        (0o700, "g:1000:rx", True),
        (0o700, "u:1000:rx,m::r", False),
    ],
)
def test_programs_of_others_in_the_home(machine, noexec, mode, acl, runs):
    program = noexec / "program"
    program.write_text("#!/bin/sh\necho it runs\n")
    program.chmod(mode)
    if acl:
        subprocess.run(["setfacl", "-m", acl, program], check=True)
    command = "setpriv --reuid 1000 --regid 1000 --clear-groups ./program"
    console = machine.run(f"mount -c -t hostfs home /home; cd /home; {command} && echo run || echo refused")
    assert ("it runs" in console, "refused" in console) == (runs, not runs), console


def test_core_of_roots_program_in_the_home(machine):
    console = machine.run(
        """
        mount -c -t hostfs home /home; cd /home; ulimit -c unlimited; echo core > /proc/sys/kernel/core_pattern
        sh -c 'kill -SEGV $$' || stat -c 'core %u %a %s' core*
        """
    )
    (core,) = [line.split() for line in console.splitlines() if line.startswith("core ")]
    assert core[1:3] == ["1000", "600"]
    assert int(core[3]) > 10000


def test_what_is_mounted_over_is_refused(machine):
    """As long as the host says so, however it is tried; beside it all is as it was."""
    told = machine.shown / "covered"
    told.write_bytes(b"")
    told.chmod(0o644)
    machine.words = (f"hostfs_covered=home:{told}",)
    for name in ("usb", "usb/below", "usb2"):
        (machine.home / name).mkdir()
        os.chown(machine.home / name, 1000, 1000)
    (machine.home / "usb/file").write_text("underneath")
    started = machine.start(
        """
        mount -c -t hostfs home /home; cd /home; cat usb/file; touch usb/before; echo ready
        until touch later 2>/dev/null && ! touch usb/now 2>/dev/null; do sleep 0.05; done
        try() { if "$@" 2>/dev/null; then echo "done: $*"; exit 1; fi; }
        try touch usb/x; try cat usb/file; try ls usb; try rmdir usb; try mv usb other; try touch usb/below/x; try mv later usb/
        touch usb2/x; mv later usb2; ls; echo refused
        until touch usb/again 2>/dev/null; do sleep 0.05; done
        cat usb/file
        """
    )
    started.wait_for("ready")
    told.write_bytes(b"usb\0")
    started.wait_for("refused")
    told.write_bytes(b"")
    console = started.finish(60)
    assert "EXIT 0" in console, console
    assert {path.name for path in (machine.home / "usb").iterdir()} >= {"below", "file", "before", "again"}
    assert not (machine.home / "usb/x").exists()


def test_who_watches_is_told_what_the_host_changes(machine):
    home = machine.home
    for name in ("log", "shelf/old", "shelf/fixed"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("one\n")
    (home / "shelf/below").mkdir()
    started = machine.start("mount -c -t hostfs home /home; cd /home; python3 /watch.py log shelf")
    started.wait_for("watching")
    with (home / "log").open("a") as log:
        log.write("two\n")
    started.wait_for("told log MODIFY")
    started.wait_for("told log CLOSE_WRITE")
    (home / "shelf/new").write_text("")
    started.wait_for("told shelf CREATE new")
    (home / "shelf/sub").mkdir()
    started.wait_for("told shelf CREATE sub")
    with (home / "shelf/old").open("a") as file:
        file.write("two\n")
    started.wait_for("told shelf MODIFY old")
    (home / "shelf/old").rename(home / "shelf/moved")
    started.wait_for("told shelf MOVED_FROM old")
    started.wait_for("told shelf MOVED_TO moved")
    (home / "shelf/new").unlink()
    started.wait_for("told shelf DELETE new")
    (home / "shelf/fixed").chmod(0o600)
    started.wait_for("told shelf ATTRIB fixed")
    (home / "log").unlink()
    started.wait_for("told log DELETE_SELF")
    (home / "shelf/end").write_text("")
    console = started.finish(30)
    assert "EXIT 0" in console, console


def test_who_watches_is_told_once_of_what_is_done_here(machine):
    """The host has it as well, a round later; and what is not watched any more is let go of."""
    console = machine.run(
        """
        mount -c -t hostfs home /home; cd /home; mkdir shelf; echo one > shelf/old
        python3 /watch.py shelf > /told & while ! grep -q watching /told; do sleep 0.1; done
        echo two >> shelf/old; sleep 1; mkdir shelf/sub; sleep 1; mv shelf/old shelf/new; sleep 1; rm shelf/new; sleep 1
        : > shelf/end; wait; cat /told
        cd /; sleep 1; umount /home; mount -c -t hostfs home /home; ls /home/shelf
        """
    )
    told = [line.split(" ", 2)[2] for line in console.splitlines() if line.startswith("told shelf ")]
    assert told[:-1] == ["MODIFY old", "CLOSE_WRITE old", "CREATE sub", "MOVED_FROM old", "MOVED_TO new", "DELETE new"], console
    assert told[-1] == "CREATE end"


def test_tail_follows_what_the_host_writes(machine):
    (machine.home / "log").write_text("first\n")
    started = machine.start("mount -c -t hostfs home /home; timeout 20 tail -n +1 -f /home/log || true")
    started.wait_for("first")
    with (machine.home / "log").open("a") as log:
        log.write("second\n")
    started.wait_for("second", 5)
