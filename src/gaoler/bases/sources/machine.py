"""A machine's files, published by its owner or taken by an administrator."""

from __future__ import annotations

from pathlib import Path

from gaoler.bases.sources.source import Made, Work


class Machine(Made):
    """OWNER/NAME."""

    kind = "machine"
    shares = True

    def check(self) -> None:
        self.means.take(self.argument, self.machine_mark, self.keep)

    def fill(self, tree: Path, work: Work) -> Path:
        self.means.take(self.argument, self.machine_mark, self.keep)(tree, work.report)
        return tree
