"""The host ids of machines are nobody else's, and stay so."""

import pytest

from gaoler.errors import Failed
from gaoler.host import id_ranges
from gaoler.host.jail.ids import SIZE


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc/sssd/conf.d").mkdir(parents=True)
    (tmp_path / "etc/subuid").write_text("alice:100000:65536\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n")
    return tmp_path


def test_the_range_of_new_installations_is_beside_all_that_is_known(root):
    first, count = id_ranges.CHOSEN
    (root / "etc/sssd/sssd.conf").write_text("[domain/corp]\nid_provider = ad\n")
    assert id_ranges.near(first, count) == id_ranges.given(first, count, root) == []
    assert first % SIZE == count % SIZE == 0
    assert first + count < 1 << 31, "signed numbers hold them"
    assert [use.whose for use in id_ranges.near(1 << 30, 1 << 30)] == [name for name, *_ in id_ranges.SYSTEMD]


def test_it_is_reserved_once_and_released_alone(root):
    for _ in range(2):
        id_ranges.reserve(1 << 20, SIZE, root)
        assert id_ranges.reserved(1 << 20, SIZE, root)
    id_ranges.reserve(1 << 21, SIZE, root)
    assert (root / "etc/subuid").read_text() == f"alice:100000:65536\ngaoler:{1 << 20}:{SIZE}\ngaoler:{1 << 21}:{SIZE}\n"
    (root / "etc/subuid").chmod(0o640)
    id_ranges.release(1 << 20, SIZE, root)
    assert (root / "etc/subuid").read_text() == f"alice:100000:65536\ngaoler:{1 << 21}:{SIZE}\n"
    assert (root / "etc/subgid").read_text() == f"gaoler:{1 << 21}:{SIZE}\n"
    assert (root / "etc/subuid").stat().st_mode & 0o777 == 0o640
    assert not id_ranges.reserved(1 << 20, SIZE, root)


@pytest.mark.parametrize(
    ("path", "text", "whose"),
    [
        ("etc/subgid", "bob:1179648:65536\n", "bob's in /etc/subgid"),
        ("etc/passwd", "far:x:1048576:1::/:/bin/sh\n", "far's in /etc/passwd"),
        ("etc/group", "far:x:1048577:\n", "far's in /etc/group"),
        ("etc/sssd/sssd.conf", "[domain/corp]\nid_provider = ad\n", "sssd's domain/corp"),
        ("etc/sssd/conf.d/a.conf", "[domain/x]\nldap_id_mapping=true\nldap_idmap_range_max=1048577\n", "sssd's domain/x"),
    ],
)
def test_what_others_have_is_told_and_not_reserved(root, path, text, whose):
    (root / path).write_text(text)
    assert [use.whose for use in id_ranges.given(1 << 20, 1 << 18, root)] == [whose]
    with pytest.raises(Failed, match="ids of machines") as refused:
        id_ranges.reserve(1 << 20, 1 << 18, root)
    assert whose in str(refused.value.why)
    assert not id_ranges.reserved(1 << 20, 1 << 18, root)


@pytest.mark.parametrize(
    "text",
    ["[domain/corp]\nid_provider = ldap\n", "[domain/c]\nid_provider=ad\nldap_id_mapping = false\n", "not a file [of sssd's"],
)
def test_domains_that_look_ids_up_say_nothing_of_them(root, text):
    (root / "etc/sssd/sssd.conf").write_text(text)
    assert id_ranges.given(1 << 20, SIZE, root) == []


def test_an_account_that_could_give_itself_machines_ids_is_told(root):
    with (root / "etc/passwd").open("a") as passwd:
        passwd.write("gaoler:x:1001:1001::/:/bin/sh\n")
    with pytest.raises(Failed, match="ids of machines"):
        id_ranges.reserve(1 << 20, SIZE, root)
