"""Finding and fetching kernel source with apt, from an archive that is signed, badly signed or not signed."""

import pytest

from gaoler.errors import Failed, NotFound
from gaoler.host import apt
from gaoler.kernels import source
from gaoler.progress import silent


@pytest.fixture
def private(debian, tmp_path):
    return source.PrivateApt(tmp_path / "apt", debian.archive)


def resolve(private, *series, suites=("backports", "testing", "sid")):
    return source.resolve(private, series, silent, suites)


def test_the_newest_version_of_all_suites(debian, private):
    debian.publish("backports", debian.package("7.2.13-1~bpo13+1"))
    debian.publish("testing", debian.package("7.2.9-1"))
    debian.publish("sid", debian.package("7.2.13-1"), debian.package("7.3.1-1", "7.3"))
    found = resolve(private, "7.2", "7.3")
    assert (found.version, found.suite, found.series) == ("7.2.13-1", "sid", "7.2")


def test_the_next_series_where_the_preferred_one_is_gone(debian, private):
    for suite in ("backports", "testing", "sid"):
        debian.publish(suite, debian.package(f"7.3.1-1~{suite}", "7.3"))
    assert resolve(private, "7.2", "7.3").series == "7.3"


def test_a_suite_that_is_not_there_is_passed_over(debian, private):
    debian.publish("sid", debian.package("7.2.13-1"))
    told = []
    found = source.resolve(private, ["7.2"], told.append, ("backports", "sid"))
    assert found.suite == "sid"
    assert any("backports is passed over: " in str(line) for line in told)


def test_no_series_is_there(debian, private):
    debian.publish("sid", debian.package("7.4.1-1", "7.4"))
    with pytest.raises(NotFound, match=r"no kernel source of series 7\.2, 7\.3"):
        resolve(private, "7.2", "7.3")


def test_no_suite_can_be_read(private):
    with pytest.raises(Failed, match="can't read the package index of backports") as caught:
        resolve(private, "7.2")
    assert "apt-get update" in caught.value.hint


def test_download_and_again(debian, private, tmp_path):
    made = debian.package("7.2.13-1")
    debian.publish("sid", made)
    found = resolve(private, "7.2")
    told = []
    first = private.download(found, tmp_path / "packages", told.append)
    assert first.read_bytes() == made.read_bytes()
    assert told[-1].done == told[-1].total == made.stat().st_size
    made.unlink()
    assert private.download(found, tmp_path / "packages", silent) == first


def test_a_package_that_is_not_the_signed_one(debian, private, tmp_path):
    made = debian.package("7.2.13-1")
    debian.publish("sid", made)
    found = resolve(private, "7.2")
    made.write_bytes(made.read_bytes() + b"!")
    with pytest.raises(Failed, match=r"can't fetch linux-source-7\.2"):
        private.download(found, tmp_path / "packages", silent)


def test_an_index_changed_after_it_was_signed(debian, private):
    debian.publish("sid", debian.package("7.2.13-1"))
    signed = debian.root / "dists/sid/InRelease"
    signed.write_text(signed.read_text().replace("Label: Debian", "Label: debian"))
    with pytest.raises(source.Unsigned, match="not signed by a key this host trusts") as caught:
        resolve(private, "7.2")
    assert "debian-archive-keyring" in caught.value.hint


def test_an_index_without_a_signature(debian, private):
    debian.publish("sid", debian.package("7.2.13-1"))
    (debian.root / "dists/sid/InRelease").unlink()
    with pytest.raises(source.Unsigned):
        resolve(private, "7.2")


def test_a_stranger_s_key(debian, tmp_path):
    debian.publish("sid", debian.package("7.2.13-1"))
    keyring = tmp_path / "empty.gpg"
    keyring.write_bytes(b"")
    keyring.chmod(0o644)
    private = source.PrivateApt(tmp_path / "apt", apt.Archive(f"file:{debian.root}", str(keyring)))
    with pytest.raises(source.Unsigned):
        resolve(private, "7.2")


def test_series_file(tmp_path):
    (tmp_path / "series").write_text("# why\n7.3\n\n7.2 # still\n")
    assert source.read_series(tmp_path / "series") == ["7.3", "7.2"]
