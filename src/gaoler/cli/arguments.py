"""What a command takes, and reading it from the words of a command line.

Commands are declared with `Command`, `flag`, `option` and `place`, in the module that runs them; usage, help, completion, the
manual page and the reference are made from the same declarations. argparse is not used: it takes 8 ms to import, more than
the rest of this program until its request is on the way, and its messages are another program's.
"""

from __future__ import annotations

from gaoler.errors import Usage

TYPE_CHECKING = False  # typing takes milliseconds to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    Examples: TypeAlias = tuple[tuple[str, str], ...]


class Options:
    """What was given, by name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Argument:
    """An option with its names, or (without a dash) a place; made by `flag`, `option` and `place`.

    `value` is what the help calls its value, "" for a flag; `about` is what the help says, "" hides it there.
    """

    __slots__ = ("about", "choices", "default", "key", "many", "names", "needed", "value")

    def __init__(
        self,
        names: tuple[str, ...],
        key: str,
        value: str,
        about: str,
        choices: tuple[str, ...],
        default: Any,
        needed: bool,
        many: bool,
    ) -> None:
        self.names = names
        self.key = key
        self.value = value
        self.about = about
        self.choices = choices
        self.default = default
        self.needed = needed
        self.many = many


def flag(*names: str, about: str, key: str = "") -> Argument:
    """`--force`: there or not."""
    return Argument(names, key or _key(names), "", about, (), False, False, False)


def option(
    *names: str,
    value: str,
    about: str,
    choices: tuple[str, ...] = (),
    default: str | None = None,
    needed: bool = False,
    key: str = "",
    many: bool = False,
) -> Argument:
    """`--memory SIZE`, also written `--memory=SIZE`. `many`: it may be given again, and all values count."""
    first: Any = [] if many else default
    return Argument(names, key or _key(names), value, about, choices, first, needed, many)


def place(value: str, about: str, *, optional: bool = False, many: bool = False, key: str = "") -> Argument:
    """A word that is told by where it stands. `many`: all words from here on, at least one unless it is optional."""
    default: Any = [] if many else None
    return Argument((), key or value.lower(), value, about, (), default, not optional, many)


def _key(names: tuple[str, ...]) -> str:
    return max(names, key=len).lstrip("-").replace("-", "_")


AFTER_DASHES = "after --"
AFTER_PLACES = "after the places"
ALL_THAT_FOLLOWS = "all that follows"


class Command:
    """What runs a command, and what its words may be.

    `words` names what it passes on (a command to run inside) and `begin` says where that begins: after `--` only, also with
    the first word after the places, or with whatever comes after the places, options and all. It is `words` in the options.
    `one_of` are the keys of options of which exactly one must be given.
    """

    __slots__ = ("about", "arguments", "begin", "examples", "one_of", "run", "words")

    def __init__(
        self,
        run: Callable[[Any], int],
        about: str,
        *arguments: Argument,
        examples: Examples = (),
        words: str = "",
        begin: str = AFTER_DASHES,
        one_of: tuple[str, ...] = (),
    ) -> None:
        self.run = run
        self.about = about
        self.arguments = arguments
        self.examples = examples
        self.words = words
        self.begin = begin
        self.one_of = one_of

    def parse(self, name: str, words: Sequence[str]) -> Options | None:
        """The values that the words of `gaol NAME ...` give; None where they ask for help.

        Raises Usage for the first word that makes no sense.
        """
        values: dict[str, Any] = {one.key: one.default for one in self.arguments}
        named = {alias: one for one in self.arguments for alias in one.names}
        places = [one for one in self.arguments if not one.names]
        given: set[str] = set()
        passed_on: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if word == "--":
                passed_on = list(words[at:])
                break
            is_option = word.startswith("-") and word != "-" and not (self.begin == ALL_THAT_FOLLOWS and not places)
            if is_option and word in ("-h", "--help"):
                return None
            if is_option:
                at = self._option(name, word, words, at, named, values, given)
            elif places:
                _fill(places, word, values, given)
            elif self.words and self.begin != AFTER_DASHES:
                passed_on = [word, *words[at:]]
                break
            elif self.words:
                raise self._without_dashes(name, words, at - 1)
            else:
                raise self._too_many(name, word)
        if self.words:
            values["words"] = passed_on
        else:
            for word in passed_on:
                if not places:
                    raise self._too_many(name, word)
                _fill(places, word, values, given)
        self._check(name, given)
        return Options(values)

    def _option(
        self,
        name: str,
        word: str,
        words: Sequence[str],
        at: int,
        named: dict[str, Argument],
        values: dict[str, Any],
        given: set[str],
    ) -> int:
        """Take one option and its value; where the next word stands."""
        told, equals, value = word.partition("=")
        one = named.get(told)
        if one is None and not word.startswith("--") and len(word) > 2 and all(f"-{letter}" in named for letter in word[1:]):
            for letter in word[1:]:  # -it is -i -t
                at = self._option(name, f"-{letter}", words, at, named, values, given)
            return at
        if one is None:
            raise _unknown(name, told, named)
        if not one.value:
            if equals:
                raise Usage(f"{told} takes no value", "it is a switch", _help(name))
            values[one.key] = True
        else:
            if not equals:
                if at >= len(words) or words[at] == "--" or (words[at].startswith("-") and len(words[at]) > 1):
                    raise Usage(f"{told} needs a value", _described(one), _help(name))
                value = words[at]
                at += 1
            if one.choices and value not in one.choices:
                raise Usage(f'{told} can\'t be "{value[:40]}"', f"it is one of {', '.join(one.choices)}", _help(name))
            values[one.key] = [*values[one.key], value] if one.many else value
        given.add(one.key)
        return at

    def _without_dashes(self, name: str, words: Sequence[str], at: int) -> Usage:
        """A command to run inside that does not come after --; as docker has it, with the image in front."""
        before, rest = list(words[:at]), list(words[at:])
        if any(word in ("-i", "-t", "-it", "-ti", "--rm") for word in before) and len(rest) > 1:
            hint = ["gaol", name, "--base", rest[0], "--", *rest[1:]]
            return Usage("the command comes after --", "and a base is named with --base", _joined(hint))
        hint = ["gaol", name, *before, "--", *rest]
        return Usage("the command comes after --", "its options would be taken for gaol's", _joined(hint))

    def _too_many(self, name: str, word: str) -> Usage:
        places = " ".join(one.value for one in self.arguments if not one.names)
        return Usage(f'"{word[:40]}" is one word too many', f"gaol {name} takes {places or 'options only'}", _help(name))

    def _check(self, name: str, given: set[str]) -> None:
        for one in self.arguments:
            if one.needed and one.key not in given:
                raise Usage(f"{one.names[-1] if one.names else one.value} is missing", _described(one), _help(name))
        chosen = [one.names[-1] for one in self.arguments if one.key in self.one_of and one.key in given]
        if self.one_of and len(chosen) != 1:
            all_of = ", ".join(one.names[-1] for one in self.arguments if one.key in self.one_of)
            what = f"{' and '.join(chosen)} can't be combined" if chosen else "one option is missing"
            raise Usage(what, f"exactly one of these is needed: {all_of}", _help(name))


def _fill(places: list[Argument], word: str, values: dict[str, Any], given: set[str]) -> None:
    one = places[0]
    values[one.key] = [*values[one.key], word] if one.many else word
    given.add(one.key)
    if not one.many:
        del places[0]


def _described(one: Argument) -> str:
    choices = f"one of {', '.join(one.choices)}" if one.choices else ""
    return choices or f"{one.value}: {one.about}" if one.names else one.about


def _unknown(name: str, told: str, named: dict[str, Argument]) -> Usage:
    from difflib import get_close_matches

    shown = [alias for alias, one in named.items() if one.about]
    near = get_close_matches(told, shown, 1)
    return Usage(
        f"unknown option {told[:40]}", f"did you mean {near[0]}?" if near else f"gaol {name} has none of that name", _help(name)
    )


def _help(name: str) -> str:
    return f"gaol {name} --help"


def _joined(words: Sequence[str]) -> str:
    from shlex import quote

    return " ".join(word if word.replace("-", "").isalnum() else quote(word) for word in words)


# What many commands take.

JSON = flag("--json", about="print JSON, for programs")
MACHINE = place("NAME", "the machine; OWNER/NAME is another user's", key="name")
MACHINES = place("NAME", "the machines; OWNER/NAME is another user's", many=True, key="names")
MAYBE_MACHINE = place("NAME", "the machine (default: your only one, or the one named after you)", optional=True, key="name")
USER = option("--user", "-u", value="USER", about="the user to run as inside, for instance yourself", default="root")

MACHINE_OPTIONS = (
    option("--base", value="BASE", about="the base to clone it from; gaol base ls lists them"),
    option("--memory", value="SIZE", about="how much memory it has, for instance 512M or 2G"),
    option("--kernel", value="KERNEL", about="the kernel it runs; gaol kernel ls lists them"),
    flag("--no-network", about="no network, and no waiting for one"),
    flag("--no-home", about="without your home directory"),
    flag("--network", about="with a network, where the base's machines have none"),
    flag("--home", about="with your home directory, where the base's machines don't have it"),
    option("--mode", value="MODE", choices=("seccomp", "ptrace"), about="how the kernel controls programs; ptrace is slower"),
)
"""What a machine is to be, for `run` and `up`."""
KEPT_OPTIONS = (
    option("--cpus", value="N", about="how many processors' worth of time it gets, for instance 2 or 0.5"),
    option("--disk", value="SIZE", about="how much space its files may take, for instance 4G"),
    option("--ttl", value="DURATION", about="stop it automatically after this long, for instance 2h"),
    option("--init", value="INIT", choices=("startenv", "systemd"), about="which init starts its services"),
)
"""And for `up` alone."""


def spec_of(command: str, options: Any) -> dict[str, Any]:
    """The options above, given to `gaol COMMAND`, as a request's `spec`. Raises Usage."""
    from gaoler.units import number, size, time_to_live

    spec: dict[str, Any] = {}
    for name in ("home", "network"):
        yes, no = getattr(options, name), getattr(options, f"no_{name}")
        if yes and no:
            raise Usage(f"--{name} can't be combined with --no-{name}", "they say the opposite", _help(command))
        if yes or no:
            spec[name] = yes
    for name, convert in (("base", str), ("kernel", str), ("memory", size), ("cpus", number), ("disk", size),
                          ("ttl", time_to_live), ("init", str), ("mode", str)):  # fmt: skip
        value = getattr(options, name, None)
        if value is not None:
            spec[name] = convert(value)
    return spec
