"""The host's own apt configuration: where Debian's archive is fetched from, and which key signs it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gaoler.errors import Failed
from gaoler.host.command import run
from gaoler.host.stream import plain_environment

HINT = "see sources.list(5): `deb URI SUITE main` in /etc/apt/sources.list or a .sources file beside it"


@dataclass(frozen=True, slots=True)
class Entry:
    """One enabled `deb` entry; `signed_by` is a path, a fingerprint or a whole key, as it is written there."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """Debian's main archive as this host reaches it."""

    uri: str
    signed_by: str = ""

    def stanza(self, suite: str) -> str:
        """A deb822 source for another suite of it."""
        return stanza(self.uri, suite, self.signed_by)


def stanza(uri: str, suites: str, signed_by: str) -> str:
    """A deb822 source of the component `main`."""
    lines = ["Types: deb", f"URIs: {uri}", f"Suites: {suites}", "Components: main"]
    if signed_by:
        lines.append(f"Signed-By: {signed_by}")
    return "\n".join(lines) + "\n"


def parse_deb822(text: str) -> Iterator[Entry]:
    """Entries of a .sources file."""
    stanza: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            yield from _from_stanza(stanza)
            stanza, name = {}, ""
        elif line[0] in " \t" and name:
            stanza[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            stanza[name] = value.strip()


def _from_stanza(stanza: dict[str, str]) -> Iterator[Entry]:
    if "deb" not in stanza.get("types", "").split() or stanza.get("enabled", "yes").lower() in ("no", "false", "0"):
        return
    suites = tuple(stanza.get("suites", "").split())
    components = tuple(stanza.get("components", "").split())
    for uri in stanza.get("uris", "").split():
        yield Entry(uri, suites, components, stanza.get("signed-by", ""))


def parse_one_line(text: str) -> Iterator[Entry]:
    """Entries of a .list file: `deb [options] URI SUITE COMPONENT...`."""
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        options = ""
        if line.startswith("deb") and "[" in line:
            before, _, rest = line.partition("[")
            options, _, after = rest.partition("]")
            line = f"{before} {after}"
        words = line.split()
        if len(words) < 3 or words[0] != "deb":
            continue
        settings = dict(word.split("=", 1) for word in shlex.split(options) if "=" in word)
        yield Entry(words[1], (words[2],), tuple(words[3:]), settings.get("signed-by", ""))


def entries(root: Path = Path("/etc/apt")) -> list[Entry]:
    """Every enabled binary entry of the host."""
    found: list[Entry] = []
    for path in [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".list":
            found += parse_one_line(text)
        elif path.suffix == ".sources":
            found += parse_deb822(text)
    return found


def choose(found: list[Entry], debian_uris: set[str]) -> Archive:
    """The entry of Debian's main archive; `debian_uris` are those whose signed Release file says `Origin: Debian`."""
    for entry in found:
        if normal(entry.uri) in debian_uris and "main" in entry.components and is_release(entry.suites):
            return Archive(entry.uri, entry.signed_by)
    raise Failed("can't tell where this host fetches Debian from", "no apt source is Debian's main archive", HINT)


def is_release(suites: tuple[str, ...]) -> bool:
    """Whether a suite of the archive itself is among them (`bookworm`), not only additions (`bookworm-updates`)."""
    return any("-" not in suite and "/" not in suite for suite in suites)


def normal(uri: str) -> str:
    return uri.rstrip("/") + "/"


def host_archive() -> Archive:
    """Debian's main archive as the host's own apt sources name it; raises Failed where there is none."""
    found = entries()
    uris = _origin_debian()
    if not uris:  # a fresh image has fetched no index yet
        run(["apt-get", "-qq", "update"], env=plain_environment())
        uris = _origin_debian()
    return choose(found, uris)


def _origin_debian() -> set[str]:
    words = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Identifier: Packages"]
    rows = run(words, env=plain_environment()).stdout
    # Security updates are `Debian Debian-Security`, a third party has an origin of its own.
    return {normal(row.split(" ", 2)[2]) for row in rows.splitlines() if row.startswith("Debian Debian ")}


def sources_for(suite: str, found: list[Entry], archive: Archive, host: str) -> str:
    """The deb822 sources of a Debian of that suite: where the host fetches its own from, updates and security too."""
    text = archive.stanza(suite)
    if suite in ("sid", "unstable", "experimental") or not host:
        return text
    for entry in found:
        for one in entry.suites:
            if one in (f"{host}-updates", f"{host}-security") and "main" in entry.components:
                text += "\n" + stanza(entry.uri, suite + one.removeprefix(host), entry.signed_by)
    return text


def without_mirror_lists(text: str) -> str:
    """Sources with each `mirror+file:` address replaced by its list's first: inside a machine there is no such list."""

    def first(match: re.Match[str]) -> str:
        path = Path("/" + match[1].lstrip("/"))
        words = [line.split()[0] for line in path.read_text().splitlines() if line.strip() and line[0] != "#"]
        if not words:
            raise Failed(f"{path} names no mirror", "an apt source of this host refers to it", HINT)
        return f"URIs: {words[0]}"

    return re.sub(r"^URIs: mirror\+file:(\S+)$", first, text, flags=re.MULTILINE)


def acquire_options() -> list[str]:
    """The host's settings without which its mirror can't be reached: proxies, and checks of dates switched off."""
    wanted = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) ")
    dump = run(["apt-config", "dump"], env=plain_environment()).stdout
    return [line.rstrip(";") for line in dump.splitlines() if wanted.match(line)]


def host_suite(os_release: Path = Path("/etc/os-release")) -> str:
    """The codename of the host's own release, such as `bookworm`; empty on a host that isn't Debian."""
    settings = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    if settings.get("ID", "").strip('"') != "debian":
        return ""
    return settings.get("VERSION_CODENAME", "").strip('"')
