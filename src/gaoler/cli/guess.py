"""What somebody means who writes another program's word, or a mistyped one.

Words that can mean one thing only, and that change nothing that can't be taken back, are taken. For the others there is one
sentence with the right command: none that destroys, makes or hides something is offered with somebody's own words filled in,
unless it is what they wrote but for a letter or two.
"""

from __future__ import annotations

from gaoler.cli.commands import COMMANDS, verbs
from gaoler.errors import Usage

TAKEN = {
    "ps": "ls", "list": "ls",
    "show": "info", "inspect": "info", "status": "info", "describe": "info",
    "logs": "log", "stats": "top",
    "console": "shell", "attach": "shell", "enter": "shell", "login": "shell",
    "stop": "down", "shutdown": "down", "poweroff": "down", "halt": "down",
    "start": "up", "launch": "up", "wake": "up",
    "pause": "freeze", "unpause": "thaw", "unfreeze": "thaw", "hibernate": "sleep",
    "images": "base ls", "transfer": "cp",
}  # fmt: skip
"""Words of docker, podman, incus, multipass and virsh, and the command that does it."""
_SAID = {
    "restart": ("a restart is two commands", "gaol down {0} && gaol up {0}"),
    "reboot": ("a restart is two commands", "gaol down {0} && gaol up {0}"),
    "kill": ("down --force stops a machine at once", "gaol down --force {0}"),
    "suspend": ("sleep keeps a machine with its memory until somebody wants it, freeze has it stand still", "gaol sleep {0}"),
    "resume": ("thaw lets a machine go on that freeze stopped; one that sleeps wakes by itself", "gaol thaw {0}"),
    "save": ("export writes a machine to a file, snapshot keeps it as it is now", "gaol export --help"),
    "load": ("import makes a machine of a file that export wrote", "gaol import --help"),
    "create": ("up makes a machine, and starts it", "gaol up {0}"),
    "new": ("up makes a machine, and starts it", "gaol up {0}"),
    "init": ("up makes a machine, and starts it", "gaol up {0}"),
    "delete": ("rm deletes a machine, with its files and snapshots", "gaol rm --help"),
    "remove": ("rm deletes a machine, with its files and snapshots", "gaol rm --help"),
    "destroy": ("rm deletes a machine, with its files and snapshots", "gaol rm --help"),
    "purge": ("rm deletes a machine, with its files and snapshots", "gaol rm --help"),
    "prune": ("rm deletes machines, one by one", "gaol rm --help"),
    "rmi": ("base rm deletes a base", "gaol base rm --help"),
    "rollback": ("restore goes back to a snapshot of a machine, base rollback to an older base", "gaol snapshot {0} --list"),
    "revert": ("restore goes back to a snapshot", "gaol snapshot {0} --list"),
    "copy": ("cp copies files, clone copies a machine", "gaol cp --help"),
    "push": ("cp copies files into a machine", "gaol cp FILE {0}:PATH"),
    "pull": ("what machines are made from is on this host already; cp copies files out of a machine", "gaol base ls"),
    "image": ("machines are made from bases", "gaol base ls"),
    "find": ("machines are made from bases", "gaol base ls"),
    "search": ("machines are made from bases", "gaol base ls"),
    "container": ("a container is a machine here", "gaol ls"),
    "instance": ("an instance is a machine here", "gaol ls"),
    "vm": ("a VM is a machine here", "gaol ls"),
    "machine": ("commands for a machine stand by themselves", "gaol ls"),
    "file": ("cp copies files into a machine or out of it", "gaol cp --help"),
    "commit": ("publish makes a machine's files a base", "gaol publish --help"),
    "build": ("publish makes a machine's files a base", "gaol publish --help"),
    "snapshots": ("snapshot --list shows them", "gaol snapshot {0} --list"),
    "checkpoint": ("snapshot keeps a machine's files", "gaol snapshot --help"),
    "resize": ("set changes a machine's memory, processors and disk", "gaol set {0} memory=1G"),
    "config": ("set changes a machine's memory, processors and disk", "gaol set --help"),
    "update": ("set changes a machine's memory, processors and disk", "gaol set --help"),
    "port": ("a machine has an address of its own, and all its ports are open there", "gaol info {0}"),
    "network": ("a machine has an address of its own; how machines are connected is the administrator's choice", "gaol ls"),
    "volume": ("your home directory is in each of your machines already", "gaol cp --help"),
    "mount": ("your home directory is in each of your machines already", "gaol cp --help"),
    "compose": ("a machine runs as many services as you like", "gaol up --help"),
}  # fmt: skip
"""Words for which there is a sentence, and what to type."""
_FAR = {"rm", "restore", "publish", "snapshot"}
"""What changes or takes away files is named by its help alone."""


def unknown(name: str, rest: list[str]) -> Usage:
    """The error for `gaol NAME REST...`, with what was meant where that can be told."""
    noun, _, verb = name.partition(" ")
    if verb and verbs(noun):
        return _verb(noun, verb)
    machine = next((word for word in rest if not word.startswith("-")), "NAME")
    if name in _SAID and name not in COMMANDS:
        why, hint = _SAID[name]
        from shlex import quote

        return Usage(f'no command "{name}"', why, hint.format(quote(machine)))
    near = _near(name, [one for one in COMMANDS if " " not in one and COMMANDS[one][1]])
    if not near:
        return Usage(f'no command "{name[:40]}"', "gaol --help lists them", "gaol --help")
    if near in _FAR:
        return Usage(f'no command "{name[:40]}"', f"did you mean {near}?", f"gaol {near} --help")
    from shlex import join

    return Usage(f'no command "{name[:40]}"', f"did you mean {near}?", join(["gaol", near, *rest]))


def _verb(noun: str, verb: str) -> Usage:
    near = _near(verb, verbs(noun))
    why = f"did you mean {near}?" if near else f"it has {', '.join(verbs(noun))}"
    return Usage(f'gaol {noun} has no "{verb[:40]}"', why, f"gaol {noun} {near} --help" if near else f"gaol {noun} --help")


def _near(word: str, words: list[str]) -> str:
    """The one that is the same but for a letter or two. (resize is not restore: 0.62.)"""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, words, 1, 0.72)), "")
