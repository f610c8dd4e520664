"""A cache of packages on the gateway: machines' apt finds it by itself, and does without it."""

from __future__ import annotations

import json
import socket
from functools import partial
from http.server import SimpleHTTPRequestHandler

import pytest

from system.support.machine import running
from system.support.packages import Package, write_index
from system.support.servers import serving

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network, pytest.mark.timeout(300)]
MIRROR = "http://mirror.invalid"
"""Which nobody but the cache has."""


class Cache(SimpleHTTPRequestHandler):
    """What it is asked for as a proxy, or as a mirror, it has in its directory."""

    protocol_version = "HTTP/1.1"

    def translate_path(self, path):
        return super().translate_path(path.removeprefix(MIRROR))

    def log_message(self, *_):
        pass


def test_machines_take_packages_from_the_gateways_cache_while_it_answers(gateway, alice, tmp_path):
    write_index(tmp_path, [Package(name, "1.0", files={f"srv/{name}": b"here\n"}) for name in ("first", "second", "third")])
    cache, mirror = (socket.create_server((gateway.address, 0)) for _ in range(2))
    address, direct = (f"http://{gateway.address}:{one.getsockname()[1]}" for one in (cache, mirror))
    handler = partial(Cache, directory=tmp_path)

    def row():
        told = json.loads(gateway.gaol("doctor", "--json").stdout)  # other rows are this host's
        return next(one for one in told if one["name"] == "packages")

    try:
        gateway.restart(network={"packages": address})
        with running(gateway, alice, "box") as box:

            def source(text):
                box.sh(f"rm -f /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] {text} ./' > /etc/apt/sources.list")

            source(MIRROR)
            with serving(cache, handler):
                box.sh("rm -rf /var/lib/apt/lists/*; apt-get -qy install first")
                assert box.sh("cat /srv/first") == "here"
                assert (row()["good"], address in row()["found"]) == (True, True)

                # A machine's own word on proxies counts more.
                own = "/etc/apt/apt.conf.d/90proxy"
                box.sh(f"""echo 'Acquire::http::Proxy "DIRECT";' > {own}; ! apt-get -qy install second 2> /dev/null; rm {own}""")

            source(direct)
            assert not row()["good"]
            with serving(mirror, handler):
                box.sh("apt-get -q update && apt-get -qy install third && cat /srv/third")
    finally:
        cache.close()
        mirror.close()
        gateway.restart()
