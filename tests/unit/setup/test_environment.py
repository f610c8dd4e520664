"""What pip installs as root is what the locks name, by digest: the pins of pyproject.toml, and all that those need."""

import re

import pytest

from gaoler import places
from gaoler.setup import environment, page

PINNED = re.compile(r"^([A-Za-z0-9_-]+)==([^ ;]+)")


def pins(lines):
    found = (PINNED.match(line) for line in lines)
    return {match[1].replace("_", "-").lower(): match[2] for match in found if match}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", environment.requirements(places.TREE / "pyproject.toml")),
        ("requirements-page.lock", [page.NODE]),
    ],
)
def test_a_lock_has_what_is_wanted_and_a_digest_for_each(lock, wanted):
    text = (places.PACKAGING / lock).read_text()
    locked = pins(text.splitlines())
    assert pins(wanted).items() <= locked.items(), "make the lock again: its first lines say how"
    for entry in re.split(r"\n(?=[a-z])", text)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_pip_is_told_to_install_nothing_else():
    words = environment.locked("requirements.lock")
    assert {"--require-hashes", "--only-binary=:all:"} < set(words)


def test_a_lock_that_changes_makes_the_environment_anew(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1 --hash=sha256:0")
    before = environment.stamp([f"--requirement={lock}"])
    moved = tmp_path / "elsewhere.lock"
    moved.write_text(lock.read_text())
    assert environment.stamp([f"--requirement={moved}"]) == before
    lock.write_text("a==2 --hash=sha256:0")
    assert environment.stamp([f"--requirement={lock}"]) != before
