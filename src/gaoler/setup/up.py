"""`make up`: from a fresh Debian to a machine that runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from gaoler import places
from gaoler.bases.sources import debian
from gaoler.client import Gaoler
from gaoler.errors import Failed
from gaoler.host import apt, id_ranges, mounts
from gaoler.host.command import run
from gaoler.host.stream import plain_environment
from gaoler.kernels import building
from gaoler.progress import Display, Progress
from gaoler.setup import beside, components, daemon, environment, guest, host, install, instances, page, service, steps
from gaoler.setup.accounts import has_group, make_group
from gaoler.setup.facts import Facts, ask, sample
from gaoler.setup.settings import Settings
from gaoler.setup.steps import Step

DESKTOP = "debian-desktop"
"""The base with a desktop, which DESKTOP=1 in the environment asks for; `gaol desktop` makes machines from it."""


def up(settings: Settings, display: Display) -> None:
    """Does what is not done yet; raises GaolerError with the step that failed, why, and what to do."""
    first = [component_step(components.RUNTIME, display), *program_steps(settings, display)]
    total = len(first) + 11 + _wants_desktop()
    instances.may(settings, "up")
    steps.run(first, display, 1, total)
    facts = ask(settings)
    steps.run(machine_steps(settings, facts, display), display, len(first) + 1, total)


def component_step(packages: dict[str, str], display: Display) -> Step:
    def install_missing() -> str:
        names = components.missing(packages)
        for line in components.table(names, packages):
            display.say(line)
        components.install(names, display.report)
        return f"installed {len(names)}"

    return Step("components", lambda: "" if components.missing(packages) else f"{len(packages)} there", install_missing)


def program_steps(settings: Settings, display: Display) -> list[Step]:
    wanted = environment.locked("requirements.lock")

    def make_environment() -> str:
        environment.make(settings.environment, wanted, display.report)
        return str(settings.environment)

    def install_program() -> str:
        tree = install.install(places.TREE, settings)
        install.manual_pages(settings)
        return f"installed {settings.commands}/gaol, gaoler and gaoler-web from {tree}"

    def configure() -> str:
        settings.configuration.parent.mkdir(parents=True, exist_ok=True)
        text = sample(settings)
        if settings.cache != Settings.of({}).cache:
            text = text.replace("[daemon]\n", f'[daemon]\ncache = "{settings.cache}"\n')
        if known := instances.others(instances.read(), settings):
            text = beside.choose(known, settings.configuration).into(text)
        elif not id_ranges.given(*id_ranges.CHOSEN):  # what was installed before keeps what it has, the default
            first, count = id_ranges.CHOSEN
            text = text.replace("[ids]\n", f"[ids]\nfirst = {first}\ncount = {count}\n")
        settings.configuration.write_text(text)
        return f"wrote {settings.configuration}"

    return [
        Step(
            "Python environment",
            lambda: str(settings.environment) if environment.is_current(settings.environment, wanted) else "",
            make_environment,
        ),
        Step(
            "program",
            lambda: f"{settings.commands}/gaol" if install.is_current(places.TREE, settings) else "",
            install_program,
        ),
        page.packages_step(settings.page, display.report),
        Step("configuration", lambda: str(settings.configuration) if settings.configuration.exists() else "", configure),
    ]


def machine_steps(settings: Settings, facts: Facts, display: Display) -> list[Step | tuple[Step, ...]]:
    kernels, gaoler = facts.store / "kernels", daemon.of(settings, facts)

    def make_store() -> str:
        run([str(settings.commands / "gaoler"), "--config", str(settings.configuration), "--make-store"], env=plain_environment())
        return f"btrfs at {facts.store}, on {facts.device or facts.image}"

    def installed_kernel() -> str:
        found = building.installed(kernels)
        return found.name if found else ""

    def make_guest() -> str:
        guest.install(facts.store, facts.cache, display.report)
        return f"{facts.store}/bin, etc and lib"

    def start_daemon() -> str:
        verify(settings)
        gaoler.start()
        return "a service of systemd" if service.use_systemd(settings) else f"in the background, log {facts.runtime}/gaoler.log"

    def enter() -> str:
        told = instances.enter(settings, facts)
        settings.socket.write_text(str(facts.socket))
        return told

    def is_entered() -> bool:
        return instances.is_entered(settings, facts) and settings.socket.exists()

    def there(path: Path, good: bool) -> str:
        return str(path) if good else ""

    def make_desktop() -> str:
        add_base(facts, display, DESKTOP, "mmdebstrap", "+desktop")
        return str(desktop)

    def reserve_ids() -> str:
        first, count = facts.ids
        id_ranges.reserve(first, count)
        return f"{first} to {first + count - 1}, in /etc/subuid and /etc/subgid"

    base, desktop = facts.store / facts.base, facts.store / DESKTOP
    group = facts.admin_group
    return [
        Step("installation", lambda: str(settings.prefix) if is_entered() else "", enter),
        Step("host", lambda: host.check(loop=facts.device is None, tun=facts.has_network), lambda: ""),
        Step("administrators' group", lambda: group if has_group(group) else "", lambda: make_group(group)),
        Step("ids of machines", lambda: "reserved" if id_ranges.reserved(*facts.ids) else "", reserve_ids),
        Step("store", lambda: there(facts.store, mounts.is_mounted(facts.store)), make_store),
        Step("guest files", lambda: there(facts.store / "bin", guest.is_current(facts.store)), make_guest),
        Step("daemon", lambda: there(facts.socket, gaoler.is_current()), start_daemon),
        (  # one waits for the compiler, the other for the network and the disk
            Step("kernel", installed_kernel, lambda: building.build(facts.cache, kernels, display.report).name),
            Step("base", lambda: there(base, base.is_dir()), lambda: make_base(facts, display)),
        ),
        *([Step("desktop base", lambda: there(desktop, desktop.is_dir()), make_desktop)] if _wants_desktop() else []),
        page.step(settings, facts),
        Step("first machine", lambda: "", lambda: first_machine(settings, facts)),
    ]


def verify(settings: Settings) -> None:
    """Before the daemon that runs is stopped. Raises Failed with every mistake in the configuration."""
    words = [str(settings.commands / "gaoler"), "--config", str(settings.configuration), "--check"]
    done = subprocess.run(words, env=plain_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said, _, hint = done.stderr.strip().partition("\ntry: ")
        raise Failed("the daemon is not restarted", said.removeprefix("gaoler: "), hint)


def make_base(facts: Facts, display: Display) -> str:
    """The base of machines that name none, of the host's own release; the daemon makes it and publishes it.

    With BASE in the environment it is a copy of that tree: for hosts that reach no mirror, and for those in a hurry.
    """
    suite = apt.host_suite() or debian.NEWEST_STABLE
    tree = os.environ.get("BASE")
    source, argument = ("directory", os.path.abspath(tree)) if tree else ("mmdebstrap", suite)

    add_base(facts, display, facts.base, source, argument)
    return f"{facts.store / facts.base}, " + (f"a copy of {tree}" if tree else f"Debian {suite}")


def _wants_desktop() -> bool:
    return os.environ.get("DESKTOP") == "1"


def add_base(facts: Facts, display: Display, name: str, source: str, argument: str) -> None:
    unit = "bytes" if source == "directory" else "packages"

    def tell(reply: dict[str, Any]) -> None:
        total = reply.get("total")
        display.report(Progress(reply["step"], reply.get("done") or 0, total, unit if total else ""))

    with Gaoler(str(facts.socket)) as gaoler:
        gaoler.call("BaseAdd", tell, name=name, source=source, argument=argument)


def first_machine(settings: Settings, facts: Facts) -> str:
    """Runs a machine for one command: the proof that all of it works."""
    environ = {**plain_environment(), "GAOLER_SOCKET": str(facts.socket)}
    return run([str(settings.commands / "gaol"), "run", "--", "uname", "-a"], env=environ).stdout.strip()
