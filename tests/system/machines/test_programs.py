"""Programs that a machine's kernel doesn't run by itself."""

from __future__ import annotations

import pytest

from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]

HEADER = r"\177ELF\001\001\001\000\000\000\000\000\000\000\000\000\002\000\003\000"
"""Of an executable for i386."""


def test_those_of_32_bits_go_to_qemu_where_it_is(gateway, alice):
    with running(gateway, alice, "box", "--no-network") as machine:
        machine.sh(f"printf '{HEADER}' > /root/program; chmod 755 /root/program")
        assert "Exec format error" in machine.exec("/root/program").stderr
        machine.sh("cp /bin/echo /usr/bin/qemu-i386-static")
        machine.gaol("down", check=True)
        machine.up()
        assert machine.sh("/root/program") == "/root/program"
