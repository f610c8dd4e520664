"""One login: asks PAM as root, becomes the user for good, and then opens connections to the daemon on request.

A process of its own for each, forked by the helper. The daemon knows who connects by SO_PEERCRED, which the kernel fixes at
connect(2): what this passes on stays the user's, whoever holds the descriptor.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import syslog
from collections.abc import Sequence
from dataclasses import asdict

from gaoler.web import confining, pam
from gaoler.web.channel import Channel, Gone
from gaoler.web.noting import Noting

PATIENCE = 180
"""Seconds for a whole login, second factors and new passwords included."""
SERVICE = "gaoler-web"
"""The name of PAM's file in /etc/pam.d."""


def run(channel: Channel, user: str, remote: str, daemon: str, noting: Noting) -> None:
    """The whole life of one login; returns when nobody holds the other end any more."""
    signal.alarm(PATIENCE)
    try:
        account = _let_in(channel, user, remote, noting)
        become(account)
        signal.alarm(0)
        channel.send({"granted": {"user": account.pw_name, "uid": account.pw_uid, "name": account.pw_gecos.partition(",")[0]}})
        serve(channel, daemon)
    except Gone:
        pass


def _let_in(channel: Channel, user: str, remote: str, noting: Noting) -> pwd.struct_passwd:
    """Raises Gone when the login has failed, which the other side is told."""

    def converse(prompts: Sequence[pam.Prompt]) -> list[str]:
        channel.send({"ask": [asdict(prompt) for prompt in prompts]})
        answers = channel.receive()[0].get("answers")
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise Gone("no answers")
        return answers

    try:
        account = _account(pam.authenticate(SERVICE, user, remote, converse))
    except pam.Refused as error:
        audit(f"refused {user!r} from {remote}: {error}")
        noting.refused(user, remote, str(error))
        channel.send({"refused": str(error) if error.known else ""})
        raise Gone("refused") from None
    audit(f"granted {account.pw_name!r} from {remote}, uid {account.pw_uid}")
    noting.granted(account.pw_name, account.pw_uid, remote)
    return account


def _account(name: str) -> pwd.struct_passwd:
    """Raises Refused."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise pam.Refused("there is no account of that name on this host", known=True) from None
    if account.pw_uid == 0:
        raise pam.Refused("root has no page: log in as a member of the administrators' group", known=True)
    return account


def audit(text: str) -> None:
    """A line of the host's log of logins."""
    syslog.openlog("gaoler-web", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, text)
    print(f"gaoler-web: {text}", flush=True)  # noqa: T201 - the log where there is no syslog


def become(account: pwd.struct_passwd) -> None:
    """For good, with all ids and groups, and nothing to be got at by the user's other processes."""
    os.initgroups(account.pw_name, account.pw_gid)
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    confining.hide_memory()
    confining.gain_nothing()


def serve(channel: Channel, daemon: str) -> None:
    """Answer each `connect` with a connected descriptor. Raises Gone in the end."""
    while True:
        channel.receive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect(daemon)
            except OSError as error:
                channel.send({"error": error.strerror or str(error)})
            else:
                channel.send({"connected": True}, [sock.fileno()])
