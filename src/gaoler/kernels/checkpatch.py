"""What the kernel's own checkpatch.pl says of our files and patches, where the source is in the cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from gaoler import places
from gaoler.host.command import run
from gaoler.kernels import patch, worktree
from gaoler.kernels.files import Overlay

#: What it reads beside itself.
_SCRIPTS = ("checkpatch.pl", "const_structs.checkpatch", "spelling.txt", "deprecated_terms.txt")

#: What it is wrong about here, and why.
IGNORED = {
    "MACRO_ARG_REUSE": "call.h makes functions of types: no argument is an expression",
    "PRINTK_WITHOUT_KERN_LEVEL": "UM_KERN_ERR is a level, where the host's headers are used",
    "ENOSYS": "0130 is a table of system calls, where it's what a number that isn't in it gives",
    "ARCH_DEFINES": "by __i386__ arch/x86/um tells its two kinds apart, as lines of upstream's beside ours do",
    "YIELD": "0052 leaves the rest of its turn to others, whoever they are, which is what yield() does",
    "CAMELCASE": "elf.h's types are, which it learns from a whole source",
    "UNKNOWN_COMMIT_ID": "no history is at hand in which to look for it",
    "FILE_PATH_CHANGES": "MAINTAINERS does not know of us",
}


def scripts(packages: Path, into: Path) -> Path | None:
    """checkpatch.pl of the source in the cache, unpacked to `into` the first time; None where there is no source."""
    package = worktree.newest_path(packages)
    if package is None:
        return None
    there = into / f"checkpatch-{package.stem}"
    if not there.is_dir():
        with tempfile.TemporaryDirectory(prefix=".checkpatch-", dir=into) as name:
            work = Path(name)
            run(["dpkg-deb", "-x", str(package), str(work / "deb")])
            (tarball,) = (work / "deb/usr/src").glob("linux-source-*.tar.xz")
            wanted = [f"*/scripts/{script}" for script in _SCRIPTS]
            (work / "scripts").mkdir()
            words = ["tar", "-C", str(work / "scripts"), "--strip-components=2", "-xJf", str(tarball), "--wildcards"]
            subprocess.run([*words, *wanted], check=False, stderr=subprocess.DEVNULL)  # not every series has every list
            (work / "scripts" / "include").mkdir()  # where it looks for names in mixed case
            shutil.move(work / "scripts", there)
    return there / "checkpatch.pl"


def complaints(script: Path) -> list[str]:
    """Its lines about kernel/files and kernel/patches, at its strictest; none is the wish."""
    options = ["--strict", "--terse", "--no-tree", "--no-summary", f"--root={script.parent}", f"--ignore={','.join(IGNORED)}"]
    words = ["perl", str(script), *options]
    overlay = Overlay(places.FILES, places.REPLACED)
    below = f"{overlay.root}/"
    sources = [below + name for name in overlay.files()]
    found = [line.replace(below, "", 1) for line in _lines([*words, "--file", *sources], script.parent)]
    for path in patch.patches(places.PATCHES):
        # By standard input: a file that git knows is taken for source, not for a patch.
        found += [line.replace("-:", f"{path.name}:", 1) for line in _lines([*words, "-"], script.parent, path)]
    return found


def _lines(words: list[str], cwd: Path, input_path: Path | None = None) -> list[str]:
    # It leaves a file where it is called.
    text = input_path.read_bytes() if input_path else b""
    done = subprocess.run(words, cwd=cwd, input=text, capture_output=True, check=False)
    return [line for line in (done.stdout + done.stderr).decode(errors="replace").splitlines() if line.strip()]
