"""A machine's owner leaves no account, no password and no home in a base."""

import pytest

from gaoler.bases.disown import disown


@pytest.fixture
def base(tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\nalicia:x:1001:1001::/:/bin/sh\n"
    )
    (etc / "shadow").write_text("root:$y$secret:1:::::: \nalice:*:::::::\nalicia:!:1::::::\ndaemon:$6$x:1::::::\n")
    (etc / "shadow").chmod(0o640)
    (etc / "group").write_text("root:x:0:\nsudo:x:27:alicia,alice\nalice:x:1000:\nalicia:x:1001:alice\n")
    for name in ("alice", "alicia"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / ".netrc").write_text("secret")
    return tmp_path


def test_the_account_goes_and_others_stay(base):
    disown(base, "alice")
    assert (base / "etc/passwd").read_text() == "root:x:0:0::/root:/bin/sh\nalicia:x:1001:1001::/:/bin/sh\n"
    assert (base / "etc/group").read_text() == "root:x:0:\nsudo:x:27:alicia\nalicia:x:1001:\n"
    assert (base / "etc/shadow").read_text() == "root:*:1:::::: \nalicia:!:1::::::\ndaemon:*:1::::::\n"
    assert (base / "etc/shadow").stat().st_mode & 0o777 == 0o640
    assert list((base / "home").iterdir()) == []


def test_roots_account_is_the_trees_own(base):
    before = [(base / "etc" / name).read_text() for name in ("passwd", "group")]
    disown(base, "root")
    assert [(base / "etc" / name).read_text() for name in ("passwd", "group")] == before
    assert (base / "etc/shadow").read_text().startswith("root:*:")


def test_links_are_not_followed_out(base, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "shadow").write_text("root:$y$secret:1::::::\n")
    (outside / "mine").write_text("x")
    (base / "etc/shadow").unlink()
    (base / "etc/shadow").symlink_to(outside / "shadow")
    (base / "home").rename(base / "moved")
    (base / "home").symlink_to(outside)
    disown(base, "alice")
    assert (outside / "shadow").read_text() == "root:$y$secret:1::::::\n"
    assert (outside / "mine").exists()


def test_a_tree_that_has_none_of_it(tmp_path):
    disown(tmp_path, "alice")
    assert list(tmp_path.iterdir()) == []
