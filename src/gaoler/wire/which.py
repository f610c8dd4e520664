"""Which machine is meant: `web` of one's own, or `alice/web`, as administrators may say. Read here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Which:
    """A machine as somebody names it. Nothing is known of it yet, not even that its owner exists."""

    owner: str | None
    """A login; None for the caller's own."""
    name: str | None
    """None for the standard machine: the only one, or the one named after its owner."""

    @classmethod
    def read(cls, text: str | None, owner: str | None = None) -> Which:
        """`alice/web`, `web`, or nothing. `owner` is whose it is where the text doesn't say: no name has a slash in it."""
        before, slash, after = (text or "").partition("/")
        return cls(before, after) if slash else cls(owner or None, text)

    def __str__(self) -> str:
        return f"{self.owner}/{self.name or ''}" if self.owner else self.name or ""
