"""What is mounted in a home, as its machines' kernels are told."""

import pytest

from gaoler.machines import covered

LINE = "36 25 0:32 / {} rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def mountinfo(*points: str) -> bytes:
    return "".join(LINE.format(point) for point in points).encode()


@pytest.fixture
def home(tmp_path):
    (tmp_path / "alice").mkdir()
    return tmp_path / "alice"


def test_what_is_below_the_home(home):
    told = covered.below(str(home), mountinfo("/", str(home), f"{home}/usb", f"{home}-2/usb", f"{home}/a/b", "/mnt"))
    assert told == [b"a/b", b"usb"]


def test_names_are_as_they_are(home):
    assert covered.below(str(home), mountinfo(f"{home}/my\\040disk\\134n")) == [b"my disk\\n"]


def test_a_home_that_is_a_link(home, tmp_path):
    (tmp_path / "link").symlink_to(home)
    assert covered.below(str(tmp_path / "link"), mountinfo(f"{home}/usb")) == [b"usb"]


def test_the_outermost_are_told_and_no_more_than_is_read():
    assert covered.encoded([b"a", b"a/b", b"ab"]) == b"a\0ab\0"
    many = covered.encoded([b"%0200d" % number for number in range(200)])
    assert len(many) <= covered.LIMIT
    assert many.endswith(b"\0")
