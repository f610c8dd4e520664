"""`make down`: nothing of gaoler runs afterwards, and all files stay."""

from __future__ import annotations

from gaoler.client import Gaoler
from gaoler.errors import Failed, GaolerError
from gaoler.host import loop, mounts
from gaoler.host.command import run
from gaoler.host.stream import plain_environment
from gaoler.progress import Display
from gaoler.setup import daemon, instances, page
from gaoler.setup.facts import Facts, ask
from gaoler.setup.settings import Settings


def down(settings: Settings, display: Display) -> None:
    """Stops machines, daemon and network, and unmounts the store: nothing of gaoler runs afterwards, all files stay."""
    instances.may(settings, "down")
    if not is_installed(settings):
        display.say("nothing to stop: gaoler is not installed")
        return
    facts = ask(settings)
    page.of(settings, facts).stop()
    stop_machines(settings, facts, display)
    daemon.of(settings, facts).stop()
    run([str(settings.commands / "gaoler"), "--config", str(settings.configuration), "--close"], env=plain_environment())
    if mounts.is_mounted(facts.store):
        mounts.unmount(facts.store)
    if not facts.device:
        for device in loop.devices_of(facts.image):
            loop.detach_loop(device)
    display.say("daemon stopped, network closed, store unmounted; again: sudo make up")


def is_installed(settings: Settings) -> bool:
    return settings.python.exists() and settings.current.exists() and settings.configuration.exists()


def stop_machines(settings: Settings, facts: Facts, display: Display) -> None:
    """Machines outlive the daemon, and only it can stop them: it is started where it does not run."""
    running = facts.runtime / "machines"
    if not daemon.pid(facts.socket):
        if not running.is_dir() or not any(running.iterdir()):
            return
        daemon.of(settings, facts).start()
    problems = []
    with Gaoler(str(facts.socket)) as gaoler:
        for machine in gaoler.machines(everybody=True):
            if machine["state"] in ("stopped", "failed", "asleep"):
                continue
            whose = f"{machine['owner']}/{machine['name']}"
            try:
                gaoler.down(machine["name"], owner=machine["owner"])
                display.say(f"    stopped {whose}")
            except GaolerError as error:  # the others are stopped all the same
                problems.append(f"{whose}: {error}")
    if problems:
        raise Failed(f"{len(problems)} machines could not be stopped", "\n".join(["", *problems]), "gaol ls --all")
