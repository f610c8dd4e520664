"""A registry on loopback for tests: Debian's docker-registry, and images pushed to it as anybody pushes them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from system.support.waiting import until

USER, PASSWORD = "reader", "open sesame"
_BCRYPT = "$2b$04$0Rke/CqmS.pODu2dag/Du.AjF2aLga77pLR3f6P7K/pFZPw6Ayo2O"
"""Of the password: the only kind that the registry takes."""


@dataclass
class Registry:
    directory: Path
    port: int
    secured: bool
    """With TLS, by a CA of its own, and a password."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    def push(self, layout: Path, name: str) -> str:
        """Push the only image of a layout; returns its digest."""
        words = ["skopeo", "copy", "--dest-tls-verify=false", f"--digestfile={self.directory}/digest"]
        words += [f"--dest-creds={USER}:{PASSWORD}"] if self.secured else []
        subprocess.run([*words, f"oci:{layout}:latest", f"docker://{self.host}/{name}"], check=True, capture_output=True)
        return (self.directory / "digest").read_text().strip()

    def blob(self, digest: str) -> Path:
        """Where it keeps what has that digest."""
        value = digest.removeprefix("sha256:")
        return self.directory / "storage/docker/registry/v2/blobs/sha256" / value[:2] / value / "data"

    def layers(self) -> list[Path]:
        """The largest of what it keeps first."""
        found = (self.directory / "storage").rglob("data")
        return sorted(found, key=lambda path: path.stat().st_size, reverse=True)

    def fetched(self) -> int:
        """Blobs that were sent so far."""
        log = (self.directory / "log").read_text(errors="replace")
        return len(re.findall(r'"GET /v2/[^ ]*/blobs/[^ ]* HTTP/[0-9.]+" 200', log))


@contextmanager
def registry(directory: Path, program: Path, *, secured: bool = False) -> Iterator[Registry]:
    directory.mkdir()
    lines = ["version: 0.1", "log: {level: info}", f"storage: {{filesystem: {{rootdirectory: {directory}/storage}}}}"]
    lines += ["http:", "  addr: 127.0.0.1:0", "  secret: none"]
    if secured:
        _certify(directory)
        (directory / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
        lines += [f"  tls: {{certificate: {directory}/server.crt, key: {directory}/server.key}}"]
        lines += [f"auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}"]
    (directory / "config.yml").write_text("\n".join(lines) + "\n")
    log = directory / "log"
    with log.open("wb") as out:
        server = subprocess.Popen([program, "serve", directory / "config.yml"], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        listening = until(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text()), "the registry listens")
        yield Registry(directory, int(listening[1]), secured)
    finally:
        server.terminate()
        server.wait()


def program(directory: Path) -> Path:
    """The registry's program: the installed one, or the package's, unpacked so that no service of it starts on this host."""
    installed = shutil.which("docker-registry")
    if installed:
        return Path(installed)
    download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "docker-registry"]
    subprocess.run(download, cwd=directory, check=True, capture_output=True)
    (package,) = directory.glob("docker-registry_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, directory / "package"], check=True)
    return directory / "package/usr/bin/docker-registry"


def _certify(directory: Path) -> None:
    """A CA, and a certificate of it for loopback."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-subj", "/CN=test CA", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *key, "-subj", "/CN=registry", "-keyout", "server.key", "-out", "server.csr")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.crt")  # fmt: skip
