"""The command line that rsync is given, and what its words are taken for."""

from pathlib import Path

import pytest

from gaoler.bases import clean, rsync
from gaoler.errors import Usage


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("rsync://master.example/arch", "url"),
        ("rsync://me@10.0.0.1:8730/arch/sub dir", "url"),
        ("master::arch", "module"),
        ("sync@master::arch/deep", "module"),
        ("[fd00::1]::arch", "module"),
        ("root@master:/", "ssh"),
        ("master:tree", "ssh"),
        ("/srv/tree", "local"),
    ],
)
def test_sources(source, kind):
    assert rsync.kind_of(source) == kind


@pytest.mark.parametrize(
    "source",
    [
        "",
        "tree",
        "-e sh",
        "--rsh=sh",
        "-oProxyCommand=x:/",
        "a b::c",
        "h::-m",
        "rsync://h",
        "h:x\n",
        "h::m\0",
        "http://h/x",
        "h:::x",
    ],
)
def test_what_is_no_source(source):
    with pytest.raises(Usage):
        rsync.kind_of(source)


@pytest.mark.parametrize("source", ["rsync://m/arch", "root@m:/", "/srv/tree"])
def test_the_source_can_only_be_a_source(source):
    words = rsync.command(source)
    assert words[0] == "rsync"
    assert words.index("--") == len(words) - 3, "nothing after it is taken for an option"
    assert words[-1] == "/tree/"
    assert not {"--inplace", "--devices", "-a", "--ignore-errors"} & set(words)


def test_an_unknown_host_key_is_never_taken():
    (shell,) = [word for word in rsync.command("root@m:/") if word.startswith("--rsh=")]
    assert "StrictHostKeyChecking=yes" in shell and "BatchMode=yes" in shell and "-F none" in shell


def test_what_is_cleaned_is_not_fetched():
    words = rsync.excludes()
    for pattern in clean.FILES:
        assert f"--exclude=/{pattern}" in words
    for directory in clean.DIRECTORIES:
        assert f"--exclude=/{directory}/*" in words
    logs = f"--exclude=/{clean.LOGS}/**"
    assert words.index(f"--include=/{clean.LOGS}/**/") < words.index(logs), "directories of logs stay"


def test_ssh_gets_copies_of_the_keys_and_no_way_to_the_host(tmp_path):
    access = rsync.Access(tmp_path / "key", tmp_path / "known", tmp_path / "password", 65536)
    given = rsync.confined("root@m:/", tmp_path, access)
    assert [bind.source for bind in given.binds] == [str(tmp_path)]
    assert given.first_id == 65536
    assert set(given.copies.values()) == {str(tmp_path / name) for name in ("key", "known", "password")}


def test_a_local_source_is_read_only_and_has_no_network(tmp_path):
    access = rsync.Access(Path("/k"), Path("/h"), Path("/p"), 65536)
    given = rsync.confined(str(tmp_path), tmp_path / "tree", access)
    assert given.first_id is None, "no user namespace means no network"
    assert [(bind.target, bind.writable) for bind in given.binds] == [("/source", False), ("/tree", True)]


def test_moved_adds_up():
    assert rsync.Moved(1, 10) + rsync.Moved(2, 20) == rsync.Moved(3, 30)


_ENDED = "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1956) [generator=3.5.0]"
_SHORTER = 'rsync: [sender] read errors mapping "etc/restless" (in tree): No data available (61)'


@pytest.mark.parametrize(
    ("status", "complaints", "changed"),
    [
        (24, ['file has vanished: "/etc/restless" (in tree)'], True),
        (23, [_SHORTER, _ENDED], True),
        (23, [_SHORTER, 'rsync: [sender] read errors mapping "etc/bad" (in tree): Input/output error (5)', _ENDED], False),
        (23, ['rsync: [sender] send_files failed to open "/etc/shadow" (in tree): Permission denied (13)', _ENDED], False),
        (23, [_ENDED], False),
        (12, [_SHORTER, _ENDED], False),
    ],
)
def test_a_file_that_went_away_or_became_shorter_tells_of_a_master_that_changes(status, complaints, changed):
    assert rsync.has_changed(status, complaints) == changed


@pytest.mark.parametrize(
    ("source", "status", "said", "why", "hint"),
    [
        ("rsync://h.example/lab", 10, "rsync: failed to connect to h.example", "the master can't be reached", "rsync rsync://h.example/lab"),
        ("root@h.example:/srv/lab", 255, "ssh: connect to host h.example port 22: Connection refused", "can't be reached", "ssh root@h.example"),
        ("root@h.example:/srv/lab", 255, "ssh: Could not resolve hostname h.example: no such", "can't be reached", "ssh root@h.example"),
        ("root@h.example:/srv/lab", 255, "Host key verification failed.", "not the known one", "compare the host's key"),
        ("root@h.example:/srv/lab", 255, "Permission denied (publickey).", "ssh can't log in", "let gaoler's key in"),
    ],
)  # fmt: skip
def test_what_rsync_says_is_told_with_what_helps(tmp_path, source, status, said, why, hint):
    error = rsync._told(source, tmp_path, status, [said])
    assert why in error.why and said in error.why and hint in error.hint
