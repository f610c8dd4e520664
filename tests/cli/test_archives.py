"""export and import: what is written where, and what is told of what can't be."""

import os

import pytest

from cli.test_texts import MACHINE
from gaoler.cli import archives

EXPORTED = {"machine": MACHINE, "files": 2, "bytes": 7, "left_out": 0, "without": []}


def exports(daemon, data=b"archive", meanwhile=lambda: None):
    """Play `Export`: `meanwhile` is done after the stream has begun."""

    def stream(connection, _):
        ours, theirs = os.pipe()
        connection.send({"parameters": {"step": "exporting web"}, "continues": True}, (ours,))
        os.close(ours)
        meanwhile()
        os.write(theirs, data)
        os.close(theirs)

    daemon.streams["Export"] = stream
    daemon.answer("Export", **EXPORTED)


def test_an_export_is_a_file_of_its_own(daemon, gaol, tmp_path):
    path = tmp_path / "web.tar.zst"
    exports(daemon)
    done = gaol("export", "web", str(path))
    assert (done.returncode, path.read_bytes()) == (0, b"archive"), done.stderr
    assert (path.stat().st_nlink, list(tmp_path.glob("*.part"))) == (1, [])


def test_a_file_that_came_meanwhile_is_kept(daemon, gaol, tmp_path):
    path = tmp_path / "web.tar.zst"
    exports(daemon, meanwhile=lambda: path.write_text("another's"))
    done = gaol("export", "web", str(path))
    assert (done.returncode, path.read_text()) == (1, "another's")
    assert f"{path} is there already: an export overwrites no file" in done.stderr
    assert list(tmp_path.glob("*.part")) == []


def test_where_there_are_no_links_it_gets_its_name_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with archives._sink(str(tmp_path / "web")) as write:
        write(b"archive")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("web", b"archive")]


def test_no_name_is_no_standard_output(daemon, gaol):
    exports(daemon)
    done = gaol("export", "web", "")
    assert (done.returncode, done.stdout, daemon.calls) == (2, "", [])
    assert "try: gaol export web web.tar.zst" in done.stderr


def test_what_cannot_be_read_is_told(daemon, gaol, tmp_path):
    def stream(connection, _):
        ours, theirs = os.pipe()
        connection.send({"parameters": {"step": "importing"}, "continues": True}, (theirs,))
        os.close(theirs)
        with os.fdopen(ours, "rb") as reading:
            assert reading.read() == b""

    daemon.streams["Import"] = stream
    daemon.refuse("Import", "the archive can't be imported", "it is not whole")
    with (tmp_path / "written").open("w") as only_written:
        done = gaol("import", "-", "web", stdin=only_written)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "gaol: standard input can't be read: Bad file descriptor")


@pytest.mark.parametrize("path", ["/nowhere/at-all", "/"])
def test_what_is_no_file_is_told(daemon, gaol, path):
    done = gaol("import", path)
    assert (done.returncode, f"{path} can't be read" in done.stderr, daemon.calls) == (3, True, [])
