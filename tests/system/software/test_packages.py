"""apt with more than a hundred packages: installed, upgraded and purged, and nothing of them is left."""

from __future__ import annotations

import functools
import http.server
import socket

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running
from system.support.packages import COUNT, write_archive
from system.support.servers import serving

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]

APT = "DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold"
FILES = "find / -xdev -not -path /proc -not -path '/var/log/*' -not -path '/var/lib/dpkg/*' -not -path '/var/cache/*' -not -path '/root/*' -printf '%p %y %m %U %G %n %l\\n'"
EVERY = " ".join(f"gaol{number:03}" for number in range(1, COUNT + 1))


class Archive(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@pytest.fixture
def archive(workshop, tmp_path):
    """A place for an archive, and its address."""
    listener = socket.create_server((workshop.address, 0))
    with serving(listener, functools.partial(Archive, directory=tmp_path)):
        yield tmp_path, f"http://{workshop.address}:{listener.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_packages_come_change_and_go(workshop, smith, archive):
    place, address = archive
    write_archive(place, "1.0")
    with leaving_nothing(workshop), running(workshop, smith, "box", "--memory", "512M") as box:
        box.sh(
            f"rm /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] {address} ./' > /etc/apt/sources.list; apt-get -q update",
            timeout=60,
        )
        # Accounts have their traces in copies of the account files that tools make: they are there before, too.
        box.sh(f"useradd --system first; userdel first; {FILES} | sort > /root/before")
        box.sh(f"{APT} install {EVERY}", timeout=300)
        whole(box, "1.0")
        box.sh(
            "test -u /usr/bin/gaol004; test $(stat -c %h /usr/share/gaol/005/one) = 3; test $(stat -c %U /usr/share/gaol/010/text) = _gaol010"
        )
        assert box.sh("gaol-tool; readlink /etc/alternatives/gaol-tool") == "hello\n/usr/bin/gaol101"
        assert box.sh("cat /usr/share/gaol/001/text; head -1 /usr/share/gaol/001/text.diverted") == "gaol002 diverts\ngaol001 1.0"
        box.sh(f"{APT} install --reinstall gaol004", timeout=60)
        assert box.sh("cat /var/lib/gaol-triggered") == "/usr/share/gaol/004"

        write_archive(place, "2.0")
        box.sh("echo mine > /etc/gaol/007.conf; apt-get -q update", timeout=60)
        box.sh(f"{APT} full-upgrade", timeout=300)
        whole(box, "2.0")
        assert (
            box.sh("cat /etc/gaol/007.conf /etc/gaol/007.conf.dpkg-dist /etc/gaol/008.conf")
            == "mine\nversion = 2.0\nversion = 2.0"
        )
        assert box.sh("cat /usr/share/gaol/001/text; head -1 /usr/share/gaol/001/text.diverted") == "gaol002 diverts\ngaol001 2.0"

        box.sh(f"{APT} purge {EVERY}; rm /var/lib/gaol-triggered; test ! -e /etc/gaol", timeout=300)
        assert box.sh("dpkg --audit; dpkg-query -W 'gaol*' 2> /dev/null || true") == ""
        assert box.sh(f"{FILES} | sort | diff /root/before - || true") == ""


def whole(box, version):
    """All are installed, in that version, and as they were packed."""
    assert box.sh("dpkg --audit") == ""
    states = box.sh("dpkg-query -W -f '${db:Status-Abbrev}${Version}\\n' 'gaol*' | sort | uniq -c").split()
    assert states == [str(COUNT), "ii", version]
    assert box.sh("dpkg --verify 'gaol*' | grep -v -e /etc/gaol/007.conf -e /usr/share/gaol/..1/text || true") == ""
