"""Gateways, users and the watch over what a test leaves behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from system.support import leftovers, users
from system.support.components import components, components_with_software, need_root
from system.support.gateway import Gateway
from system.support.lan import Lan
from system.support.lan import lan as make_lan
from system.support.leaks import leaving_nothing, traces
from system.support.machine import Machine, running
from system.support.users import User

_opened: list[Gateway] = []


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """A daemon in private mode, with a base and a kernel. One for each pytest process."""
    need_root()
    yield from opened(Gateway(components()))


def opened(gateway: Gateway) -> Iterator[Gateway]:
    """Open for the fixture's time; nothing at all of it is left afterwards."""
    _opened.append(gateway)
    with ExitStack() as undo:
        undo.callback(_opened.remove, gateway)
        undo.callback(gateway.close)
        gateway.open()
        yield gateway
    left = traces(gateway) | set(map(str, leftovers.parents(gateway.prefix)))
    assert not left, f"the gateway has gone, and left: {sorted(left)}"


@pytest.fixture(scope="session")
def alice(gateway: Gateway) -> Iterator[User]:
    with users.account(f"{gateway.prefix}alice") as user:
        yield user


@pytest.fixture(scope="session")
def bob(gateway: Gateway) -> Iterator[User]:
    with users.account(f"{gateway.prefix}bob") as user:
        yield user


@pytest.fixture(scope="session")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    need_root()
    with make_lan(tmp_path_factory.mktemp("lan")) as made:
        yield made


@pytest.fixture(scope="session")
def lan_gateway(lan: Lan) -> Iterator[Gateway]:
    """A daemon whose machines are plugged in the LAN."""
    yield from opened(Gateway(components(), {"network": {"mode": "bridge", "bridge": lan.bridge}}))


@pytest.fixture(scope="session")
def visitor(lan_gateway: Gateway) -> Iterator[User]:
    """A user of lan_gateway's."""
    with users.account(f"{lan_gateway.prefix}visitor") as user:
        yield user


@pytest.fixture(scope="session")
def workshop() -> Iterator[Gateway]:
    """A daemon whose base is full of software, quiet until it is asked for."""
    need_root()
    yield from opened(Gateway(components_with_software()))


@pytest.fixture(scope="session")
def smith(workshop: Gateway) -> Iterator[User]:
    """A user of the workshop's."""
    with users.account(f"{workshop.prefix}smith") as user:
        yield user


@pytest.fixture(scope="session")
def warden(gateway: Gateway) -> Iterator[User]:
    """An administrator who is not root."""
    with users.group(gateway.admin_group), users.account(f"{gateway.prefix}warden", gateway.admin_group) as user:
        yield user


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test that uses a gateway leaves the host as it found it."""
    with ExitStack() as watches:
        for name in ("gateway", "lan_gateway", "workshop"):
            if name in request.fixturenames:
                watches.enter_context(leaving_nothing(request.getfixturevalue(name)))
        yield


@pytest.fixture
def quiet(gateway: Gateway, alice: User) -> Iterator[Machine]:
    """A machine of alice's without network: up in the shortest time."""
    with running(gateway, alice, "quiet", "--no-network") as machine:
        yield machine


@pytest.fixture
def web(gateway: Gateway, alice: User) -> Iterator[Machine]:
    """A machine of alice's, ready, with network and sshd."""
    with running(gateway, alice, "web") as machine:
        yield machine


def pytest_configure() -> None:
    """A test run that is told to end clears up after itself."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("told to end by SIGTERM"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Remember how long the daemons' logs are, to show what they say from here on if the test fails."""
    item.stash[_lengths] = {gateway.log: gateway.log.stat().st_size for gateway in _opened if gateway.log.exists()}
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        for gateway in _opened:
            if gateway.log.exists():
                text = gateway.log.read_bytes()[item.stash[_lengths].get(gateway.log, 0) :].decode(errors="replace")
                report.sections.append((f"daemon {gateway.prefix}", text))
    return report


_lengths = pytest.StashKey[dict]()
