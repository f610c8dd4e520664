"""Usage and help, from what commands declare."""

from __future__ import annotations

import textwrap

from gaoler.cli.arguments import AFTER_DASHES, AFTER_PLACES, ALL_THAT_FOLLOWS
from gaoler.cli.commands import COMMANDS, GROUPS, verbs

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from gaoler.cli.arguments import Argument, Command

WIDTH = 100


def command(name: str) -> Command:
    """What declares `gaol NAME`."""
    module = __import__(f"gaoler.cli.{COMMANDS[name][0]}", fromlist=("COMMANDS",))  # importlib takes a millisecond
    found: Command = module.COMMANDS[name]
    return found


def overview() -> str:
    """What `gaol --help` prints."""
    lines = ["usage: gaol COMMAND ..."]
    for heading, group in GROUPS.items():
        if heading:
            lines += ["", f"{heading}:"]
            lines += [f"  {name:<12}{text}" for name, (_, text) in group.items() if " " not in name]
    lines += ["", "gaol COMMAND --help says more about one; man gaol has all of it.", "A first machine: gaol run -- uname -a"]
    return "\n".join(lines)


def of_noun(noun: str) -> str:
    lines = [f"usage: gaol {noun} VERB ...", "", sentence(COMMANDS[noun][1]), ""]
    lines += [f"  {verb:<10}{COMMANDS[f'{noun} {verb}'][1]}" for verb in verbs(noun)]
    return "\n".join([*lines, "", f"gaol {noun} VERB --help says more."])


def of_command(name: str) -> str:
    """What `gaol NAME --help` prints."""
    it = command(name)
    lines = [f"usage: {usage(name, it)}", "", textwrap.fill(it.about, WIDTH)]
    places = [(one.value, one.about) for one in it.arguments if not one.names and one.about]
    options = [(spelled(one), described(one)) for one in it.arguments if one.names and one.about]
    wide = min(24, max((len(left) for left, _ in [*places, *options]), default=0))
    for heading, pairs in (("", places), ("options:", options)):
        if pairs:
            lines += ["", *([heading] if heading else [])]
            lines += [line for left, right in pairs for line in _pair(left, right, wide)]
    if it.examples:
        lines += ["", "examples:", *(f"  {line}" for line in examples(it))]
    return "\n".join(lines)


def examples(it: Command) -> list[str]:
    """Command lines, with what each shows as a comment."""
    longest = max((len(line) for line, what in it.examples if what), default=0)
    return [f"{line:<{longest}}  # {what}" if what else line for line, what in it.examples]


def usage(name: str, it: Command) -> str:
    """The line that shows how a command is written."""
    options = [one for one in it.arguments if one.names and one.about]
    free = [f"[{_long(one)}]" for one in options if not one.needed and one.key not in it.one_of]
    words = {AFTER_DASHES: f"-- {it.words}", AFTER_PLACES: f"-- {it.words}", ALL_THAT_FOLLOWS: f"[{it.words}]"}[it.begin]
    return " ".join(
        [
            f"gaol {name}",
            *(_place(one) for one in it.arguments if not one.names),
            *([f"({' | '.join(_long(one) for one in options if one.key in it.one_of)})"] if it.one_of else []),
            *(_long(one) for one in options if one.needed),
            *(free if len(free) <= 4 else ["[OPTION...]"]),
            *([words] if it.words else []),
        ]
    )


def _place(one: Argument) -> str:
    text = f"{one.value}..." if one.many and "..." not in one.value else one.value
    return text if one.needed else f"[{text}]"


def _long(one: Argument) -> str:
    name = max(one.names, key=len)
    return f"{name} {one.value}" if one.value else name


def spelled(one: Argument) -> str:
    """`-n, --no-stdin` or `--memory SIZE`."""
    names = ", ".join(sorted(one.names, key=len))
    return f"{names} {one.value}" if one.value else names


def described(one: Argument) -> str:
    more = f" ({', '.join(one.choices)})" if one.choices else ""
    return f"{one.about}{more}" + (f" (default: {one.default})" if one.default else "")


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _pair(left: str, right: str, wide: int) -> list[str]:
    gap = " " * (wide + 4)
    lines = textwrap.wrap(right, WIDTH - wide - 4) or [""]
    first = [f"  {left:<{wide}}  {lines[0]}"] if len(left) <= wide else [f"  {left}", gap + lines[0]]
    return [*first, *(gap + line for line in lines[1:])]
