"""ssh, ssh-config, ssh-proxy: what OpenSSH is told."""

import json
import os
import shlex
import socket
import stat
import subprocess
from pathlib import Path
from pwd import getpwuid

import pytest

from cli.test_texts import MACHINE

LOGIN = getpwuid(os.getuid()).pw_name
OWN = {**MACHINE, "name": "web", "owner": LOGIN, "access": None}
SHARED = {**MACHINE, "name": "web", "owner": "alice", "access": "user"}
KEY = "ssh-ed25519 " + "A" * 68


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "gaoler"


def asked(config, host):
    """What ssh makes of a configuration."""
    done = subprocess.run(
        ["ssh", "-G", "-F", "/dev/stdin", host], input=config, capture_output=True, text=True, timeout=60, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_blocks_for_all_that_one_may_go_into(daemon, gaol, cache):
    daemon.answer("List", machines=[OWN, SHARED])
    config = gaol("ssh-config").stdout
    assert daemon.calls == [("List", {"shared": True})]
    own, shared = asked(config, "web"), asked(config, "web.alice")
    assert (own["user"], own["proxycommand"].split()[-2:]) == (LOGIN, ["ssh-proxy", "web"])
    assert (shared["user"], shared["proxycommand"].split()[-2:]) == (LOGIN, ["ssh-proxy", "alice/web"])
    assert shared["hostkeyalias"] == "web.alice"
    assert Path(shared["userknownhostsfile"]) == cache / "web.alice" / "host_keys"
    identity = Path(shared["identityfile"])
    assert identity == Path(own["identityfile"]) == cache / ".own" / "identity"
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    assert [path.name for path in identity.parent.iterdir()] == ["identity"]
    before = identity.read_bytes()
    daemon.answer("Inspect", machine={**SHARED, "access": "root"})
    one = json.loads(gaol("ssh-config", "alice/web", "--json").stdout)
    assert (one["Host"], one["User"], identity.read_bytes()) == ("web.alice", "root", before)


def test_who_may_go_into_none_is_told_so_beside_an_empty_file(daemon, gaol):
    daemon.answer("List", machines=[])
    done = gaol("ssh-config")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "gaol: there is no machine yet that you may go into; try: gaol up\n"
    assert json.loads(gaol("ssh-config", "--json").stdout) == []


def test_an_administrator_gets_no_block_for_what_they_may_not_go_into(daemon, gaol):
    daemon.answer("Inspect", machine={**SHARED, "access": None})
    assert gaol("ssh-config", "alice/web").returncode == (4 if os.getuid() else 0)


def test_blocks_for_ones_laptop(daemon, gaol, cache):
    """They hold on any computer: nothing there is a path of this host's but gaol's own, and no file has to be brought along."""
    daemon.answer("List", machines=[OWN, SHARED])
    config = gaol("ssh-config", "--jump", "--gateway", "gw.example").stdout
    own, shared = asked(config, "web"), asked(config, "web.alice")
    assert (own["user"], own["userknownhostsfile"], own["stricthostkeychecking"]) == (LOGIN, "/dev/null", "false")
    for block, machine in (own, "web"), (shared, "alice/web"):
        words = shlex.split(block["proxycommand"])
        assert (words[:2], words[3:]) == (["ssh", f"{LOGIN}@gw.example"], ["ssh-proxy", "--jump", machine])
    assert not cache.exists()
    daemon.answer("Inspect", machine=OWN)
    for told, called in (("me@gw", "me@gw"), ("fd00::1", f"{LOGIN}@fd00::1")):
        block = json.loads(gaol("ssh-config", "web", f"--gateway={told}", "--json").stdout)
        assert block["ProxyCommand"].split()[1] == called
    itself = json.loads(gaol("ssh-config", "web", "--jump", "--json").stdout)["ProxyCommand"].split()[1]
    assert itself in {f"{LOGIN}@{name}" for name in (socket.getfqdn(), os.uname().nodename)}
    for wrong in ("-oProxyCommand=id", "a b", "gw;id", "$(id)", ""):
        assert gaol("ssh-config", "web", f"--gateway={wrong}").returncode == 2, wrong
    assert gaol("ssh-config", "web", "--jump", "--direct").returncode == 2


def test_whose_keys_let_them_in_here_comes_from_elsewhere(daemon, gaol, tmp_path):
    daemon.refuse("SshConnect", "no machine")
    place = tmp_path / ".ssh"
    environment = {"HOME": str(tmp_path)}
    for text in (None, "", "# ssh-ed25519 AAAAcommented\n", "ssh-dss AAAAold me\n"):
        if text is not None:
            place.mkdir(exist_ok=True)
            (place / "authorized_keys").write_text(text)
        done = gaol("ssh-proxy", "--jump", "web", env=environment)
        assert (done.returncode, daemon.calls) == (1, []), done.stderr
        assert done.stderr.splitlines()[-1].startswith(f"try: ssh-copy-id {LOGIN}@")
    (place / "authorized_keys").write_text(
        f'{KEY} me@laptop\n\nfrom="10.0.0.0/8",command="echo ssh" ecdsa-sha2-nistp256 AAAAE2+/== desk\n'
        "sk-ssh-ed25519@openssh.com AAAAG\nssh-rsa broken!\n"
    )
    gaol("ssh-proxy", "--jump", "web", env=environment)
    ((_, parameters),) = daemon.calls
    assert parameters["keys"] == [KEY, "ecdsa-sha2-nistp256 AAAAE2+/==", "sk-ssh-ed25519@openssh.com AAAAG"]


def test_direct_needs_a_machine(daemon, gaol):
    done = gaol("ssh-config", "--direct")
    assert (done.returncode, done.stderr.splitlines()[-1], daemon.calls) == (2, "try: gaol ssh-config --direct NAME", [])


def test_a_connection_has_the_callers_key_and_the_host_keys_of_today(daemon, gaol, cache):
    def connect(connection, parameters):
        pairs = [socket.socketpair() for _ in range(4)]
        told = {"name": "web", "owner": "alice", "host_keys": [f"{KEY} root@web\n* {KEY}", "nonsense"]}
        connection.send({"parameters": told}, tuple(theirs.fileno() for _, theirs in pairs))
        for _, theirs in pairs:
            theirs.close()
        control, given, output, errors = (ours for ours, _ in pairs)
        output.sendall(given.recv(100).upper())
        control.sendall(b"E\x02\x00\x00\x00\x00\x00")
        for stream in (control, given, output, errors):
            stream.close()

    daemon.streams["SshConnect"] = connect
    done = gaol("ssh-proxy", "alice/web", input="hello")
    assert (done.returncode, done.stdout) == (0, "HELLO"), done.stderr
    ((_, parameters),) = daemon.calls
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", cache / ".own" / "identity"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert (parameters["name"], parameters["keys"]) == ("alice/web", [" ".join(public.split()[:2])])
    assert (cache / "web.alice" / "host_keys").read_text() == f"web.alice {KEY}\n"
