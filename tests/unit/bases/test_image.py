"""Names of images."""

import pytest

from gaoler.bases.sources import image
from gaoler.bases.sources.image import host_of, pinned, reference
from gaoler.bases.space import NoSpace
from gaoler.errors import Failed, NotFound, Usage

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "host", "by_digest"),
    [
        ("docker://h.example/a/b:1", "h.example", f"h.example/a/b@{DIGEST}"),
        ("h.example:5000/a", "h.example:5000", f"h.example:5000/a@{DIGEST}"),
        ("localhost/a:x_y-1.0", "localhost", f"localhost/a@{DIGEST}"),
        (f"127.0.0.1:5000/a@sha256:{'b' * 64}", "127.0.0.1:5000", f"127.0.0.1:5000/a@{DIGEST}"),
        (f"h.example/a:1@sha256:{'b' * 64}", "h.example", f"h.example/a@{DIGEST}"),
    ],
)
def test_a_name_has_its_registry_and_is_fetched_by_digest(image, host, by_digest):
    name = reference(image)
    assert (host_of(name), pinned(name, DIGEST)) == (host, by_digest)


def test_a_path_is_none():
    assert reference("/srv/image") is None


@pytest.mark.parametrize(
    "image", ["", "debian", "debian:12", "library/debian", "--version", "h.example", "h.example/a:b:c", "h.example/a b", "h.example/a\n",
              "h.example/../a", "oci:/etc", "docker://", "h.example/a@sha256:ff"]
)  # fmt: skip
def test_what_names_no_image_is_refused(image):
    with pytest.raises(Usage):
        reference(image)


def test_a_fetch_tells_what_has_come_and_is_given_up_when_nothing_does(tmp_path, monkeypatch):
    told = []
    pulse = image._watch(tmp_path, "fetching", told.append)
    pulse()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/one").write_bytes(b"x" * 1000)
    monkeypatch.setattr(image, "SILENCE", 0)
    pulse()
    assert [progress.done for progress in told] == [0, 1000]
    with pytest.raises(Failed, match="fell silent"):
        pulse()


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ("pinging container registry h.example: Get http: server gave HTTP response to HTTPS client", Failed, "speak TLS"),
        ("reading manifest 2 in h.example/a: manifest unknown: manifest unknown", NotFound, "no such image"),
        ("Error writing blob: write /layout/oci-put-blob1: no space left on device", NoSpace, "kept for running machines"),
        ("something that nobody has thought of", Failed, "nobody has thought of"),
    ],
)
def test_what_skopeo_says_is_told_in_words_that_help(said, kind, why):
    error = image._told("docker://h.example/a:1", [said])
    assert isinstance(error, kind) and why in error.why
