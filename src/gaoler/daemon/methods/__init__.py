"""What answers the methods of `org.gaoler`: a file per noun, each handler under the decorator of its right."""

from __future__ import annotations

from gaoler.daemon.handling import Handler
from gaoler.daemon.methods import archives, backups, bases, changes, host, kernels, machines, sessions, snapshots

HANDLERS: dict[str, Handler] = {
    found.method.name: found
    for module in (sessions, machines, changes, snapshots, bases, kernels, host, backups, archives)
    for found in vars(module).values()
    if isinstance(found, Handler)
}
"""Every handler by the name of its method."""
