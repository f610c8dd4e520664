"""`gaoler-web`: read the configuration, take the port, make a certificate, and be the helper."""

from __future__ import annotations

import argparse
import os
import pwd
import socket
import sys
from pathlib import Path

from gaoler import __version__, files
from gaoler.configuration import file
from gaoler.configuration.model import Configuration
from gaoler.errors import Failed, GaolerError, NotAllowed, Usage
from gaoler.installation import here
from gaoler.web import certificate
from gaoler.web.helper import Helper
from gaoler.web.keeping import Store
from gaoler.web.noting import Noting
from gaoler.web.settings import Settings

DEFAULT_CONFIGURATION = "/etc/gaoler/gaoler.toml"
OWN = "web"
"""Beside the store's image: where our own certificate is kept."""
ADDRESS_FILE = "web"
"""In the daemon's runtime directory: the page's address, for `gaol desktop` and `make up`."""
_AGAIN = "GAOLER_WEB_AGAIN"
"""In the environment of the program that takes our place: descriptors of the port and of what is kept."""


def main(packages: str) -> int:
    parser = argparse.ArgumentParser("gaoler-web", description="The page for people, in front of gaoler's daemon.")
    parser.add_argument("--config", type=Path, default=Path(os.environ.get("GAOLER_CONFIG") or DEFAULT_CONFIGURATION))
    parser.add_argument("--packages", default=packages, help="where what browsers run of others' making is")
    parser.add_argument("--version", action="version", version=f"gaoler-web {__version__}")
    options = parser.parse_args()
    try:
        if os.geteuid() != 0:
            raise NotAllowed("gaoler-web must be root", "it asks PAM, and becomes who logs in", "sudo gaoler-web")
        configuration = file.load(options.config)
        if serve(configuration, options.packages):
            os.execv(sys.executable, sys.orig_argv)
    except GaolerError as error:
        print(f"gaoler-web: {error}", file=sys.stderr)  # noqa: T201
        if error.hint:
            print(f"try: {here(error.hint)}", file=sys.stderr)  # noqa: T201
        return error.code
    return 0


def serve(configuration: Configuration, packages: str) -> bool:
    """Serve until told to end; whether to begin anew. Raises GaolerError."""
    web = configuration.web
    if not web.listen:
        raise Usage("the page is turned off", "web.listen is empty", 'web.listen = "127.0.0.1:8443", in /etc/gaoler/gaoler.toml')
    account = _account(web.account)
    pem = (b"", b"") if web.proxy else certificate.read(web.certificate, web.key, configuration.store.image.parent / OWN)
    listener, store = _taken_over(web.listen)
    address = web.address or _address(listener, web.proxy)
    settings = Settings(
        daemon=str(configuration.socket),
        address=address,
        tls=not web.proxy,
        proxy=web.proxy,
        idle=web.idle,
        lifetime=web.lifetime,
        packages=packages,
        host=socket.gethostname(),
    )
    place = configuration.daemon.runtime / ADDRESS_FILE
    helper = Helper(settings, listener, pem, account, store, Noting(configuration.audits, configuration.audit.keep))

    def tell() -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        files.replace(place.with_name("web.pid"), f"{os.getpid()}\n".encode(), mode=0o644)
        files.replace(place, f"{address}\n".encode(), mode=0o644)
        known = f", certificate SHA-256 {certificate.fingerprint(pem[0])}" if pem[0] else ""
        print(f"gaoler-web: serving {address}{known}", file=sys.stderr, flush=True)  # noqa: T201
        _notify_systemd("READY=1")

    helper.on_serving = tell
    again = helper.run()
    if again:
        _hand_over(listener, store)
    else:
        for left in (place, place.with_name("web.pid")):  # that number will be another's
            left.unlink(missing_ok=True)
    return again


def _account(name: str) -> pwd.struct_passwd:
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise Usage(f'no account "{name}"', "web.account names who serves the page", "sudo make up") from None
    if account.pw_uid == 0:
        raise Usage(
            "the page can't be served by root",
            "web.account must be an account that may do nothing",
            'web.account = "gaoler-web", in /etc/gaoler/gaoler.toml',
        )
    return account


def _taken_over(listen: str) -> tuple[socket.socket, Store]:
    """The port and what is kept, from the program before us or new. Raises Failed."""
    given = os.environ.pop(_AGAIN, "")
    if given:
        port, _, kept = given.partition(" ")
        with os.fdopen(int(kept)) as file:
            file.seek(0)
            store = Store.unpack(file.read())
        listener = socket.socket(fileno=int(port))
        listener.set_inheritable(False)
        return listener, store
    host, _, number = listen.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host.strip("[]"), int(number)), family=family, backlog=256)
    except (OSError, ValueError, OverflowError) as error:
        raise Failed(
            f"can't serve at {listen}",
            getattr(error, "strerror", None) or str(error),
            'web.listen = "127.0.0.1:8443", in /etc/gaoler/gaoler.toml',
        ) from None
    return listener, Store()


def _hand_over(listener: socket.socket, store: Store) -> None:
    listener.set_inheritable(True)
    kept = os.memfd_create("gaoler-web", 0)
    os.write(kept, store.pack().encode())
    os.environ[_AGAIN] = f"{listener.detach()} {kept}"


def _address(listener: socket.socket, proxy: bool) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not listened at
        host = socket.getfqdn()
    shown = f"[{host}]" if ":" in host else host
    return f"http{'' if proxy else 's'}://{shown}:{port}"


def _notify_systemd(message: str) -> None:
    """Tell systemd, where it started us, that we are ready (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(message.encode(), path.replace("@", "\0", 1))
