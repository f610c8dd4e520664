"""`make up`, `down` and `purge` from a copy of the checkout that is gone afterwards, in places of this test's own."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from gaoler.host import id_ranges, libc
from gaoler.setup import daemon, install
from system.support import leftovers
from system.support.claims import claim
from system.support.components import components, need_root

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.slow, pytest.mark.timeout(1200)]

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PROJECT = Path(__file__).resolve().parents[3]


@dataclass
class Host:
    """An installation with a prefix, a cache, a store and a network of its own."""

    place: Path
    runtime: Path
    prefix: str

    @property
    def configuration(self) -> Path:
        return self.place / "etc/gaoler.toml"

    @property
    def store(self) -> Path:
        return self.place / "uml"

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`make TARGET` in a checkout that lies somewhere else each time."""
        checkout = self.place / "checkout"
        for name in (*install.TREES, "Makefile"):
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                checkout.mkdir(exist_ok=True)
                shutil.copy(source, checkout / name)
        words = {"PREFIX": self.place / "prefix", "CACHE": self.place / "cache", "GAOLER_CONFIG": self.configuration, **variables}
        try:
            return subprocess.run(
                ["make", target, *(f"{name}={value}" for name, value in words.items())],
                cwd=checkout,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            shutil.rmtree(checkout)

    def gaol(self, *words: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": "/usr/bin:/bin", "GAOLER_SOCKET": str(self.runtime / "gaoler.sock")}
        program = self.place / "prefix/bin/gaol"
        return subprocess.run([program, *words], env=environ, cwd="/", capture_output=True, text=True, check=False, timeout=60)

    def traces(self) -> list[str]:
        """What shows that it is there: mount, loop device, bridge, daemon."""
        found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.store) in line]
        listed = subprocess.run(["losetup", "-nO", "AUTOCLEAR,BACK-FILE"], capture_output=True, text=True, check=True).stdout
        # A device that goes as soon as its last user does, in whatever mount namespace, has been let go.
        found += [line for line in listed.splitlines() if str(self.place) in line and line.split()[0] == "0"]
        found += [link.name for link in Path("/sys/class/net").glob(f"{self.prefix}*")]
        found += [name for name in ("web", "web.pid") if (self.runtime / name).exists()]
        found += [f"page {pid}" for pid in self.pages()]
        return found + ["daemon"] * bool(daemon.pid(self.runtime / "gaoler.sock"))

    def page(self) -> str:
        """The process of the page."""
        return (self.runtime / "web.pid").read_text().strip()

    def pages(self) -> list[str]:
        """All processes that serve this installation's, whatever a file says. Of one that has ended, and waits for init, no word is left."""
        program = os.fsencode(self.place / "prefix/bin/gaoler-web")
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                found += [entry.name] * (program in (entry / "cmdline").read_bytes().split(b"\0"))
        return found


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Set up once; the kernel comes from the cache, since that is what a cache is for."""
    need_root()
    # Some hosts' init is slow to take the dead off its list, or never does. Here nobody does, so that no step relies on it.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        with place_for_one() as made:
            yield made
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


@contextmanager
def place_for_one(cache: Path | None = None) -> Iterator[Host]:
    """A configuration, and a cache with a kernel, or another's; nothing is installed there yet, and nothing at all afterwards."""
    claimed = claim()
    prefix = f"q{claimed.number:02x}"
    ids = (1 << 29) + claimed.number * (1 << 22) + (1 << 17), (1 << 22) - (1 << 17)
    leftovers.clear(prefix)
    host = Host(leftovers.directory(prefix), leftovers.runtime(prefix), prefix)
    built = components().kernel.parent
    if cache is None:
        shutil.copytree(built, host.place / "cache/kernels" / built.name)
    host.configuration.parent.mkdir(parents=True)
    host.configuration.write_text(
        f"""
        [daemon]
        runtime = "{host.runtime}"
        prefix = "{prefix}"
        admin_group = "{prefix}admin"
        cache = "{cache or host.place / 'cache'}"
        [store]
        path = "{host.store}"
        image = "{host.place}/store.img"
        size = "16G"
        [network]
        bridge = "{prefix}br"
        subnet = "10.99.{claimed.number}.0/24"
        subnet6 = "fd67:616f:7400:{claimed.number:x}::/64"
        [web]
        listen = "127.0.0.1:{21000 + claimed.number}"
        account = "nobody"
        [ids]
        first = {ids[0]}
        count = {ids[1]}
        """
    )
    try:
        yield host
    finally:
        leftovers.clear(prefix)
        subprocess.run(["groupdel", f"{prefix}admin"], capture_output=True, check=False)
        id_ranges.release(*ids)  # where nothing was purged, since a test has failed
        claimed.release()


@pytest.fixture(scope="module")
def up(host: Host) -> str:
    """What the first `make up` said."""
    done = host.make("up")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps(text: str) -> dict[str, str]:
    """The last word on each numbered step."""
    return dict(re.findall(r"^\[\d+/\d+\] ([^:\n]+): (.*)$", text, re.MULTILINE))


def test_it_ends_with_a_machine_that_answers(host: Host, up: str) -> None:
    assert re.search(r"Linux \S+ \S+ .*x86_64 GNU/Linux", steps(up)["first machine"])
    done = host.gaol("run", "--no-network", "--", "cat", "/etc/debian_version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_store_is_as_the_jail_needs_it(host: Host, up: str) -> None:
    flags = os.statvfs(host.store).f_flag
    assert flags & os.ST_NOSUID
    assert flags & os.ST_NODEV
    assert (host.place / "store.img").stat().st_mode & 0o077 == 0
    assert (host.store / ".gaoler").stat().st_mode & 0o077 == 0


def test_packages_can_be_looked_up_inside(host: Host, up: str) -> None:
    """The base's apt has the host's mirror, with its key and no index."""
    done = host.gaol("run", "--no-network", "--", "apt-get", "update", "--print-uris")
    assert done.returncode == 0, done.stderr
    suites = set(re.findall(r"/dists/([^/']+)/InRelease", done.stdout))
    assert any(suite.endswith("-security") for suite in suites)
    assert any("-" not in suite for suite in suites)


def test_logs_are_roots_alone(host: Host, up: str) -> None:
    """They name users and what they do."""
    for name in ("gaoler.log", "web.log"):
        assert (host.runtime / name).stat().st_mode & 0o077 == 0, name


def test_no_identity_is_in_the_base(host: Host, up: str) -> None:
    base = host.store / "debian"
    assert (base / "etc/machine-id").read_bytes() == b""
    assert list((base / "etc/ssh").glob("ssh_host_*")) == []
    assert not (base / "etc/hostname").exists()
    assert list((base / "dev").iterdir()) == []


def test_the_page_is_there_at_the_address_it_prints(host: Host, up: str) -> None:
    address = steps(up)["page"].split()[0]
    assert address == (host.runtime / "web").read_text().strip()
    context = ssl.create_default_context(cadata=(host.place / "web/certificate.pem").read_text())
    with urlopen(f"{address}/api/host", context=context, timeout=20) as answer:
        assert json.load(answer)["in"] is False
    with urlopen(address, context=context, timeout=20) as answer:
        assert b"<title>gaoler</title>" in answer.read()
    served = [line.split()[1] for line in Path(f"/proc/{host.page()}/status").read_text().splitlines() if line.startswith("Uid:")]
    assert served == ["0"]  # the helper; the service below is somebody else
    children = Path(f"/proc/{host.page()}/task/{host.page()}/children").read_text().split()
    assert {os.stat(f"/proc/{child}").st_uid for child in children} == {pwd.getpwnam("nobody").pw_uid}


def test_the_second_time_nothing_is_done_twice(host: Host, up: str) -> None:
    done = host.make("up")
    assert done.returncode == 0, done.stdout + done.stderr
    begun = re.findall(r"^\[\d+/\d+\] (.*) \.\.\.$", done.stdout, re.MULTILINE)
    assert begun == ["first machine"]


def test_a_changed_configuration_restarts_daemon_and_page_and_nothing_else(host: Host, up: str) -> None:
    host.configuration.write_text(host.configuration.read_text() + "# changed\n")
    done = host.make("up")
    begun = re.findall(r"^\[\d+/\d+\] (.*) \.\.\.$", done.stdout, re.MULTILINE)
    assert begun == ["daemon", "page", "first machine"], done.stdout + done.stderr


def test_a_mistake_in_the_configuration_is_told(host: Host, up: str) -> None:
    good = host.configuration.read_text()
    for wrong, told in (("brigde = ", "did you mean bridge?"), ('mode = "bridge"\nbridge = "no', "there is no bridge no")):
        host.configuration.write_text(re.sub("bridge = " + '"' * wrong.endswith("no"), wrong, good))
        try:
            done = host.make("up")
        finally:
            host.configuration.write_text(good)
        assert done.returncode != 0
        assert told in done.stderr
        assert "Traceback" not in done.stderr
        assert host.gaol("ls").returncode == 0, "the daemon that runs goes on"


def test_down_stops_machines_and_leaves_files_and_up_finds_them_again(host: Host, up: str) -> None:
    made = host.gaol("up", "web", "--no-network", "--no-home")
    assert made.returncode == 0, made.stderr
    done = host.make("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stopped root/web" in done.stdout
    assert host.traces() == []
    assert host.make("down").returncode == 0
    assert host.make("up").returncode == 0
    assert "web" in host.gaol("ls").stdout


def test_another_prefix_configuration_or_cache_stops_and_purges_nothing(host: Host, up: str) -> None:
    targets = (("down", "PREFIX"), ("purge", "GAOLER_CONFIG"), ("purge", "CACHE"), ("up", "PREFIX"))
    for target, elsewhere in targets:
        done = host.make(target, YES="1", **{elsewhere: str(host.place / "elsewhere")})
        assert done.returncode != 0, target
        assert f"can't {target} half of an installation" in done.stderr
    assert host.gaol("ls").returncode == 0
    # `gaol` asks its own daemon, with nothing in the environment, and finds its own `gaoler`.
    plain = {"env": {"PATH": "/usr/bin:/bin"}, "cwd": "/", "capture_output": True, "text": True, "check": False, "timeout": 60}
    told = subprocess.run([host.place / "prefix/bin/gaol", "store", "info"], **plain)
    assert str(host.store) in told.stdout, told.stderr
    told = subprocess.run([host.place / "prefix/bin/gaol", "store", "init"], **plain)
    assert str(host.store) in told.stdout, told.stderr


def test_a_second_installation_comes_and_goes_beside_the_first(host: Host, up: str) -> None:
    """It is refused for as long as it would take something of the first one's; each has its machines, group and ceiling."""
    started = host.gaol("up", "mine", "--no-network")
    try:
        assert started.returncode == 0, started.stderr
        before = json.loads(host.gaol("info", "mine", "--json").stdout)["pid"]
        cache = host.place / "cache"
        with place_for_one(cache) as second:
            for name in ("venv", "page"):
                place = second.place / "prefix/lib/gaoler"
                place.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-a", host.place / "prefix/lib/gaoler" / name, place], check=True)
            good = second.configuration.read_text() + "[machines]\nall_pids = 4321\n"
            second.configuration.write_text(good.replace(f"{second.prefix}br", f"{host.prefix}br"))
            refused = second.make("up", CACHE=str(cache))
            assert refused.returncode != 0
            assert (
                f'the installation in {host.place}/prefix has what this one would take: network.bridge = "{host.prefix}br"'
                in refused.stderr
            )
            assert second.traces() == []
            second.configuration.write_text(good)
            made = second.make("up", CACHE=str(cache), BASE=str(components().base))
            assert made.returncode == 0, made.stdout + made.stderr
            told = second.gaol("store", "grow").stderr
            assert f"in {second.configuration}\n" in told, told
            assert second.gaol("up", "theirs", "--no-network").returncode == 0
            assert [json.loads(one.gaol("ls", "--json").stdout)[0]["name"] for one in (host, second)] == ["mine", "theirs"]
            ceilings = {one.prefix: {place.read_text().strip() for place in leftovers.ceilings(one.prefix)} for one in (host, second)}
            assert ceilings[second.prefix] == {"4321"} and "4321" not in ceilings[host.prefix], ceilings
            gone = second.make("purge", CACHE=str(cache), YES="1")
            assert gone.returncode == 0, gone.stdout + gone.stderr
            assert second.traces() == [] and not second.runtime.exists()
            assert not leftovers.parents(second.prefix)
            assert list(cache.glob("kernels/*")) and list(cache.glob("guest*")), "what they share stays for the first one"
        assert json.loads(host.gaol("info", "mine", "--json").stdout)["pid"] == before
    finally:
        removed = host.gaol("rm", "--force", "mine")
    assert removed.returncode == 0, removed.stderr


def test_purge_asks_first(host: Host, up: str) -> None:
    done = host.make("purge")
    assert done.returncode != 0
    assert "YES=1" in done.stderr
    assert host.gaol("ls").returncode == 0


def test_purge_removes_every_trace_and_nothing_else(host: Host, up: str) -> None:
    (host.place / "cache/mine").write_text("not gaoler's")
    done = host.make("purge", YES="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.traces() == []
    files = [path for path in host.place.rglob("*") if not path.is_dir()]
    assert files == [host.place / "cache/mine"]
    assert not (host.place / "prefix").exists(), list((host.place / "prefix").rglob("*"))
    assert not host.runtime.exists()
    again = host.make("purge", YES="1")
    assert again.returncode == 0
    assert "nothing to remove" in again.stdout
