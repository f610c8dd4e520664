"""The page's own certificate, for hosts that nobody has given one: made once, kept, and told by its fingerprint."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
from pathlib import Path

from gaoler.errors import Failed, Usage

DAYS = 3650
"""It is trusted by who has looked at it once, so it stays."""


def read(certificate: Path | None, key: Path | None, own: Path) -> tuple[bytes, bytes]:
    """Certificate and key as PEM: those that the configuration names, else our own in the directory `own`.

    Raises Usage for a wrong setting, Failed when none can be made.
    """
    if (certificate is None) != (key is None):
        raise Usage(
            "the page has half a certificate", "web.certificate and web.key go together", "sudo editor /etc/gaoler/gaoler.toml"
        )
    if certificate is None or key is None:
        certificate, key = own / "certificate.pem", own / "key.pem"
        if not (certificate.exists() and key.exists()):
            _make(certificate, key)
    try:
        return certificate.read_bytes(), key.read_bytes()
    except OSError as error:
        raise Usage(
            "the page's certificate can't be read", str(error), 'web.certificate = "FILE", in /etc/gaoler/gaoler.toml'
        ) from None


def fingerprint(pem: bytes) -> str:
    """SHA-256 as browsers show it."""
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.decode())
    except ValueError:  # a chain: the first one is ours
        first, mark, _ = pem.decode(errors="replace").partition("-----END CERTIFICATE-----")
        der = ssl.PEM_cert_to_DER_cert(first[first.find("-----BEGIN") :] + mark + "\n")
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _make(certificate: Path, key: Path) -> None:
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    host = socket.gethostname()
    names = dict.fromkeys([host, socket.getfqdn(), "localhost"])
    alternatives = ",".join([*(f"DNS:{name}" for name in names), "IP:127.0.0.1", "IP:::1"])
    new = key.with_suffix(".new")
    argv = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"),
        *("-days", str(DAYS), "-subj", f"/CN={host[:60]}", "-addext", f"subjectAltName={alternatives}"),
        *("-addext", "extendedKeyUsage=serverAuth", "-keyout", str(new), "-out", str(certificate)),
    ]
    before = os.umask(0o077)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failed("the page has no certificate", "openssl is not installed", "sudo apt install openssl") from None
    finally:
        os.umask(before)
    if done.returncode:
        raise Failed(
            "the page's certificate can't be made",
            done.stderr.strip()[-300:],
            'web.certificate = "FILE", in /etc/gaoler/gaoler.toml',
        )
    certificate.chmod(0o644)
    new.rename(key)
