"""ssh-config, ssh-proxy: OpenSSH's way into machines through the daemon, for their owners and their friends.

ssh speaks with an sshd that the daemon has started for this connection, on the streams of a session. So the way in is open to
whoever may go in, at that moment and for as long as they may, and nothing of it depends on a machine's address.
"""

from __future__ import annotations

import os
import sys
from pwd import getpwuid
from shlex import quote

from gaoler import files
from gaoler.cli import ssh_jump
from gaoler.cli.arguments import JSON, MACHINE, Command, flag, option, place
from gaoler.cli.output import clean, show
from gaoler.cli.ssh_direct import options
from gaoler.cli.ssh_files import directory, identity, known_hosts, public_half
from gaoler.client import Gaoler
from gaoler.client.session import Session
from gaoler.errors import Failed, NotAllowed, Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    Block = dict[str, str]


def block(machine: dict[str, Any]) -> Block:
    """Ssh's options for a machine that is reached through the daemon. Raises Failed."""
    host = _host(machine["name"], machine["owner"])
    program = os.path.abspath(sys.argv[0]).replace("%", "%%")
    return {
        "Host": host,
        "User": _user(machine),
        "IdentityFile": str(identity()),
        "IdentitiesOnly": "yes",  # an agent's many keys would be tried first, and sshd takes six
        "UserKnownHostsFile": str(directory(host) / "host_keys"),
        "HostKeyAlias": host,
        "StrictHostKeyChecking": "yes",
        "ProxyCommand": f"{quote(program)} ssh-proxy {quote(_named(machine))}",
    }


def _user(machine: dict[str, Any]) -> str:
    """Whom one logs in as, who says nothing else."""
    return {None: str(machine["owner"]), "root": "root"}.get(machine["access"]) or _login()


def _host(name: str, owner: str) -> str:
    """`web`, and `web.alice` of somebody else's: a slash would be a path's to scp and rsync."""
    return name if owner == _login() else f"{name}.{owner}"


def _named(machine: dict[str, Any]) -> str:
    name, owner = str(machine["name"]), machine["owner"]
    return name if owner == _login() else f"{owner}/{name}"


def _login() -> str:
    try:
        return getpwuid(os.getuid()).pw_name
    except KeyError:
        raise Failed("you have no account", f"this host has none with uid {os.getuid()}", "getent passwd") from None


def _ssh_config(given: Any) -> int:
    jump = given.jump or given.gateway is not None
    if given.direct and jump:
        why = "one goes past this host, the other through it"
        raise Usage("--direct can't be combined with --jump", why, "gaol ssh-config --help")
    gateway = ssh_jump.gateway(given.gateway, _login()) if jump else ""
    if given.direct:
        if not given.name:
            raise Usage("--direct needs a machine", "it tells where that one is now", "gaol ssh-config --direct NAME")
        told = {"Host": given.name, **options(given.name)}
        return show(told, as_json=given.json, text=lambda: _tell([told]))
    with Gaoler() as gaoler:
        if given.name:
            machines = [_enterable(gaoler.call("Inspect", name=given.name)["machine"])]
        else:
            machines = gaoler.call("List", shared=True)["machines"]
    blocks = [_from_elsewhere(machine, gateway) if jump else block(machine) for machine in machines]
    return show(blocks[0] if given.name else blocks, as_json=given.json, text=lambda: _tell(blocks))


def _from_elsewhere(machine: dict[str, Any], gateway: str) -> Block:
    return ssh_jump.block(_host(machine["name"], machine["owner"]), _user(machine), _named(machine), gateway)


def _enterable(machine: dict[str, Any]) -> dict[str, Any]:
    """Administrators see machines that they may not go into: a block would promise it. Raises NotAllowed."""
    if machine["access"] is None and machine["owner"] != _login() and os.getuid() != 0:
        raise NotAllowed("you may not log in to another's machine", "it isn't shared with you", "gaol ls")
    return machine


def _tell(blocks: list[Block]) -> None:
    if not blocks:  # not among the blocks, which go into a file
        print("gaol: there is no machine yet that you may go into; try: gaol up", file=sys.stderr)
    for one in blocks:
        print(clean(f"Host {one['Host']}"))
        for key, value in one.items():
            if key != "Host":
                print(clean(f"    {key} {quote(value) if ' ' in value and key != 'ProxyCommand' else value}"))


def _ssh_proxy(given: Any) -> int:
    keys = ssh_jump.keys(_login()) if given.jump else [public_half(identity())]
    with Gaoler() as gaoler:
        machine = gaoler.call("SshConnect", name=given.name, keys=keys)
        if not given.jump:  # before the first byte: ssh looks at them when it has heard from the other end
            host = _host(str(machine["name"]), str(machine["owner"]))
            files.replace(directory(host) / "host_keys", known_hosts(host, machine["host_keys"]).encode())
        session = Session(gaoler.descriptors())
    code = session.copy(0, [1, 2])
    if session.complaint:
        raise Failed(f"no sshd in {given.name}", session.complaint, f"gaol shell {given.name}")
    return code


COMMANDS = {
    "ssh-config": Command(
        _ssh_config,
        "Print Host blocks for ~/.ssh/config, so that ssh, scp, rsync, sshfs and editors find machines by their names: NAME, or "
        "NAME.OWNER where somebody shares theirs with you. They go through gaol, so a block stays right whatever becomes of the "
        "machine's address and keys, and opens nothing that you may not open. Without NAME: of all that you may go into.",
        place("NAME", "the machine; OWNER/NAME is another user's (default: all)", optional=True, key="name"),
        flag("--jump", about="for your laptop: through your login on this host, with the keys that let you in here"),
        option("--gateway", value="HOST", about="with --jump: what your laptop calls this host (default: its own name)"),
        flag("--direct", about="with its address and keys of today, for another host that reaches it; your own machines only"),
        JSON,
        examples=(
            ("gaol ssh-config web >> ~/.ssh/config", ""),
            ("gaol ssh-config > ~/.ssh/gaol", "all; Include gaol, in ~/.ssh/config, brings them in"),
            ("ssh GATEWAY gaol ssh-config --jump --gateway GATEWAY > ~/.ssh/gaol", "on your laptop, likewise"),
        ),
    ),
    "ssh-proxy": Command(
        _ssh_proxy,
        "Be ssh's connection to a machine, as a ProxyCommand.",
        MACHINE,
        flag("--jump", about="from another computer, for whose keys let you in here"),
    ),
}
