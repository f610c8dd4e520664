"""What outlives the service: descriptors of logins and terminals, held by the helper under a name while it restarts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gaoler.web.channel import close

LIMIT = 4096
"""Things kept at once: some hundred people with ten terminals each."""

_LOGINS = ""
"""In what is carried over: no service gives anything this name."""


@dataclass(frozen=True)
class Kept:
    """`note` is the service's own, to know it again by."""

    note: dict[str, Any]
    descriptors: tuple[int, ...]


class Store:
    """The helper's side. What it holds can be carried over an exec(2) of the helper itself."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.logins: dict[int, tuple[str, str]] = {}
        """The processes of logins, with the name that was tried and the address: our children, also after an exec."""

    def keep(self, name: str, note: dict[str, Any], descriptors: list[int]) -> None:
        """Instead of what has that name. Without descriptors the ones that are there get a new note."""
        old = self.kept.get(name)
        if old and not descriptors:
            self.kept[name] = Kept(note, old.descriptors)
            return
        if old:
            close(old.descriptors)
        if not descriptors or (old is None and len(self.kept) >= LIMIT):
            close(descriptors)
            return
        self.kept[name] = Kept(note, tuple(descriptors))

    def drop(self, name: str) -> None:
        old = self.kept.pop(name, None)
        if old:
            close(old.descriptors)

    def pack(self) -> str:
        """Text for the program that takes our place, which inherits the descriptors."""
        for one in self.kept.values():
            for descriptor in one.descriptors:
                os.set_inheritable(descriptor, True)
        kept = {name: [one.note, one.descriptors] for name, one in self.kept.items()}
        return json.dumps({**kept, _LOGINS: [self.logins, []]})

    @classmethod
    def unpack(cls, text: str) -> Store:
        store = cls()
        found: Mapping[str, Any] = json.loads(text)
        for name, (note, descriptors) in found.items():
            if name == _LOGINS:
                store.logins = {int(pid): (user, remote) for pid, (user, remote) in note.items()}
                continue
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            store.kept[name] = Kept(note, tuple(descriptors))
        return store
