"""`gaoler`: read the configuration, prepare the host, take over what runs, serve."""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from gaoler import background, logs
from gaoler.bases.schedule import BaseSchedule
from gaoler.configuration import holding
from gaoler.configuration.file import load
from gaoler.configuration.model import Configuration
from gaoler.daemon import deciding, doctor, growing, moving, store, verify
from gaoler.daemon.audit import Audit
from gaoler.daemon.deciding import Decided
from gaoler.daemon.journal import Journal
from gaoler.daemon.metrics_file import MetricsFile
from gaoler.daemon.options import parser
from gaoler.daemon.parts import Parts, assemble
from gaoler.daemon.server import Server
from gaoler.errors import Failed, GaolerError, NotAllowed
from gaoler.host import jail
from gaoler.host.cgroup import owners
from gaoler.installation import here
from gaoler.machines import guarding
from gaoler.machines.giving_back import GivingBack
from gaoler.machines.mount_watch import MountWatch
from gaoler.machines.network import Network
from gaoler.machines.recovery import Recovery
from gaoler.progress import Display, silent
from gaoler.store.memo import Memo

_log = logging.getLogger(__name__)


def main() -> int:
    options = parser().parse_args()
    level = logging.DEBUG if options.verbose else logging.INFO
    handler = logs.Bounded()
    handler.setFormatter(logs.formatter(handler.stream, os.environ))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("pyroute2").setLevel(logging.WARNING)
    try:
        if options.check:
            print(check(options.config))
        elif options.doctor:
            found = doctor.run(Decided(options.config, load(options.config)), names=os.geteuid() == 0)
            print(json.dumps([check.model_dump() for check in found]))
        elif os.geteuid() != 0:
            raise NotAllowed("the daemon must be root", "it mounts, makes network devices and starts jails", "sudo gaoler")
        else:
            _do(options)
    except GaolerError as error:
        print(f"gaoler: {error}", file=sys.stderr)
        if error.hint:
            print(f"try: {here(error.hint)}", file=sys.stderr)
        return error.code
    return 0


def _do(options: argparse.Namespace) -> None:
    """What needs root."""
    if not (options.make_store or options.grow_store or options.move_store or options.close):
        serve(deciding.decide(options.config))
        return
    configuration = load(options.config)
    if options.make_store:
        make_store(configuration, anew=options.anew)
    elif options.grow_store:
        print(growing.grow(configuration.store))
    elif options.move_store:
        print(moving.move(configuration.store, options.move_store, options.config, Display().report))
    else:
        _network(configuration).close()
        owners.Groups(configuration.daemon.prefix).close()


def check(path: Path) -> str:
    """What is to be said of a configuration that this host can have. Raises Usage for another one, with every mistake."""
    configuration = verify.loaded(path)
    lines = [f"note: {one}" for one in verify.told(configuration)]
    with suppress(GaolerError):  # no daemon has had one yet, or an older one wrote it
        there = load(deciding.kept(path))
        if differs := holding.told(*holding.differences(there, configuration)):
            lines.append(f"beside what a daemon had last: {differs}")
    return "\n".join([*lines, f"{path} is good"])


def make_store(configuration: Configuration, *, anew: bool) -> None:
    """Make the store's file system if there never was one, and mount it. Raises Failed where another one is mounted."""
    store.prepare(configuration, anew=anew)
    settings = configuration.store
    if told := store.is_elsewhere(settings):
        raise Failed(told, "what is mounted stays", f"gaol store move --to {store.configured(settings)}")
    print(f"the store is at {settings.path}, on {store.mounted(settings)}")


def _go_on_moving(configuration: Configuration, path: Path) -> None:
    """With a move of the store that was cut short."""
    memo = Memo.read(store.memo_of(configuration.store))

    def work() -> None:
        try:
            _log.info("%s", moving.move(configuration.store, Path(memo.target), path, silent))
        except (GaolerError, OSError) as error:
            _log.error("%s", error)

    if memo.target:
        background.begin(work, "move of the store")


def _network(configuration: Configuration) -> Network:
    daemon = configuration.daemon
    return Network(configuration.network, daemon.prefix, daemon.runtime / "network")


def serve(decided: Decided) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP has the configuration read anew. Machines run on afterwards."""
    configuration = decided.configuration
    os.umask(0o022)
    # Six descriptors for each machine that runs, and who starts us by hand may have left us 1024 in all.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # A start has several threads at short work in turns: none of them is to wait 5 ms for another's end of turn.
    sys.setswitchinterval(0.0002)
    background.reserve()
    store.prepare(configuration)
    _go_on_moving(configuration, decided.path)
    jail.prepare_host()
    network = _network(configuration)
    network.prepare()
    parts = assemble(decided, network)
    parts.jailer.owners.weigh_all()
    audit = Audit(lambda: configuration.audits, lambda: configuration.audit.keep)
    logging.getLogger("gaoler.events").addHandler(audit)
    server = Server(configuration.socket, parts, parts.tally, Journal(audit))
    parts.quotas.prepare()
    booted = parts.boot.is_first
    Recovery(parts.registry, parts.jailer, parts.running, parts.sessions, parts.removed, booted=booted).recover()
    parts.draining.resume(booted=booted)
    parts.copies.clear()
    parts.leavers.start()
    parts.removed.start()
    parts.making.begin_ahead(configuration.machines.base)
    guarding.keep(parts.registry, network, parts.monitor)
    GivingBack(parts.registry, parts.monitor).start()
    parts.monitor.start()
    MountWatch(parts.registry).start()
    BaseSchedule(parts.syncs).start()
    MetricsFile(parts.metrics, lambda: configuration.metrics.file).start()
    deciding.keep(decided)
    parts.autostart.begin()
    _notify_systemd(f"READY=1\n{_status(decided)}")
    _log.info("serving on %s, %d machines", configuration.socket, len(parts.registry.all()))

    def stop(_: int, __: FrameType | None) -> None:
        _log.info("stopping; machines run on")
        server.close()

    def anew(_: int, __: FrameType | None) -> None:
        background.begin(lambda: _reload(decided, parts), "reload")

    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, anew)
    server.serve(reader)
    parts.spares.close()


def _reload(decided: Decided, parts: Parts) -> None:
    """Have what the file says by now hold, as far as it can while we run."""
    try:
        now, later = decided.reload()
    except GaolerError as error:
        _log.error("the configuration is not read anew, the daemon goes on with what it had: %s", error)
    else:
        _log.info("the configuration is read anew; %s", holding.told(now, later) or "nothing has changed")
        parts.running.weigh_all()
    _notify_systemd(_status(decided))


def _status(decided: Decided) -> str:
    """For `systemctl status`."""
    told = f"goes on with the configuration that it had: {decided.why}" if decided.why else "serving"
    return f"STATUS={' '.join(told.split())}"


def _notify_systemd(message: str) -> None:
    """Tell systemd, where it started us, that we are ready (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(message.encode(), path.replace("@", "\0", 1))


if __name__ == "__main__":
    sys.exit(main())
