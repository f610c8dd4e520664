"""Applies gaoler's kernel patches, each in full or not at all.

They lie in folders by what is to become of them: fix/, feature/, speed/, ours/. Their numbers alone order them.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host.stream import stream
from gaoler.progress import Progress, Report


def patches(directory: Path) -> list[Path]:
    """Those of all folders, in the order of their numbers; raises Failed where two have one number."""
    found = sorted(directory.glob("*/*.patch"), key=lambda path: path.name)
    for one, other in pairwise(found):
        if one.name[:4] == other.name[:4]:
            why = f"{one.name} and {other.name}"
            raise Failed(f"two kernel patches have the number {one.name[:4]}", why, "ls kernel/patches")
    return found


def apply(tree: Path, series: list[Path], report: Report) -> None:
    """Raises Failed with the name of the first patch that no longer applies, and the file and hunk that stopped it."""
    for done, patch in enumerate(series):
        report(Progress("patch", done, len(series), "patches", patch.name))
        # No fuzz: a hunk that lands next to its place compiles, and is wrong.
        words = ["patch", "-p1", "--forward", "--batch", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(patch)]
        lines: list[str] = []
        try:
            stream(words, lines.append, what=f"{patch.name} does not apply to this kernel source", cwd=tree)
        except Failed as error:
            hint = "see kernel/patches/README.md: the patch needs work, or kernel/series a series that it is for"
            raise Failed(error.what, "; ".join(reasons(lines)), hint) from error
    if series:
        report(Progress("patch", len(series), len(series), "patches"))


def reverse(tree: Path, path: Path) -> None:
    """Takes an applied patch out again."""
    words = ["patch", "-p1", "-R", "--batch", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(path)]
    stream(words, lambda _: None, what=f"{path.name} can't be taken out again", cwd=tree)


def reasons(output: list[str]) -> list[str]:
    """Of patch(1)'s output, each failed hunk with its file."""
    file, found = "", []
    for line in output:
        if line.startswith("patching file "):
            file = line.removeprefix("patching file ").strip("'")
        elif any(word in line for word in ("FAILED", "can't find file", "malformed", "previously applied")):
            found.append(f"{file}: {line.strip()}" if file else line.strip())
    return found or output[-1:]
