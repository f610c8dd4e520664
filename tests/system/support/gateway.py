"""A gateway of the tests' own: a daemon with its configuration, store and network, beside any other on this host."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from system.support import leftovers
from system.support.claims import Claim, claim
from system.support.components import Components
from system.support.users import User, existing
from system.support.waiting import PATIENCE

SOURCES = Path(__file__).parents[3] / "src"
_IDS = 1 << 22
"""Host ids of one gateway: enough for 32 machines at once."""
_OTHER_IDS = 1 << 17
"""The first of them are not machines': programs that make bases run with ids just below those."""
_FIRST_ID = 1 << 29
"""Below the range that an installed gaoler uses."""
_PORT = 22000
"""Where the first gateway's page is served, where a test starts it."""
LIMIT = 12
"""Machines that a user may have."""

Done = subprocess.CompletedProcess[str]


class Background(subprocess.Popen[bytes]):
    """As a context: waited for at its end, and killed first where the test fails, which nothing would end then."""

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, trace)


@dataclass
class Gateway:
    components: Components
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the configuration says beside the standard of these tests."""

    def __post_init__(self) -> None:
        self._claim: Claim = claim()
        self.number = self._claim.number
        self.prefix = f"q{self.number:02x}"
        leftovers.clear(self.prefix)
        self.runtime = leftovers.runtime(self.prefix)
        # Not in pytest's directory: users must get in, to what stands for an installation.
        self.directory = leftovers.directory(self.prefix)
        self.directory.mkdir(mode=0o755)
        self.store = self.directory / "uml"
        self.configuration = self.directory / "gaoler.toml"
        self.log = self.directory / "daemon.log"
        self.ids = range(_FIRST_ID + self.number * _IDS, _FIRST_ID + (self.number + 1) * _IDS)
        self.bridge = f"{self.prefix}br"
        self.subnet = f"10.99.{self.number}.0/24"
        self.address = f"10.99.{self.number}.1"
        self.subnet6 = f"fd67:616f:7400:{self.number:x}::/64"
        self.address6 = f"fd67:616f:7400:{self.number:x}::1"
        self.domain = f"{self.prefix}.test"
        self.admin_group = f"{self.prefix}admin"
        self.process: subprocess.Popen[bytes] | None = None
        self.wrapper: list[str] = []
        """What the daemon is started with."""
        self.root = existing("root")

    # its life

    def open(self) -> None:
        """Make the store, start the daemon, add the base by the product's own means."""
        self._install()
        self.configure()
        made = self.gaoler("--make-store")
        assert made.returncode == 0, made.stderr
        for name in ("bin", "etc", "lib"):
            shutil.copytree(self.components.guest / name, self.store / name, symlinks=True)
        kernel = self.store / "kernels" / self.components.kernel_name
        kernel.mkdir()
        shutil.copy(self.components.kernel, kernel / "linux")
        self.start()
        self.gaol("base", "add", "debian", "--directory", str(self.components.base), check=True, timeout=240)

    def close(self) -> None:
        """Take everything away again."""
        try:
            if self.process:
                self.remove_machines()
                self.kill(signal.SIGTERM)
            self.gaoler("--close")
        finally:
            leftovers.unmount(self.directory)
            shutil.rmtree(self.runtime, ignore_errors=True)
            shutil.rmtree(self.directory)
            self._claim.release()

    def _install(self) -> None:
        """A copy of the command line that every user can read, wherever the checkout lies."""
        library, programs = self.directory / "lib", self.directory / "bin"
        shutil.copytree(SOURCES, library, ignore=shutil.ignore_patterns("__pycache__"))
        programs.mkdir()
        self.program = programs / "gaol"
        python = os.path.realpath(sys.executable)
        _script(
            self.program, f"#!{python} -IS", "import sys", f"sys.path.insert(0, {str(library)!r})",
            "from gaoler.cli.main import main", "sys.exit(main())",
        )  # fmt: skip
        _script(
            programs / "gaoler", "#!/bin/sh", f"export PYTHONPATH={library}",
            f'exec {sys.executable} -m gaoler.daemon.main --config {self.configuration} "$@"',
        )  # fmt: skip

    def configure(self, **changes: dict[str, Any]) -> None:
        """Write the configuration, `changes` by section over what it is otherwise. For the next start."""
        sections: dict[str, dict[str, Any]] = {
            "daemon": {
                "runtime": str(self.runtime), "prefix": self.prefix, "admin_group": self.admin_group,
                "cache": str(self.directory / "cache"),
            },
            "store": {"path": str(self.store), "image": str(self.directory / "store.img"), "size": "16G"},
            "network": {"bridge": self.bridge, "subnet": self.subnet, "subnet6": self.subnet6, "domain": self.domain},
            "machines": {"memory": "256M", "grace": 5, "ahead": 0, "removed": 0},
            "limits": {"machines": LIMIT, "memory": "2G"},
            "web": {"listen": f"127.0.0.1:{_PORT + self.number}", "account": "nobody"},
            "ids": {"first": self.ids.start + _OTHER_IDS, "count": len(self.ids) - _OTHER_IDS},
        }  # fmt: skip
        for part in (self.settings, changes):
            for section, values in part.items():
                sections[section] = sections.get(section, {}) | values
        self.configuration.write_text(toml(sections))

    def start(self) -> None:
        """Returns when the daemon serves; it tells so as it would tell systemd."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            path = self.directory / "notify"
            path.unlink(missing_ok=True)
            notify.bind(str(path))
            process = subprocess.Popen(
                [*self.wrapper, self.directory / "bin/gaoler"],
                env={**os.environ, "NOTIFY_SOCKET": str(path)},
                stdin=subprocess.DEVNULL, stdout=self.log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            pidfd = os.pidfd_open(process.pid)
            try:
                happened = select.select([notify, pidfd], [], [], PATIENCE)[0]
            finally:
                os.close(pidfd)
            assert notify in happened, f"the daemon does not start:\n{self.log.read_text()}"
            self.process = process

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the daemon, and see it gone. Machines run on."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self.process = None

    def restart(self, number: int = signal.SIGTERM, **changes: dict[str, Any]) -> None:
        if self.process:
            self.kill(number)
        self.configure(**changes)
        self.start()

    def gaoler(self, *arguments: str) -> Done:
        """The daemon's program, to its end."""
        return subprocess.run(
            [self.directory / "bin/gaoler", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    # asking it

    @property
    def socket(self) -> Path:
        return self.runtime / "gaoler.sock"

    def environment(self, user: User) -> dict[str, str]:
        path = f"{self.directory / 'bin'}:{user.environment['PATH']}"
        return {**user.environment, "PATH": path, "GAOLER_SOCKET": str(self.socket)}

    def options(self, user: User | None) -> dict[str, Any]:
        """How `gaol` is run as that user (root without one), for subprocess: identity, environment, directory."""
        user = user or self.root
        identity = user.credentials if user.uid else {}
        return {**identity, "env": self.environment(user), "cwd": user.home}

    def gaol(self, *arguments: str, user: User | None = None, check: bool = False, timeout: float = 60, **options: Any) -> Done:
        """Run `gaol` to its end, as root or as a user; text in and out, unless `text=False`."""
        given = {"text": True, **options}
        if "input" not in given and "stdin" not in given:
            given["stdin"] = subprocess.DEVNULL
        done = subprocess.run(
            [self.program, *arguments], capture_output=True, timeout=timeout, check=False, **{**self.options(user), **given}
        )
        assert not check or done.returncode == 0, f"gaol {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
        return done

    def popen(self, *arguments: str, user: User | None = None, **streams: Any) -> Background:
        """`gaol` in the background; the caller ends it."""
        return Background([self.program, *arguments], **{**self.options(user), **streams})

    def json(self, *arguments: str, user: User | None = None) -> Any:
        return json.loads(self.gaol(*arguments, "--json", user=user, check=True).stdout)

    def remove_machines(self) -> None:
        for machine in self.json("ls", "--all"):
            self.gaol("rm", "--force", f"{machine['owner']}/{machine['name']}")


def toml(sections: dict[str, dict[str, Any]]) -> str:
    parts = []
    for section, values in sections.items():
        parts.append(f"[{section}]\n")
        parts += [f"{key} = {_toml_value(value)}\n" for key, value in values.items()]
    return "".join(parts)


def _toml_value(value: Any) -> str:
    """JSON's strings, numbers and booleans are TOML's as well."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml_value(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value)


def _script(path: Path, *lines: str) -> None:
    path.write_text("\n".join([*lines, ""]))
    path.chmod(0o755)
