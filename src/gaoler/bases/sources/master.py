"""Masters: trees that somebody else keeps, followed by rsync."""

from __future__ import annotations

from pathlib import Path

from gaoler.bases import rsync
from gaoler.bases.sources.source import Fetched, Source, Work
from gaoler.errors import NotFound


class Rsync(Source):
    """HOST::MODULE, rsync://HOST/MODULE, USER@HOST:PATH or a directory of this host."""

    kind = "rsync"
    is_master = True

    def check(self) -> None:
        rsync.kind_of(self.argument)

    def paths(self) -> list[str]:
        return [self.argument] if rsync.kind_of(self.argument) == "local" else []

    def fetch(self, work: Work) -> Fetched:
        return Fetched(rsync.sync(self.argument, work.incoming(), self.means.access, work.report, lock=work.lock))


class Directory(Rsync):
    """A directory of this host, which nobody keeps as a master."""

    kind = "directory"
    is_master = False

    def check(self) -> None:
        self._must_be_absolute()
        if not Path(self.argument).is_dir():
            raise NotFound(f"no directory {self.argument}", "nothing of that name is here", f"ls {Path(self.argument).parent}")
