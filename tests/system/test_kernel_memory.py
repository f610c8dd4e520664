"""Memory in a machine, without the rest of gaoler: what kernel/patches 0020 to 0028 do to faults and forks is not seen.

GAOLER_TEST_KERNEL names the kernel.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from system.kernel_machine import Machine, kernel_fixture  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("initramfs")
    source = Path(__file__).with_name("kernel_memory_init.c")
    subprocess.run(["musl-gcc", "-static", "-O2", "-Wall", "-Werror", "-o", tree / "init", source], check=True)
    (tree / "dev").mkdir()
    archive = tree.parent / "initramfs.cpio"
    with archive.open("wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=b"init\ndev\n", stdout=out, check=True)
    return archive


@pytest.mark.parametrize("mode", ["seccomp=on", "seccomp=off"])
def test_each_process_sees_what_it_wrote_itself(kernel, initramfs, mode):
    directory = tempfile.mkdtemp(prefix="gaoler-kernel-")  # pytest's own are too long for the name of a socket
    command = [
        "unshare", "--net", "--pid", "--fork", "--kill-child",
        kernel, "mem=128M", f"initrd={initramfs}", "con=null", "con0=null,fd:1", "noreboot", "panic=-1",
        f"uml_dir={directory}", f"umid={secrets.token_hex(4)}", mode,
    ]  # fmt: skip
    machine = Machine(command)
    try:
        assert "memory right\n" in machine.finish()
    finally:
        machine.kill()
        shutil.rmtree(directory)
