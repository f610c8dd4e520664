"""All commands: the module that has each, and what it does in a line.

What a command takes is declared in its module, in `COMMANDS` under the same name, so that a command line imports one of them.
A name of two words is a noun's verb. To add a command, add it here and there: help, completion, gaol(1) and the reference
follow (`python3 -m gaoler.cli.made` writes docs/reference/commands.md anew).
"""

from __future__ import annotations

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Start here": {
        "run": ("sessions", "run one command in a fresh machine, then throw the machine away"),
        "up": ("machines", "make and start a machine, and wait until it is ready"),
        "shell": ("sessions", "open a login shell in a machine"),
        "exec": ("sessions", "run a command in a machine"),
        "desktop": ("desktop", "open a machine's desktop"),
    },
    "Your machines": {
        "ls": ("views", "list your machines"),
        "info": ("views", "show everything about a machine"),
        "top": ("views", "show what running machines use"),
        "log": ("views", "show a machine's console"),
        "wait": ("machines", "wait until a machine is ready, or has stopped"),
        "set": ("changes", "change a machine's memory, processors, disk, time to live"),
        "extend": ("changes", "let a machine run longer"),
        "share": ("sharing", "let another user into a machine"),
        "unshare": ("sharing", "let them in no longer"),
        "rename": ("changes", "give a machine another name"),
        "down": ("machines", "stop a machine; its files stay"),
        "sleep": ("machines", "put machines to sleep: they take no memory, and go on when they are used"),
        "freeze": ("machines", "have machines stand still, just as they are"),
        "thaw": ("machines", "let frozen machines go on"),
        "give": ("changes", "give a machine to another user (administrator)"),
        "rm": ("machines", "stop a machine and delete it, with its files and snapshots"),
    },
    "Files and copies": {
        "cp": ("copy", "copy files into a machine or out of it"),
        "snapshot": ("snapshots", "save a machine's files as they are now, to go back to later"),
        "restore": ("snapshots", "go back to a snapshot"),
        "rebase": ("diff", "move a machine over to the newest generation of its base"),
        "diff": ("diff", "show what has changed in a machine's files"),
        "clone": ("snapshots", "make a new machine with the files of another"),
        "export": ("archives", "write a machine to a file, to keep it or to move it to another host"),
        "import": ("archives", "make a machine of such a file"),
        "publish": ("bases", "turn a machine into a base that others can clone"),
    },
    "By ssh": {
        "ssh": ("ssh", "log in with OpenSSH"),
        "ssh-config": ("ssh_config", "print Host blocks for ~/.ssh/config"),
    },
    "This host": {
        "base": ("", "the trees that machines are cloned from"),
        "base ls": ("bases", "list the bases"),
        "base info": ("bases", "show everything about one, and why it is not up to date"),
        "base history": ("bases", "list its generations"),
        "base add": ("bases", "make one from a master, packages, an image or a directory (administrator)"),
        "base sync": ("bases", "bring it up to date from where it came from (administrator)"),
        "base set": ("base_settings", "say what its machines get, and what is told in the first shell"),
        "base rollback": ("bases", "make an older generation the current one"),
        "base rm": ("bases", "delete it; machines keep their files"),
        "kernel": ("", "the kernels that machines run (administrator)"),
        "kernel build": ("administration", "fetch, patch and build one, or take it from the cache"),
        "kernel ls": ("administration", "list the kernels"),
        "kernel rm": ("administration", "delete one that no machine uses"),
        "store": ("", "the file system that holds bases and machines (administrator)"),
        "store info": ("administration", "show its size and how much is free"),
        "store init": ("administration", "create and mount it as configured"),
        "store grow": ("administration", "let it take what its image or device has become"),
        "store move": ("administration", "move it to another device, while machines run"),
        "store backup": ("backups", "back up machines to a directory or another host"),
        "store restore": ("backups", "make machines from their backups"),
        "drain": ("draining", "let no machine start, and put all to sleep, or stop them, by a deadline (administrator)"),
        "metrics": ("administration", "print metrics for Prometheus (administrator)"),
        "doctor": ("doctor", "check this host: what is missing, and how to fix it"),
    },
    "": {"names": ("names", ""), "ssh-proxy": ("ssh_config", "")},  # for completion, and for ssh: not told
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


def verbs(noun: str) -> list[str]:
    """The verbs of `gaol base`; none for a command that isn't a noun."""
    return [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{noun} ")]
