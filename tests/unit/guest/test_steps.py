"""Steps of the agent that work on files, and what the build makes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from guest_sessions import PATIENCE

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = "root:x:0:\ndaemon:x:1:\naudio:x:29:\nusers:x:100:\nstudents:x:500:bob\n"
SHADOW = "root:*:19000:0:99999:7:::\n"
ALICE = ("alice", "1000", "1000", "alice", "Alice A.", "/home/alice", "/bin/sh")


def run(built: Path, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # a step ends with all it has
    return subprocess.run(
        [built / "agent-sanitized", *words], env=environment, capture_output=True, timeout=PATIENCE, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").touch(0o755)
    for name, text in (("passwd", PASSWD), ("group", GROUP), ("shadow", SHADOW)):
        (tmp_path / "etc" / name).write_text(text)
    (tmp_path / "etc/shadow").chmod(0o640)
    return tmp_path


def account(built: Path, tree: Path, *words: str) -> None:
    result = run(built, "account", "--root", tree, *words)
    assert (result.returncode, result.stderr) == (0, b"")


def lines(tree: Path, name: str) -> list[str]:
    return (tree / "etc" / name).read_text().splitlines()


def test_account_in_a_fresh_tree(built: Path, tree: Path) -> None:
    account(built, tree, *ALICE)
    assert lines(tree, "passwd")[-1] == "alice:x:1000:1000:Alice A.:/home/alice:/bin/sh"
    assert lines(tree, "group")[-1] == "alice:x:1000:"
    assert lines(tree, "shadow")[-1] == "alice:*:::::::"
    assert (tree / "etc/shadow").stat().st_mode & 0o777 == 0o640


def test_account_twice_writes_once(built: Path, tree: Path) -> None:
    words = (*ALICE, "wheel", "audio:29", "students:2001")
    account(built, tree, *words)
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in (tree / "etc").iterdir()}
    account(built, tree, *words)
    assert {path: (path.stat().st_ino, path.read_bytes()) for path in (tree / "etc").iterdir()} == before


def test_a_taken_uid_is_shown_as_the_owner_and_the_other_account_stays(built: Path, tree: Path) -> None:
    (tree / "etc/passwd").write_text(PASSWD + "debian:x:1000:1000::/home/debian:/bin/bash\n")
    account(built, tree, *ALICE)
    assert [line.split(":")[0] for line in lines(tree, "passwd")][-2:] == ["alice", "debian"]


def test_an_account_of_that_name_gets_the_ids_of_the_host(built: Path, tree: Path) -> None:
    (tree / "etc/passwd").write_text(PASSWD + "alice:x:1234:1234::/srv:/bin/bash\n")
    account(built, tree, *ALICE)
    assert [line for line in lines(tree, "passwd") if line.startswith("alice")] == [
        "alice:x:1000:1000:Alice A.:/home/alice:/bin/sh"
    ]


def test_what_the_owner_changed_inside_stays(built: Path, tree: Path) -> None:
    account(built, tree, *ALICE)
    changed = (tree / "etc/passwd").read_text().replace("Alice A.:/home/alice:/bin/sh", "Alice:/home/alice:/bin/zsh")
    (tree / "etc/passwd").write_text(changed)
    account(built, tree, *ALICE)
    assert (tree / "etc/passwd").read_text() == changed


def test_groups(built: Path, tree: Path) -> None:
    account(built, tree, *ALICE, "wheel", "sound:29", "students:2001", "project:3000", "users")
    groups = {line.split(":")[0]: line.split(":")[2:] for line in lines(tree, "group")}
    assert groups["audio"] == ["29", "alice"]  # that gid is audio here
    assert groups["students"] == ["500", "bob"]  # another group of the tree with that name
    assert groups["host-students"] == ["2001", "alice"]
    assert groups["project"] == ["3000", "alice"]
    assert groups["users"] == ["100", "alice"]
    assert 100 <= int(groups["wheel"][0]) < 1000
    assert groups["wheel"][1] == "alice"


def test_subordinate_ids_are_the_owners_where_the_tree_knows_of_such(built: Path, tree: Path) -> None:
    (tree / "etc/subuid").write_text("bob:165536:65536\n")
    account(built, tree, "--subids", "100000:65536", *ALICE)
    assert lines(tree, "subuid") == ["bob:165536:65536", "alice:100000:65536"]
    assert not (tree / "etc/subgid").exists()
    account(built, tree, "--subids", "200000:65000", *ALICE)
    assert lines(tree, "subuid") == ["bob:165536:65536", "alice:200000:65000"]


def test_a_shell_that_the_tree_lacks_becomes_sh(built: Path, tree: Path) -> None:
    account(built, tree, *ALICE[:6], "/usr/bin/fish")
    assert lines(tree, "passwd")[-1].endswith(":/bin/sh")


def test_root_as_owner_changes_nothing(built: Path, tree: Path) -> None:
    account(built, tree, "root", "0", "0", "root", "", "/root", "/bin/sh", "wheel")
    assert (tree / "etc/passwd").read_text() == PASSWD


@pytest.mark.parametrize("name", ["", "a:b", "a\nroot:x:0:0"])
def test_names_that_would_break_the_file_are_refused(built: Path, tree: Path, name: str) -> None:
    result = run(built, "account", "--root", tree, name, *ALICE[1:])
    assert result.returncode == 1
    assert (tree / "etc/passwd").read_text() == PASSWD


def test_steps_go_on_after_one_that_fails(built: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    result = run(built, "link", "/a", first, "--", "no-such-step", "--", "link", "/b", second)
    assert (str(first.readlink()), str(second.readlink()), result.returncode) == ("/a", "/b", 0)
    assert result.stderr == b'agent: no step "no-such-step"\n'


def test_link_leaves_what_is_there(built: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    assert run(built, "link", "/a", tmp_path / "file").returncode == 0
    assert (tmp_path / "file").read_text() == "kept"


def test_mode_changes_what_is_there(built: Path, tmp_path: Path) -> None:
    (tmp_path / "node").touch(0o600)
    result = run(built, "mode", "0666", tmp_path / "absent", tmp_path / "node")
    assert (result.returncode, result.stderr, (tmp_path / "node").stat().st_mode & 0o777) == (0, b"", 0o666)
    assert run(built, "mode", "0666").returncode == 1


def test_mount_says_what_it_could_not_mount(built: Path, tmp_path: Path) -> None:
    result = run(built, "mount", "none", tmp_path / "made", "no-such-type", "nosuid,mode=0755")
    assert result.returncode == 1
    assert result.stderr.startswith(f"agent: mount: no-such-type on {tmp_path}/made: ".encode())


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_mount_makes_its_place_and_knows_flags_from_data(built: Path, tmp_path: Path) -> None:
    words = ["mount", "tmpfs", tmp_path / "a/b", "tmpfs", "nosuid,nodev,noexec,mode=0711,size=64k"]
    script = 'set -e; "$@"; grep "$0" /proc/self/mounts'
    command = ["unshare", "--mount", "sh", "-c", script, tmp_path / "a/b", built / "agent-sanitized", *words]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert "rw,nosuid,nodev,noexec,relatime,size=64k,mode=711" in out


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make an interface")
def test_net(built: Path) -> None:
    script = """set -e
        ip tuntap add vec0 mode tap
        agent=$0
        $agent net lo -- net vec0 name eth0 10.1.2.3/20 via 10.1.0.1 fd00::5/64 via fd00::1
        $agent address eth0 4 0; $agent address eth0 6 0; $agent address lo 4 0 || true
        ip -brief addr; ip route; ip -6 route show default
        $agent net eth0 flush 10.9.9.9/255.255.255.255 via 192.0.2.1
        ip -4 -brief addr show eth0; ip route
    """
    command = ["unshare", "--net", "sh", "-c", script, built / "agent-sanitized"]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert out.startswith("10.1.2.3\nfd00::5\nlo ")
    for expected in (
        "127.0.0.1/8",
        "10.1.2.3/20 ",
        "default via 10.1.0.1 dev eth0 proto static onlink",
        "default via fd00::1 dev eth0",
        "10.9.9.9/32 \ndefault via 192.0.2.1 dev eth0 proto static onlink",
    ):
        assert expected in out
    assert "10.1.2.3" not in out.rpartition("10.9.9.9")[2]


@pytest.mark.parametrize("address", ["10.1.2.3/33", "fd00::/129", "ten", ""])
def test_net_refuses_what_is_no_address(built: Path, address: str) -> None:
    # A namespace of the user's own: should it be taken for an address, it changes nothing of this host.
    command = ["unshare", "--map-root-user", "--net", built / "agent-sanitized", "net", "lo", address]
    result = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stderr) == (1, f'agent: net: lo: "{address}" is not an address\n'.encode())


def test_await_returns_when_the_last_file_has_come(built: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    waiting = subprocess.Popen([built / "agent-sanitized", "await", "20", first, second])
    threading.Timer(0.1, second.touch).start()
    assert waiting.wait(PATIENCE) == 0


def test_await_gives_up(built: Path, tmp_path: Path) -> None:
    assert run(built, "await", "1", tmp_path / "never").returncode == 1


def test_random_pool_of_this_host_is_ready(built: Path) -> None:
    assert run(built, "random-ready").returncode == 0


def test_the_build_is_reproducible(built: Path, guest: Path, tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "-C", guest, f"O={tmp_path}"], check=True)
    for name in ("agent", "initramfs.cpio"):
        assert (built / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_initramfs_holds_a_console_and_one_program(built: Path) -> None:
    command = ["cpio", "-tvn", "--quiet", "-F", built / "initramfs.cpio"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    columns = [(line.split()[0], line.split()[2], line.split()[3], line.split()[-1]) for line in listing]
    assert columns == [
        ("drwxr-xr-x", "0", "0", "dev"),
        ("crw-------", "0", "0", "dev/console"),
        ("drwxr-xr-x", "0", "0", "root"),
        ("-rwxr-xr-x", "0", "0", "init"),
    ]


def test_programs_need_nothing_of_the_tree(built: Path) -> None:
    for name in ("agent", "init"):
        assert b"ld-" not in (built / name).read_bytes(), f"{name} is not static"


@pytest.fixture
def inside(built: Path, tmp_path: Path, need_namespaces: Callable[[list[str]], None]) -> Callable[..., str]:
    """The agent in a root of its own, and in a pid namespace; what it says."""
    for name in ("etc", "proc"):
        (tmp_path / name).mkdir()
    into = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", f"--mount-proc={tmp_path / 'proc'}"]
    need_namespaces(into)
    (tmp_path / "agent").write_bytes((built / "agent").read_bytes())
    (tmp_path / "agent").chmod(0o755)

    def run(*words: str, before: str = "", after: str = "") -> str:
        script = f'{before} chroot "$0" /agent "$@"; {after}'
        command = [*into, "sh", "-c", script, tmp_path, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout

    return run


def test_a_former_line_of_hosts_makes_way_for_one(inside: Callable[..., str], tmp_path: Path) -> None:
    hosts = tmp_path / "etc/hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.1.1 first\n127.0.1.10 other\n127.0.1.1\tfirst.gaol\n::1 last")
    hosts.chmod(0o640)
    inside("hosts", "127.0.1.1", "web.gaol web")
    assert hosts.read_text() == "127.0.0.1 localhost\n127.0.1.10 other\n::1 last\n127.0.1.1 web.gaol web\n"
    assert hosts.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["hosts"]
    hosts.unlink()
    inside("hosts", "127.0.1.1", "web")
    assert hosts.read_text() == "127.0.1.1 web\n"


def test_what_is_removed_need_not_be_there(built: Path, tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    done = run(built, "remove", tmp_path / "key", tmp_path / "none")
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, b"", [])
    assert b"remove: " in run(built, "remove", tmp_path).stderr


def test_all_processes_of_a_name_are_ended_and_no_others(inside: Callable[..., str]) -> None:
    begin = "sleep 1000 & one=$!; sleep 1000 & two=$!; tail -f /dev/null & other=$!;"
    are_there = 'for pid in $one $two; do until [ "$(cat "$0/proc/$pid/comm")" = sleep ]; do :; done; done;'
    gone = 'for pid in $one $two; do case "$(cat "$0/proc/$pid/stat" 2>/dev/null)" in ""|*") Z "*) echo gone ;; esac; done;'
    look = 'wait $one; echo $?; wait $two; echo $?; kill -0 $other && echo "goes on"; kill $other'
    said = inside("end", "sleep", "cat", before=begin + are_there, after=gone + look)
    assert said.split() == ["gone", "gone", "137", "137", "goes", "on"], "they are waited for, but not by whoever began them"


def test_what_is_started_apart_does_not_end_with_its_session(built: Path) -> None:
    """Neither by its group nor by its session is it reached any more."""
    look = ["/bin/sh", "-c", "read -r _ _ _ _ group session _ < /proc/$$/stat; echo $$ $group $session"]
    words = ["sh", "-c", '"$0" "$@" & wait', built / "agent-sanitized", "apart", *look]
    done = subprocess.run(words, stdout=subprocess.PIPE, start_new_session=True, timeout=PATIENCE, check=True, text=True)
    pid, group, session = done.stdout.split()
    assert pid == group == session
