"""Kernel source: the newest Debian package of a supported series, fetched with apt's own signature check.

The host's own sources are left alone: a private apt configuration names the same mirror and the same key, and only the
suite differs. Nothing is installed; the package is unpacked for its tarball.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import Failed, NotFound
from gaoler.host import apt
from gaoler.host.command import run
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report

#: Where Debian keeps kernels newer than its stable release's.
SUITES = ("trixie-backports", "forky", "sid")

#: What apt says when a signature is not what it should be (apt-secure(8)).
SIGNATURE_WORDS = ("NO_PUBKEY", "BADSIG", "EXPKEYSIG", "REVKEYSIG", "is not signed", "invalid signature", "GPG error", "sqv")


@dataclass(frozen=True, slots=True)
class Source:
    """One version of a package as a signed index lists it; `size` in bytes."""

    package: str
    version: str
    sha256: str
    size: int
    suite: str

    @property
    def series(self) -> str:
        return self.package.removeprefix("linux-source-")


def read_series(path: Path) -> list[str]:
    """The supported series, the preferred one first."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


class Unsigned(Failed):
    """An index whose signature is missing, wrong or by a stranger: never passed over."""


class PrivateApt:
    """apt with sources and state of its own under `home`, for one archive."""

    def __init__(self, home: Path, archive: apt.Archive) -> None:
        self._home = home
        self._archive = archive
        for name in ("lists/partial", "cache/archives/partial", "state", "sources"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / "state" / "status").touch()

    def update(self, suite: str, report: Report) -> None:
        """Fetches a suite's index; raises Failed, and says so plainly where a signature is the reason."""
        (self._home / "sources" / f"{suite}.sources").write_text(self._archive.stanza(suite))
        report(Progress(f"package index of {suite}"))
        what = f"can't read the package index of {suite} from {self._archive.uri}"
        try:
            run(["apt-get", *self._options(suite), "--error-on=any", "update"], env=plain_environment())
        except Failed as error:
            if any(word in error.why for word in SIGNATURE_WORDS):
                raise Unsigned(
                    f"the package index of {suite} is not signed by a key this host trusts",
                    error.why,
                    "check the mirror; then: sudo apt-get install --reinstall debian-archive-keyring",
                ) from error
            raise Failed(what, error.why, "apt-get update") from error

    def versions(self, suite: str, package: str) -> list[Source]:
        """What the suite's index holds of a package."""
        if package not in self._cache(suite, "pkgnames", package).split():
            return []
        found = []
        text = self._cache(suite, "show", "--no-all-versions", package)
        for stanza in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
            if fields.get("Package") == package:
                found.append(Source(package, fields["Version"], fields["SHA256"], int(fields["Size"]), suite))
        return found

    def _cache(self, suite: str, *words: str) -> str:
        return run(["apt-cache", *self._options(suite), *words], env=plain_environment()).stdout

    def download(self, source: Source, into: Path, report: Report) -> Path:
        """Fetches the package, checked against the signed index; what is there already is not fetched again."""
        into.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(into, "_apt")  # apt fetches as this user, not as root

        def on_line(line: str) -> None:
            if line.startswith("dlstatus:"):
                percent = float(line.split(":", 3)[2])
                report(Progress(source.package, int(source.size * percent / 100), source.size, "bytes"))

        wanted = f"{source.package}={source.version}"
        stream(
            ["apt-get", *self._options(source.suite), "-o", "APT::Status-Fd=1", "download", wanted],
            on_line,
            what=f"can't fetch {source.package} {source.version}",
            hint="check the network and free space; what was fetched so far is kept, so try again",
            cwd=into,
        )
        escaped = source.version.replace(":", "%3a")
        report(Progress(source.package, source.size, source.size, "bytes"))
        return into / f"{source.package}_{escaped}_all.deb"

    def _options(self, suite: str) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": self._home / "sources" / f"{suite}.sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State": self._home / "state",
            "Dir::State::status": self._home / "state" / "status",
            "Dir::State::lists": self._home / "lists",
            "Dir::Cache": self._home / "cache",
            "APT::Get::List-Cleanup": "false",  # the suites share a directory
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "Acquire::AllowReleaseInfoChange": "true",  # a suite becomes stable: no reason to stop
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def resolve(private: PrivateApt, series: Sequence[str], report: Report, suites: Sequence[str] = SUITES) -> Source:
    """The newest version of the first of `series` that any suite has; raises NotFound or Failed.

    A suite that can't be read is passed over while another one has the package: backports come and go.
    """
    readable: list[str] = []
    errors: list[Failed] = []
    for suite in suites:
        try:
            private.update(suite, report)
            readable.append(suite)
        except Unsigned:
            raise
        except Failed as error:
            errors.append(error)
            # Said, since what it would have had may be newer than what is found elsewhere.
            report(Progress(f"{suite} is passed over: {error.why.splitlines()[-1] if error.why else error.what}"))
    if not readable:
        raise errors[0]
    for wanted in series:
        found = [source for suite in readable for source in private.versions(suite, f"linux-source-{wanted}")]
        if found:
            return newest(found)
    raise NotFound(
        f"no kernel source of series {', '.join(series)}",
        f"none is in {', '.join(readable)}",
        "git pull; sudo make up",
    )


def newest(found: Sequence[Source]) -> Source:
    """The highest version in Debian's order; the first of equals."""
    best = found[0]
    for source in found[1:]:
        if is_newer(source.version, best.version):
            best = source
    return best


def is_newer(version: str, than: str) -> bool:
    """In Debian's order of versions, where `7.2.13-1~bpo13+1` is older than `7.2.13-1`."""
    try:
        run(["dpkg", "--compare-versions", version, "gt", than])
    except Failed:
        return False
    return True
