"""A container image of the tests' own: a shell with its C library, so that no registry is asked."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

NAME = "localhost/small:1"
BUSYBOX = Path("/bin/busybox")
_COMMANDS = "sh ls cat id wget httpd ip sleep echo touch rm chown stat mount mkdir head tail dd test true"


def write_image(path: Path) -> None:
    """As `docker save` writes it: a layer, its configuration and a manifest in one archive."""
    layer = _layer()
    configuration = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }).encode()  # fmt: skip
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer)
        _add(archive, name, configuration)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _layer() -> bytes:
    """/data/page belongs to id 33, /tmp is sticky: what a careless unpacker loses."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("data", 0o755), ("tmp", 0o1777), ("proc", 0o555), ("dev", 0o755)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for file in (BUSYBOX, *_libraries(BUSYBOX)):
            _add(archive, str(file).lstrip("/"), file.read_bytes(), 0o755)
        for command in _COMMANDS.split():
            entry = tarfile.TarInfo(f"bin/{command}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
        _add(archive, "etc/passwd", b"root:x:0:0::/:/bin/sh\nweb:x:33:33::/data:/bin/sh\n")
        _add(archive, "data/page", b"a page\n", 0o640, owner=33)
    return packed.getvalue()


def _libraries(program: Path) -> list[Path]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", said)]


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644, owner: int = 0) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
    archive.addfile(entry, io.BytesIO(content))
