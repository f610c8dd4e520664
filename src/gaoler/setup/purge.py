"""`make purge`: removes every trace of gaoler, and nothing that is not gaoler's."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gaoler.errors import NotAllowed
from gaoler.host import id_ranges
from gaoler.host.command import run
from gaoler.progress import Display
from gaoler.setup import components, daemon, instances, page, service
from gaoler.setup.accounts import has_group
from gaoler.setup.down import down, is_installed
from gaoler.setup.facts import Facts, ask
from gaoler.setup.settings import Settings
from gaoler.store import memo

#: What gaoler makes in directories that a setting names: such a directory may hold other things, too.
IN_CACHE = ("apt", "packages", "pacman", "ccache", "kernels", "guest", "test", "lock", "build-*", "fixes-*")
AUDIT = "audit"
STANDARD = (Path("/usr"), Path("/usr/local"))
IN_RUNTIME = ("gaoler.sock", "gaoler.log", "version", "machines", "jails", "network", "boot", "drain", *page.IN_RUNTIME)


def purge(settings: Settings, display: Display, agreed: bool) -> None:
    """Removes program, configuration, store with all machines, cache and group. Raises NotAllowed without agreement."""
    instances.may(settings, "purge")
    facts = ask(settings) if is_installed(settings) else None
    others = instances.others(instances.read(), settings)
    kept = {Path(one.cache) for one in others}
    doomed = [path for path in dict.fromkeys(traces(settings, facts)) if not kept & set(path.parents)]
    if not doomed:
        display.say("nothing to remove")
        return
    of_many = f"the installation in {settings.prefix}, and every machine in it"
    display.say(f"This removes {of_many if others else 'gaoler and every machine of every user on this host'}:")
    for path in doomed:
        display.say(f"    {path}")
    if not agreed:
        ask_person()
    if facts:
        down(settings, display)
    page.forget(settings, facts, used={one.account for one in others})
    service.forget(settings, daemon.UNITS)
    for path in doomed:
        remove(path)
    instances.forget(settings)
    if facts and has_group(facts.admin_group) and all(one.group != facts.admin_group for one in others):
        run(["groupdel", facts.admin_group])
    if facts:
        id_ranges.release(*facts.ids)
    for path in directories(settings, facts):
        with suppress(OSError):  # others' files are in it, or it is gone
            path.rmdir()
    if facts and facts.device:
        display.say(f"the file system on {facts.device} is left: wipefs -a {facts.device} removes it")
    display.say("removed; Debian packages stay: " + " ".join(components.RUNTIME))


def traces(settings: Settings, facts: Facts | None) -> Iterator[Path]:
    """What is there of gaoler's; the program last, so that an interrupted purge can be run again."""
    for cache in {settings.cache, facts.cache if facts else settings.cache}:
        for pattern in IN_CACHE:
            yield from sorted(cache.glob(pattern))
    if facts:
        yield from (facts.runtime / name for name in IN_RUNTIME if (facts.runtime / name).exists())
        if page.own(facts).exists():
            yield page.own(facts)
        yield from (facts.image.parent / name for name in (*memo.FILES, AUDIT) if (facts.image.parent / name).exists())
        if not facts.device and facts.image.exists():
            yield facts.image
    commands = (*(settings.commands / name for name in ("gaol", "gaoler", "gaoler-web")), *settings.made, settings.documents)
    kept = settings.configuration.with_name(f"{settings.configuration.name}.last-good")
    last = (*commands, kept, settings.configuration, settings.library)
    yield from (path for path in last if path.exists() or path.is_symlink())


def directories(settings: Settings, facts: Facts | None) -> list[Path]:
    """Directories that are removed when nothing is left in them."""
    found = [settings.cache, settings.configuration.parent]
    if settings.prefix not in STANDARD:  # whose directories are the host's, also where nothing is in them
        ours = (settings.commands / "gaol", *settings.made, settings.documents, settings.library)
        within = {parent for path in ours for parent in path.parents if parent.is_relative_to(settings.prefix)}
        found += sorted(within, key=lambda path: len(path.parts), reverse=True)
    return [*found, facts.store, facts.runtime, facts.cache, facts.image.parent] if facts else found


def ask_person() -> None:
    """Raises NotAllowed unless somebody at a terminal says yes."""
    if not sys.stdin.isatty():
        raise NotAllowed("purge needs a yes", "there is no terminal to ask at", "sudo make purge YES=1")
    if input("Type yes to go on: ").strip() != "yes":
        raise NotAllowed("nothing was removed", "the answer was not yes", "sudo make purge")


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
