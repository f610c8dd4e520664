"""The program is copied in one step, starts without the checkout, and is replaced only when it changed."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from gaoler import places
from gaoler.cli.made.__main__ import INSTALLED
from gaoler.setup import daemon, install, purge
from gaoler.setup.settings import Settings


@pytest.fixture
def tree(tmp_path):
    """A small checkout."""
    tree = tmp_path / "checkout"
    for name in ("src/gaoler/cli/made", "src/gaoler/__pycache__", "kernel", "guest/bin", "packaging", "docs"):
        (tree / name).mkdir(parents=True)
    (tree / "src/gaoler/__init__.py").write_text("")
    (tree / "src/gaoler/__pycache__/stale.pyc").write_text("")
    (tree / "src/gaoler/cli/__init__.py").write_text("")
    program = "import sys\ndef main():\n    print(*sys.argv[1:], len(sys.modules) < 60)\n    return 7\n"
    (tree / "src/gaoler/cli/main.py").write_text(program)
    (tree / "src/gaoler/cli/made/__init__.py").write_text("")
    made = "import pathlib, sys\npathlib.Path(sys.argv[1], 'share').mkdir()\npathlib.Path(sys.argv[1], 'share/made').write_text(__file__)\n"
    (tree / "src/gaoler/cli/made/__main__.py").write_text(made.replace("mkdir()", "mkdir(exist_ok=True)"))
    (tree / "guest/bin/startenv").write_text("#!/bin/sh\n")
    (tree / "guest/bin/startenv").chmod(0o700)
    for name in ("pyproject.toml", "LICENSE", "kernel/series", "packaging/gaoler.service", "docs/design.md"):
        (tree / name).write_text(name)
    return tree


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "prefix", tmp_path / "cache", tmp_path / "gaoler.toml")


def test_the_command_runs_when_the_checkout_is_gone(tree, settings):
    install.install(tree, settings)
    assert install.is_current(tree, settings)
    shutil.rmtree(tree)
    done = subprocess.run([settings.commands / "gaol", "ls", "-a"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "ls -a True\n", "")


def test_modes_are_not_the_checkout_s(tree, settings):
    (tree / "LICENSE").chmod(0o600)
    place = install.install(tree, settings)
    modes = {path.relative_to(place): path.stat().st_mode & 0o777 for path in install.shipped(place)}
    assert {str(path): oct(mode) for path, mode in modes.items() if mode != 0o644} == {"guest/bin/startenv": "0o755"}
    assert not list(place.rglob("stale.pyc"))
    assert list((place / "src").rglob("main.*.pyc"))


@pytest.mark.parametrize("change", ["content", "mode", "name"])
def test_a_change_is_seen_and_replaces(tree, settings, change):
    first = install.install(tree, settings)
    path = tree / "kernel/series"
    if change == "content":
        path.write_text("7.3\n")
    elif change == "mode":
        path.chmod(0o755)
    else:
        path.rename(tree / "kernel/list")
    assert not install.is_current(tree, settings)
    second = install.install(tree, settings)
    assert second != first
    assert os.path.realpath(settings.current) == str(second)
    assert first.exists()  # the daemon may still be running it
    (tree / "LICENSE").write_text("3")
    third = install.install(tree, settings)
    assert sorted(path.name for path in settings.library.iterdir()) == sorted(["current", second.name, third.name])


def test_a_damaged_command_is_not_current(tree, settings):
    install.install(tree, settings)
    (settings.commands / "gaol").write_text("#!/bin/false\n")
    assert not install.is_current(tree, settings)


def test_documents_come_from_what_is_installed(tree, settings):
    place = install.install(tree, settings)
    assert (settings.prefix / "share/made").read_text() == str(place / "src/gaoler/cli/made/__main__.py")
    assert (settings.documents / "design.md").read_text() == "docs/design.md"


def test_what_is_made_is_known_to_purge(tmp_path):
    settings = Settings(tmp_path, tmp_path / "cache", tmp_path / "gaoler.toml")
    assert {tmp_path / name for name in INSTALLED} | {settings.manual("gaoler.8"), settings.manual("gaoler.toml.5")} == set(
        settings.made
    )


def test_whatever_is_made_in_a_cache_is_known_to_purge():
    """By its own name, since the directory may hold other things."""
    sources = [path.read_text() for path in (places.TREE / "src/gaoler").rglob("*.py")]
    made = {name for text in sources for name in re.findall(r'\bcache(?:_dir)? / "([\w.-]+)"', text)}
    kept_for_a_while = {f"{name}*" for text in sources for name in re.findall(r'prefix="([\w-]+)", dir=cache_dir', text)}
    assert {"packages", "ccache", "kernels"} <= made
    assert {"build-*", "fixes-*"} <= kept_for_a_while
    assert made | kept_for_a_while <= set(purge.IN_CACHE)


def test_a_prefix_of_ones_own_goes_with_what_is_in_it_and_the_hosts_own_stays(tmp_path):
    own = purge.directories(Settings(tmp_path / "opt", tmp_path / "cache", tmp_path / "etc/gaoler.toml"), None)
    assert own.index(tmp_path / "opt/share/man/man1") < own.index(tmp_path / "opt/share") < own.index(tmp_path / "opt")
    assert tmp_path not in own
    assert not [path for path in purge.directories(STANDARD, None) if path.is_relative_to("/usr")]


STANDARD = Settings.of({})


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """What `make up` installs of this checkout, with the units."""
    settings = Settings(tmp_path_factory.mktemp("prefix"), STANDARD.cache, STANDARD.configuration)
    settings.python.parent.mkdir(parents=True)
    settings.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    settings.python.chmod(0o755)
    install.install(places.TREE, settings)
    install.manual_pages(settings)
    return settings.prefix


@pytest.mark.parametrize("unit", sorted(path.name for path in places.PACKAGING.glob("gaoler*.*")))
def test_what_a_unit_names_is_there_after_installation(prefix, unit):
    text = (places.PACKAGING / unit).read_text()
    for path in re.findall(r"/usr/local(/[\w./-]+)", text):
        assert (prefix / path.lstrip("/")).exists(), path
    for name, section in re.findall(r"man:([\w.-]+)\((\d)\)", text):
        assert (prefix / f"share/man/man{section}/{name}.{section}").exists(), name
    for name in re.findall(r"gaoler[\w-]*\.(?:service|timer)", text):
        assert name in daemon.UNITS or "master" in name


DOCUMENTS = sorted(path for path in [places.TREE / "README.md", *(places.TREE / "docs").rglob("*.md")] if path.is_file())
NOT_OURS = ("/sbin", "/share", "/sbin/apt-get")
"""What a document speaks of, in machines, too; in /sbin is what packaging/master installs on a master."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(places.TREE)))
def test_what_a_document_names_is_there_after_installation(prefix, document):
    for path in re.findall(r"/usr/local(/[\w./-]*\w)", document.read_text()):
        if path not in NOT_OURS and not path.startswith("/sbin/gaoler-master"):
            assert (prefix / path.lstrip("/")).exists(), path


@pytest.mark.parametrize("page", ["man1/gaol.1", "man5/gaoler.toml.5", "man8/gaoler.8"])
def test_manual_pages_are_man_s(prefix, page):
    done = subprocess.run(["man", "-l", "--warnings", prefix / "share/man" / page], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SEE ALSO" in done.stdout


def test_everything_made_is_there(prefix):
    assert [path for path in Settings(prefix, STANDARD.cache, STANDARD.configuration).made if not path.is_file()] == []
