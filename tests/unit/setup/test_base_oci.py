"""Names of images."""

import pytest

from gaoler.errors import Usage
from gaoler.setup.base_oci import host_of, pinned, reference

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
