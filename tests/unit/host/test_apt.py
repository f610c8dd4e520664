"""Reading the host's apt sources, in both formats, and choosing Debian's archive among them."""

import pytest

from gaoler.errors import Failed
from gaoler.host import apt

DEB822 = """\
# The distribution
Types: deb deb-src
URIs: http://one.example/debian http://two.example/debian/
Suites: trixie trixie-updates
Components: main contrib
# a comment in the middle
Signed-By: /usr/share/keyrings/some.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main

types: deb
uris: http://inline.example/debian
suites: trixie
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main
"""


def test_deb822_entries():
    one, two, inline = apt.parse_deb822(DEB822)
    key = "/usr/share/keyrings/some.gpg"
    assert one == apt.Entry("http://one.example/debian", ("trixie", "trixie-updates"), ("main", "contrib"), key)
    assert two.uri == "http://two.example/debian/"
    assert inline.uri == "http://inline.example/debian"
    assert inline.signed_by.splitlines()[1:] == [
        " -----BEGIN PGP PUBLIC KEY BLOCK-----",
        " .",
        " mQINBF",
        " -----END PGP PUBLIC KEY BLOCK-----",
    ]


def test_a_key_in_the_text_survives_being_written_and_read_again():
    (_, _, inline) = apt.parse_deb822(DEB822)
    (again,) = apt.parse_deb822(apt.stanza(inline.uri, "sid", inline.signed_by))
    assert again.signed_by == inline.signed_by


def test_one_line_entries():
    text = """
        # deb http://off.example/debian trixie main
        deb [arch=amd64 signed-by=/etc/apt/keyrings/a.gpg trusted=no] http://one.example/debian trixie main contrib # why
        deb http://two.example/debian trixie-security main
        deb-src http://one.example/debian trixie main
        deb http://short.example/
    """
    assert list(apt.parse_one_line(text)) == [
        apt.Entry("http://one.example/debian", ("trixie",), ("main", "contrib"), "/etc/apt/keyrings/a.gpg"),
        apt.Entry("http://two.example/debian", ("trixie-security",), ("main",)),
    ]


def test_entries_come_from_both_kinds_of_file_and_no_other(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/ trixie main\n")
    (tmp_path / "sources.list.d" / "b.sources").write_text(apt.stanza("http://b.example/", "trixie", ""))
    (tmp_path / "sources.list.d" / "c.list.disabled").write_text("deb http://c.example/ trixie main\n")
    assert [entry.uri for entry in apt.entries(tmp_path)] == ["http://a.example/", "http://b.example/"]


def test_strangers_and_additions_are_passed_over():
    found = [
        apt.Entry("http://vendor.example/debian", ("stable",), ("main",), "/vendor.gpg"),
        apt.Entry("http://mirror.example/debian", ("trixie-updates",), ("main",)),
        apt.Entry("http://mirror.example/debian", ("trixie",), ("contrib",)),
        apt.Entry("http://mirror.example/debian", ("trixie",), ("main",), "/debian.gpg"),
    ]
    assert apt.choose(found, {"http://mirror.example/debian/"}) == apt.Archive("http://mirror.example/debian", "/debian.gpg")


def test_no_debian_is_an_error_with_advice():
    with pytest.raises(Failed, match="can't tell where this host fetches Debian from") as caught:
        apt.choose([apt.Entry("http://vendor.example/", ("stable",), ("main",))], set())
    assert "sources.list" in caught.value.hint


HOST = [
    apt.Entry("http://m.example/debian", ("bookworm", "bookworm-updates"), ("main",), "/k.gpg"),
    apt.Entry("http://m.example/security", ("bookworm-security",), ("main",), "/k.gpg"),
    apt.Entry("http://vendor.example/", ("stable",), ("main",), "/v.gpg"),
]


@pytest.mark.parametrize(
    ("suite", "suites"),
    [
        ("bookworm", ["bookworm", "bookworm-updates", "bookworm-security"]),
        ("trixie", ["trixie", "trixie-updates", "trixie-security"]),
        ("sid", ["sid"]),
    ],
)
def test_a_base_gets_updates_and_security_from_where_the_host_does(suite, suites):
    text = apt.sources_for(suite, HOST, apt.Archive("http://m.example/debian", "/k.gpg"), "bookworm")
    entries = list(apt.parse_deb822(text))
    assert [entry.suites[0] for entry in entries] == suites
    assert all(entry.signed_by == "/k.gpg" for entry in entries)


def test_a_list_of_mirrors_is_replaced_by_its_first(tmp_path):
    mirrors = tmp_path / "debian.list"
    mirrors.write_text("# mirrors\nhttps://first.example/debian\tpriority:1\nhttps://second.example/debian\n")
    text = apt.without_mirror_lists(apt.stanza(f"mirror+file://{mirrors}", "trixie", ""))
    assert "URIs: https://first.example/debian\n" in text


def test_codename_of_debian_only(tmp_path):
    release = tmp_path / "os-release"
    release.write_text('ID=debian\nVERSION_CODENAME=bookworm\nNAME="Debian GNU/Linux"\n')
    assert apt.host_suite(release) == "bookworm"
    release.write_text("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n")
    assert apt.host_suite(release) == ""
