"""Components are installed by the real apt and dpkg, in a root and from an archive of this test's own."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from gaoler.progress import Progress
from gaoler.setup import components
from system.support.components import need_root

pytestmark = pytest.mark.root

#: As debhelper's script of Perl's XML modules ends.
_SCRIPT = """#!/usr/bin/perl
use IO::Handle;
print "configured\\n";
STDOUT->flush() or die "Unable to flush stdout: $!";
"""

_CONTROL = """Package: {name}
Version: 1
Architecture: all
Maintainer: test <test@localhost>
Description: test
"""


@pytest.fixture(autouse=True)
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive; apt and dpkg have a root of their own, whose packages' scripts run outside it."""
    need_root()
    root, archive = tmp_path / "root", tmp_path / "archive"
    for name in (
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "etc/apt",
    ):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    archive.mkdir()
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] copy:{archive} ./\n")
    settings = [f'Dir "{root}";', f'Dir::State::status "{root}/var/lib/dpkg/status";', 'APT::Sandbox::User "root";']
    settings += [f'Dpkg::Options {{ "--root={root}"; "--force-script-chrootless"; }};', f'Dir::Log "{root}";']
    (tmp_path / "apt.conf").write_text("\n".join(settings))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setenv("DPKG_ADMINDIR", str(root / "var/lib/dpkg"))
    return archive


def _package(archive: Path, name: str, script: str) -> None:
    tree = archive.parent / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(_CONTROL.format(name=name))
    (tree / "DEBIAN/postinst").write_text(script)
    (tree / "DEBIAN/postinst").chmod(0o755)
    file = archive / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tree, file], check=True, capture_output=True)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = f"Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n"
    (archive / "Packages").write_text(_CONTROL.format(name=name) + entry)


def test_a_package_whose_script_prints(apt):
    _package(apt, "talkative", _SCRIPT)
    told: list[Progress] = []
    assert components.missing({"talkative": ""}) == ["talkative"]
    components.install(["talkative"], told.append)
    assert components.missing({"talkative": ""}) == []
    assert [step.done for step in told if step.step == "install" and step.done]
