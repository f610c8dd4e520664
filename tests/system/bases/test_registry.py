"""Images of a registry: fetched when they have changed, over TLS unless told otherwise, and refused when they are not whole."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from system.support import oci_registry
from system.support.bases import Image, contents, small_tree
from system.support.gateway import Gateway
from system.support.oci_registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.machine]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return oci_registry.program(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def plain(tmp_path: Path, program: Path):
    with oci_registry.registry(tmp_path / "plain", program) as found:
        yield found


@pytest.fixture
def secured(tmp_path: Path, program: Path):
    with oci_registry.registry(tmp_path / "secured", program, secured=True) as found:
        yield found


@pytest.fixture
def image(tmp_path: Path) -> Image:
    made = Image(tmp_path / "image")
    made.add_tree(small_tree(tmp_path / "tree"))
    return made


@pytest.fixture
def configured(gateway: Gateway):
    """Restart the daemon with settings of [registries]."""

    def restart(**settings: object) -> None:
        gateway.restart(registries=settings)

    yield restart
    gateway.restart()


@pytest.fixture(autouse=True)
def removed(gateway: Gateway):
    yield
    gateway.gaol("base", "rm", "image")


def add(gateway: Gateway, name: str):
    return gateway.gaol("base", "add", "image", "--oci", name, timeout=120)


def sync(gateway: Gateway):
    return gateway.gaol("base", "sync", "image", timeout=120)


def layer_with(tmp_path: Path, text: str) -> Path:
    layer = tmp_path / f"layer-{text}"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc/told").write_text(text)
    return layer


def test_an_image_is_followed_by_its_tag(gateway: Gateway, plain: Registry, image: Image, tmp_path: Path, configured):
    plain.push(image.path, "lab:1")
    refused = add(gateway, f"docker://{plain.host}/lab:1")
    assert refused.returncode == 1 and "does not speak TLS" in refused.stderr
    assert f'insecure = ["{plain.host}"]' in refused.stderr
    assert not (gateway.store / "image").exists()

    configured(insecure=[plain.host])
    done = add(gateway, f"docker://{plain.host}/lab:1")
    assert done.returncode == 0, done.stderr
    assert gateway.gaol("run", "--base", "image", "--no-network", "--", "cat", "/etc/group").stdout == "root:x:0:\n"
    before = plain.fetched()
    assert before, "the log tells what was sent"
    assert "unchanged" in sync(gateway).stdout
    assert plain.fetched() - before <= 1, "no layer is fetched to find out that nothing has changed"

    image.add_tree(layer_with(tmp_path, "new"))
    plain.push(image.path, "lab:1")
    assert sync(gateway).stdout.startswith("image  generation 2: ")
    assert (gateway.store / "image/etc/told").read_text() == "new"
    assert gateway.json("base", "history", "image")[-1]["moved_files"] == 1
    other = add(gateway, f"docker://{plain.host}/lab:2")
    assert other.returncode == 1 and f"from oci docker://{plain.host}/lab:1" in other.stderr
    missing = gateway.gaol("base", "add", "image", "--replace", "--oci", f"docker://{plain.host}/lab:2")
    assert missing.returncode == 3 and "no such image" in missing.stderr


def test_a_ca_and_credentials_of_its_own(gateway: Gateway, secured: Registry, image: Image, tmp_path: Path, configured):
    secured.push(image.path, "lab:1")
    name = f"docker://{secured.host}/lab:1"
    certificates, credentials = tmp_path / "certs.d", tmp_path / "registries.json"
    configured(certificates=str(certificates), credentials=str(credentials))
    refused = add(gateway, name)
    assert refused.returncode == 1 and "certificate is not one that this host trusts" in refused.stderr
    (certificates / secured.host).mkdir(parents=True)
    shutil.copy(secured.ca, certificates / secured.host / "ca.crt")
    refused = add(gateway, name)
    assert refused.returncode == 1 and "wants credentials" in refused.stderr and "skopeo login" in refused.stderr
    for password, code in (("wrong", 1), (oci_registry.PASSWORD, 0)):
        secret = base64.b64encode(f"{oci_registry.USER}:{password}".encode()).decode()
        credentials.write_text(json.dumps({"auths": {secured.host: {"auth": secret}}}))
        credentials.chmod(0o600)
        done = add(gateway, name)
        assert done.returncode == code, done.stderr
        assert password not in done.stderr and secret not in done.stderr + gateway.log.read_text()
    assert gateway.gaol("run", "--base", "image", "--no-network", "--", "true").returncode == 0


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("harm", [damage, truncate])
def test_what_is_not_as_its_digest_says_is_refused(
    gateway: Gateway, plain: Registry, image: Image, tmp_path: Path, configured, harm
):
    configured(insecure=[plain.host])
    plain.push(image.path, "lab:1")
    assert add(gateway, f"{plain.host}/lab:1").returncode == 0
    before = contents(gateway.store / "image")
    image.add_tree(layer_with(tmp_path, "new"))
    digest = plain.push(image.path, "lab:1")
    harm(plain.layers()[0])
    refused = sync(gateway)
    assert refused.returncode == 1 and "not what its digest says" in refused.stderr, refused.stderr
    assert contents(gateway.store / "image") == before
    assert not (gateway.store / ".gaoler/generations/image/aside").exists()

    harm(plain.blob(digest))
    refused = gateway.gaol("base", "add", "image", "--replace", "--oci", f"{plain.host}/lab@{digest}")
    assert refused.returncode == 1
    assert contents(gateway.store / "image") == before


def test_a_registry_that_is_not_there(gateway: Gateway):
    done = add(gateway, "127.0.0.1:1/lab:1")
    assert done.returncode == 1 and "can't be reached" in done.stderr, done.stderr
    for name in ("docker://", "a b", "docker://h/x:y:z", "--version", "h/" + "x" * 300):
        assert gateway.gaol("base", "add", "image", f"--oci={name}").returncode in (1, 2, 3)
        assert not (gateway.store / ".gaoler/generations/image").exists()
