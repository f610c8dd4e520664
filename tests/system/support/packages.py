"""A Debian archive of the tests' own: many small packages that use all that dpkg has for maintainers, in two versions."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

COUNT = 110
"""Ten of each kind, plus those without any."""


@dataclass
class Package:
    name: str
    version: str
    depends: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Hard links, to another of its files."""
    control: dict[str, str] = field(default_factory=dict)
    """Maintainer scripts, conffiles, triggers."""

    def header(self) -> str:
        lines = [
            f"Package: {self.name}",
            f"Version: {self.version}",
            "Architecture: all",
            "Maintainer: nobody <nobody@example.org>",
        ]
        lines += [f"Depends: {self.depends}"] if self.depends else []
        return "\n".join([*lines, "Description: made by a test", ""])

    def encoded(self) -> bytes:
        """As deb(5) has it."""
        scripts = {"preinst", "postinst", "prerm", "postrm"}
        control = _tar({"control": self.header().encode()} | {name: text.encode() for name, text in self.control.items()},
                       dict.fromkeys(scripts & self.control.keys(), 0o755), {})  # fmt: skip
        members = {"debian-binary": b"2.0\n", "control.tar": control, "data.tar": _tar(self.files, self.modes, self.links)}
        out = b"!<arch>\n"
        for name, content in members.items():
            out += (
                f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
            )
        return out


def package(number: int, version: str) -> Package:
    name, kind = f"gaol{number:03}", number % 10
    share, settings = f"usr/share/gaol/{number:03}", f"etc/gaol/{number:03}.conf"
    made = Package(name, version, f"gaol{number // 2:03} (>= {version})" if number > 1 else "")
    made.files = {f"{share}/text": f"{name} {version}\n".encode() * 50, settings: f"version = {version}\n".encode()}
    made.control = {"conffiles": f"/{settings}\n"}
    if kind == 0:
        made.control["postinst"] = (
            f"#!/bin/sh\nset -e\nid -u _{name} > /dev/null 2>&1 || useradd --system _{name}\nchown _{name} /{share}/text\n"
        )
        made.control["postrm"] = f'#!/bin/sh\nset -e\nif [ "$1" = purge ]; then userdel _{name}; fi\n'
    elif kind == 1:
        made.files[f"usr/bin/{name}"] = b"#!/bin/sh\necho hello\n"
        made.modes[f"usr/bin/{name}"] = 0o755
        tool = "update-alternatives"
        made.control["postinst"] = (
            f"#!/bin/sh\n{tool} --install /usr/bin/gaol-tool gaol-tool /usr/bin/{name} {number} > /dev/null\n"
        )
        made.control["prerm"] = f"#!/bin/sh\n{tool} --remove gaol-tool /usr/bin/{name} > /dev/null\n"
    elif kind == 2:
        theirs = f"usr/share/gaol/{number - 1:03}/text"
        divert = f"dpkg-divert --package {name} --quiet --rename"
        made.files[theirs] = f"{name} diverts\n".encode()
        made.control["preinst"] = f"#!/bin/sh\n{divert} --add --divert /{theirs}.diverted /{theirs}\n"
        made.control["postrm"] = f'#!/bin/sh\nif [ "$1" = remove ]; then {divert} --remove /{theirs}; fi\n'
        made.depends = f"gaol{number - 1:03}"
    elif kind == 3:
        made.control["triggers"] = f"interest-noawait /usr/share/gaol/{number + 1:03}\n"
        made.control["postinst"] = '#!/bin/sh\nif [ "$1" = triggered ]; then echo "$2" >> /var/lib/gaol-triggered; fi\n'
    elif kind == 4:
        made.files[f"usr/bin/{name}"] = b"\x7fELF"
        made.modes[f"usr/bin/{name}"] = 0o4755
    elif kind == 5:
        made.links = {f"{share}/{linked}": f"{share}/text" for linked in ("one", "two")}
    return made


def write_archive(place: Path, version: str) -> None:
    """All packages of a version and their index."""
    write_index(place, [package(number, version) for number in range(1, COUNT + 1)])


def write_index(place: Path, packages: list[Package]) -> None:
    """A flat archive, as apt takes it from `deb [trusted=yes] URL ./`."""
    index = ""
    for made in packages:
        content, file = made.encoded(), f"{made.name}_{made.version}_all.deb"
        (place / file).write_bytes(content)
        index += f"{made.header()}Filename: ./{file}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    (place / "Packages").write_text(index)


def _tar(files: dict[str, bytes], modes: dict[str, int], links: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for directory in sorted({f"./{parent}" for name in files for parent in Path(name).parents}):
            entry = tarfile.TarInfo("./" if directory == "./." else f"{directory}/")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mode = len(content), modes.get(name, 0o644)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, f"./{target}", 0o644
            archive.addfile(entry)
    return packed.getvalue()
