"""The documents' blocks of commands, and a reader who types them.

A block is indented by four spaces. Its lines are commands where the first one begins with `$ ` or a program's name; then a line with
`$ ` or, once there is one, `root@NAME:~# ` before it is typed, and others are what is shown. `<!-- not run: WHY -->` above a block excuses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from system.support.gateway import Gateway
from system.support.terminal import Terminal
from system.support.users import User
from system.support.waiting import PATIENCE, until

_PROGRAMS = ("gaol", "sudo", "apt", "apt-get", "ssh", "ssh-keygen", "scp", "make", "docker", "curl")
_EXCUSE = re.compile(r"<!-- not run: (.+) -->")
_INSIDE = re.compile(r"(root@[\w-]+:~# )(.*)")
_ADDRESS = re.compile(r"^(\S+)  (\d+\.\d+\.\d+\.\d+)$", re.MULTILINE)
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]0;[^\x07]*\x07")


@dataclass(frozen=True)
class Block:
    line: int
    """Where it begins, as editors count."""
    lines: tuple[str, ...]
    excuse: str = ""

    @property
    def is_commands(self) -> bool:
        return self.lines[0].startswith("$ ") or self.lines[0].split()[0] in _PROGRAMS or bool(_INSIDE.match(self.lines[0]))

    def steps(self) -> Iterator[tuple[str, str, list[str]]]:
        """The machine's prompt where it is typed inside, what is typed, and what is shown then."""
        prompted = self.lines[0].startswith("$ ") or bool(_INSIDE.match(self.lines[0]))
        step: tuple[str, str, list[str]] | None = None
        for line in self.lines:
            if inside := _INSIDE.match(line):
                command = (inside[1], inside[2])
            elif not prompted or line.startswith("$ "):
                command = ("", line.removeprefix("$ "))
            else:
                assert step, line
                step[2].append(line)
                continue
            if step:
                yield step
            step = (*command, [])
        if step:
            yield step


def blocks(document: Path) -> list[Block]:
    """All indented blocks that belong to no list."""
    found: list[Block] = []
    excuse, begun, lines = "", 0, []
    for number, line in enumerate([*document.read_text().splitlines(), "."], 1):
        if line.startswith("    ") or (lines and not line):
            begun = begun or number
            lines.append(line[4:])
            continue
        if lines:
            kept = [one for one in lines if one]
            found.append(Block(begun, tuple(kept), excuse))
            excuse, begun, lines = "", 0, []
        if line:
            match = _EXCUSE.fullmatch(line)
            excuse = match[1] if match else ""
    return found


class Reader:
    """A person at a terminal with a document beside it."""

    def __init__(self, gateway: Gateway, user: User, others: dict[str, User], came_up: Callable[[str], None]) -> None:
        """`others` are people that documents speak of; `came_up` is called with a machine's name after each `gaol up`."""
        self._came_up = came_up
        self._addresses: dict[str, str] = {}
        self._names = {"YOU": user.name} | {name: other.name for name, other in others.items()}
        self._inside = False
        options = gateway.options(user)
        options["env"] = {**options["env"], "PS1": "read<$?>", "TERM": "xterm"}
        self._terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], rows=40, columns=400, **options)
        self._see()

    def close(self) -> None:
        """What they left in the background ends with the terminal, as it says there."""
        self._terminal.hang_up()
        self._terminal.process.wait(PATIENCE)
        self._terminal.__exit__()

    def read(self, block: Block) -> None:
        """Type all of it and see what it shows, outside of machines at the end as at the beginning."""
        for prompt, command, shown in block.steps():
            if self._inside and not prompt:
                self._leave()
            if prompt and not self._inside:
                self.type(f"gaol shell {prompt.partition('@')[2].partition(':')[0]}")
            self._check(command, shown)
        if self._inside:
            self._leave()

    def _check(self, command: str, shown: list[str]) -> None:
        asks_a_server = command.startswith("curl ")
        status, said = self.type(command)
        if status and asks_a_server:  # what was started in the background a moment ago
            status, said = until(lambda: (found := self.type(command))[0] == 0 and found, f"{command} finds its server")
        assert status == 0, f"{command}: {status}\n{said}"
        if command.startswith("gaol up ") and (found := _ADDRESS.search(said)):
            self._addresses |= {was[2]: found[2] for line in shown if (was := _ADDRESS.fullmatch(line))}
            self._came_up(found[1])
        for line in shown:
            assert _plain(line.partition("  #")[0]) in _plain(said), f"{command}: no {line!r} in\n{said}"

    def type(self, command: str) -> tuple[int, str]:
        """Its exit status, and what it wrote. A shell in a machine is open, then, where it opens one."""
        for name, value in {**self._addresses, **self._names}.items():
            command = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w])", value, command)
        self._terminal.type(command + "\n")
        status, said = self._see()
        if self._inside and not command.startswith("gaol shell"):
            self._terminal.type("echo status=$?\n")
            status = int(re.findall(r"status=(\d+)", self._see()[1])[-1])
        return status, said

    def _see(self) -> tuple[int, str]:
        """All up to the next prompt; yes is the answer to what is asked."""
        said = ""
        while True:
            found = self._terminal.expect(r"(?s)(.*?)(read<(\d+)>|root@[\w-]+:\S+# |\[y/N\] ?)")
            said += _CONTROLS.sub("", found[1]).replace("\r", "\n") + "\n"
            if "[y/N]" not in found[2]:
                self._inside = found[3] is None
                return int(found[3] or 0), said
            self._terminal.type("y\n")

    def _leave(self) -> None:
        self._terminal.type("\x04")
        self._see()


def _plain(text: str) -> str:
    """Numbers are other ones each time, and columns as wide as what is in them."""
    return " ".join(re.sub(r"\d[\d.]*", "N", text).split())
