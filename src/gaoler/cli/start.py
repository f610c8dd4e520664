"""`gaol` alone: what one has, and what one can do next."""

from __future__ import annotations

from gaoler.cli.output import clean
from gaoler.cli.views import list_machines
from gaoler.client import Gaoler

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from typing import Any


def start() -> int:
    with Gaoler() as gaoler:
        machines = gaoler.machines()
    if machines:
        list_machines(machines, with_owner=False)
    else:
        print("You have no machines yet.")
    print()
    steps = [*_steps(machines), ("gaol --help", "all commands")]
    width = max(len(line) for line, _ in steps)
    for line, text in steps:
        print(f"  {line:<{width}}  {text}")
    return 0


def _steps(machines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What somebody with these machines is likely to want, as commands to be typed."""
    if not machines:
        run = ("gaol run -- uname -a", "one command in a machine of its own, thrown away afterwards")
        return [run, ("gaol up web", "a machine to keep")]
    up = [clean(machine["name"]) for machine in machines if machine["state"] in ("ready", "running")]
    down = [clean(machine["name"]) for machine in machines if machine["state"] in ("stopped", "failed", "asleep")]
    steps = []
    if up:
        steps += [(f"gaol shell {up[0]}", "be root in it"), (f"gaol down {up[0]}", "stop it; its files stay")]
    if down:
        steps.append((f"gaol up {down[0]}", "start it again"))
    return [*steps, (f"gaol info {clean(machines[0]['name'])}", "all about it")]
