"""A machine's description in a file: what it says, and every mistake in it with its line."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pytest

from gaoler.cli import furnish, recipe
from gaoler.errors import Failed, NotFound, Usage

WHOLE = '''\
name = "course"
base = "debian"
memory = "1G"
cpus = 2
disk = "never"
ttl = "8h"
home = false
init = "systemd"
packages = ["git", "python3-venv", "git"]
setup = """
echo one
"""

[files]
"/etc/motd" = "motd"
"/srv/app" = "app"
'''


@pytest.fixture
def written(tmp_path):
    (tmp_path / "app/sub").mkdir(parents=True)
    (tmp_path / "motd").write_text("hello\n")
    (tmp_path / "app/sub/run").write_text("#!/bin/sh\n")

    def write(text):
        path = tmp_path / "gaol.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_whole_one(written, tmp_path):
    found = recipe.read(written(WHOLE))
    assert (found.name, found.base, found.packages, found.setup) == ("course", "debian", ("git", "python3-venv"), b"echo one\n")
    assert found.shape == {"memory": 1 << 30, "cpus": 2.0, "disk": 0, "ttl": 8 * 3600, "home": False, "init": "systemd"}
    assert found.files == {"/etc/motd": tmp_path / "motd", "/srv/app/sub/run": tmp_path / "app/sub/run"}
    assert found.spec == {
        "base": "debian", "memory": 1 << 30, "cpus": 2.0, "ttl": 8 * 3600, "home": False, "init": "systemd"
    }  # fmt: skip


MISTAKES = {
    'memory = "1Q"': 'memory: "1Q" is not a size: a number and one of K M G T',
    "memory = 1024": 'memory must be text, in quotes, such as "1G"',
    'cpus = "2"': "cpus must be a number, such as 2 or 0.5",
    "cpus = true": "cpus must be a number, such as 2 or 0.5",
    'ttl = "2"': 'ttl: "2" has no unit: s, m, h, d and w are: seconds to weeks',
    'home = "no"': "home must be true or false",
    'init = "openrc"': "init must be startenv or systemd",
    'memori = "1G"': "unknown key memori, did you mean memory?",
    'ports = ["80:80"]': "there is no ports: a machine has an address of its own, and all of its ports are reached there",
    'packages = "git"': 'packages must be a list of names, ["git", "make"]',
    'packages = ["git",\n  "-o=evil"]': 'packages: "-o=evil" is not the name of a package',
    'setup = "missing.sh"': "setup names missing.sh, and there is no such file beside gaol.toml",
    'setup = "/etc/hostname"': "setup names /etc/hostname, which is not in the directory of gaol.toml",
    'setup = "../x"': "setup names ../x, which is not in the directory of gaol.toml",
    'files = ["motd"]': 'files must be a section of its own, [files], with lines such as "/etc/motd" = "motd"',
    '[files]\n"etc/motd" = "motd"': "files: etc/motd must be a path in the machine, from / on",
    '[files]\n"/etc/../motd" = "motd"': "files: /etc/../motd must be a path in the machine, from / on",
    '[files]\n"/etc/motd" = "gone"': "files: /etc/motd is to be gone, and there is no such file beside gaol.toml",
    '[files]\n"/etc/motd" = 1': "files: /etc/motd must be the name of a file or directory, in quotes",
    '[files]\n"/etc/motd" = "link"': "files: /etc/motd names link, which is not in the directory of gaol.toml",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_line(written, tmp_path, text):
    (tmp_path / "link").symlink_to("/etc/hostname")
    path = written(f'base = "debian"\n{text}\n')
    with pytest.raises(Usage) as error:
        recipe.read(path)
    line = 2 + text.count("\n")
    assert (error.value.what, error.value.why) == ("the file has a mistake", f"{path}:{line}: {MISTAKES[text]}")


def test_all_mistakes_are_told(written):
    path = written("memory = 1\nbase = 2\nnonsense = 3\n")
    with pytest.raises(Usage, match="the file has 3 mistakes") as error:
        recipe.read(path)
    assert [line.split(":")[1] for line in error.value.why.splitlines()[1:]] == ["1", "2", "3"]


def test_what_is_not_toml_is_told_with_its_place(written):
    with pytest.raises(Usage, match=r"is not TOML: .*line 2, column"):
        recipe.read(written("a = 1\nb = \n"))
    with pytest.raises(NotFound):
        recipe.read("/nowhere/gaol.toml")


def test_options_beside_it_are_refused(daemon, gaol, tmp_path):
    done = gaol("up", "web", "--from", "gaol.toml", "--memory", "1G")
    assert (done.returncode, daemon.calls) == (2, [])
    assert done.stderr.splitlines()[0] == (
        "gaol: --memory can't be combined with --from: the file says what the machine is to be: put memory into it"
    )


def test_several_mistakes_stand_below_each_other(daemon, gaol, written):
    path = written("base = 2\nnonsense = 3\n")
    first, *lines = gaol("up", "web", "--from", path).stderr.splitlines()
    assert first == "gaol: the file has 2 mistakes:"
    assert [line.partition("gaol.toml:")[2][:2] for line in lines[:2]] == ["1:", "2:"]


def test_what_cannot_be_looked_at_is_a_mistake_with_its_line(written, tmp_path):
    long = "x" * 300
    (tmp_path / "app/elsewhere").symlink_to("sub")
    path = written(f'setup = "{long}"\n\n[files]\n"/etc/nul" = "a\\u0000b"\n"/etc/long" = "{long}"\n"/srv/app" = "app"\n"/a\\u0000b" = "motd"\n')
    with pytest.raises(Usage) as error:
        recipe.read(path)
    assert [line.removeprefix(f"{path}:") for line in error.value.why.splitlines()[1:]] == [
        "1: files: /a\x00b must be a path in the machine, from / on",
        f"1: setup can't be read: {long[:60]}: File name too long",
        "4: files: /etc/nul can't be read: embedded null byte",
        f"5: files: /etc/long can't be read: {long[:60]}: File name too long",
        "6: files: /srv/app would bring elsewhere, which is a link to a directory",
    ]


@pytest.fixture
def nobody():
    """Not root, whom nothing is unreadable for; and a directory that anybody reaches."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory), lambda: os.seteuid(65534 if os.getuid() == 0 else os.getuid())
        os.seteuid(os.getuid())


def test_what_may_not_be_read_is_a_mistake_with_its_line(nobody):
    directory, become = nobody
    (directory / "app/closed").mkdir(parents=True)
    for name in ("setup", "app/file"):
        (directory / name).write_text("mine\n")
        (directory / name).chmod(0)
    (directory / "other").mkdir()
    (directory / "other/closed").mkdir(mode=0)
    path = directory / "gaol.toml"
    path.write_text('setup = "setup"\n[files]\n"/etc/one" = "app/file"\n"/srv/app" = "app"\n"/srv/other" = "other"\n')
    become()
    with pytest.raises(Usage) as error:
        recipe.read(str(path))
    assert [line.removeprefix(f"{path}:") for line in error.value.why.splitlines()[1:]] == [
        "1: setup can't be read: setup: Permission denied",
        "3: files: /etc/one can't be read: file: Permission denied",
        "4: files: /srv/app can't be read: file: Permission denied",
        "5: files: /srv/other can't be read: closed: Permission denied",
    ]


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_what_python_cannot_read_is_not_toml(written, text):
    with pytest.raises(Usage, match="is not TOML"):
        recipe.read(written(text))


def test_a_file_that_went_meanwhile_is_told(tmp_path):
    for work in (furnish._state, lambda path: furnish._pack({"/etc/motd": path}, io.BytesIO())):
        with pytest.raises(Failed, match="gone can't be read: No such file or directory"):
            work(tmp_path / "gone")
