"""Images of running kernels, without the rest of gaoler (kernel/patches 0180 and following).

GAOLER_TEST_KERNEL names the kernel. Programs inside look at their own memory all the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from system.support.kernel_images import Images, images
from system.support.kernel_machine import PROGRAMS, kernel_fixture, make_initramfs  # noqa: F401
from system.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.machine]

GENERATIONS = int(os.environ.get("GAOLER_TEST_IMAGES", "5"))
"""Images in a row, each of a machine that came from the one before; 100 is the long form."""


@pytest.fixture(scope="module", name="initramfs")
def initramfs_fixture(tmp_path_factory):
    return make_initramfs(PROGRAMS / "kernel_images_init.c", tmp_path_factory.mktemp("images"))


@pytest.fixture(name="kernels")
def kernels_fixture(kernel, initramfs) -> Iterator[Images]:
    with images(kernel, initramfs) as found:
        yield found


def right(told: dict[str, str]) -> dict[str, str]:
    assert told["errors"] == "0", told
    return told


def further(kernels: Images, machine, before: dict[str, str]) -> dict[str, str]:
    """What it tells when all its programs have done something since `before`."""

    def all_went_on():
        told = right(kernels.ask(machine))
        names = ("rounds", "turns", "played", "ticks")
        return told if all(int(told[name]) > int(before[name]) for name in names) else None

    return until(all_went_on, "all programs go on")


def test_a_machine_and_what_is_made_of_its_image_go_on_from_the_same_point(kernels):
    machine = kernels.boot()
    before = further(kernels, machine, kernels.ask(machine))
    stored = kernels.take(machine)
    after = further(kernels, machine, before)
    copies = [kernels.restore(stored) for _ in range(2)]
    told = [further(kernels, copy, before) for copy in copies]
    for copy in told:
        assert int(copy["monotonic"]) > int(before["monotonic"]), "CLOCK_MONOTONIC goes back"
        assert abs(int(copy["realtime"]) - int(after["realtime"])) < 30e9, "CLOCK_REALTIME is not the host's"
        slept = int(copy["boottime"]) - int(copy["monotonic"])
        assert slept > 0, "CLOCK_BOOTTIME does not count what the machine was away"
    assert len({after["random"], *(copy["random"] for copy in told)}) == 3, "seeds are shared"
    further(kernels, machine, after)


def test_images_of_images(kernels):
    machine = kernels.boot()
    told = further(kernels, machine, kernels.ask(machine))
    for _ in range(GENERATIONS):
        stored = kernels.take(machine)
        machine.kill()
        machine = kernels.restore(stored)
        stored.memory.unlink()
        stored.state.unlink()
        told = further(kernels, machine, told)
