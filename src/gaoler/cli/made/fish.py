"""Completion for fish."""

from __future__ import annotations

from gaoler.cli.commands import COMMANDS, verbs
from gaoler.cli.made import declared, kind, nouns, top

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gaoler.cli.arguments import Argument

_HEAD = """# Completion of gaol in fish. Made by gaoler from what its commands declare; names come from gaol itself.

function __gaol_at --description 'Whether the words so far begin with gaol and these, and no -- has come'
    set -l words (commandline -opc)
    contains -- -- $words; and return 1
    set -l last (math 1 + (count $argv))
    test "$words[2..$last]" = "$argv"
end

function __gaol_place --description 'Whether the word to come is the Nth place after these words: N WORDS...'
    __gaol_at $argv[2..]; or return 1
    test (count (__gaol_places (count $argv))) -eq (math $argv[1] - 1)
end

function __gaol_places --description 'The words from the Nth on that are not options'
    set -l words (commandline -opc)
    set -l from (math $argv[1] + 1)
    if test (count $words) -ge $from
        string match --invert -- '-*' $words[$from..]
    end
end

complete -c gaol -f
complete -c gaol -n 'test (count (commandline -opc)) -eq 1' -l help -d 'list the commands'
"""

_NAMES = {
    "machines": "(gaol names machines 2>/dev/null)",
    "bases": "(gaol names bases 2>/dev/null)",
    "kernels": "(gaol names kernels 2>/dev/null)",
    "users": "(__fish_complete_users)",
}


def script() -> str:
    lines = [_HEAD]
    lines += [_first("test (count (commandline -opc)) -eq 1", name, text) for name, text in top().items()]
    for noun in nouns():
        at = f"__gaol_at {noun}; and test (count (commandline -opc)) -eq 2"
        lines += [_first(at, verb, COMMANDS[f"{noun} {verb}"][1]) for verb in verbs(noun)]
    for name, command in declared().items():
        lines += [_option(name, one) for one in command.arguments if one.names and one.about]
        lines.append(f"complete -c gaol -n '__gaol_at {name}' -l help -d 'say more'")
        places = [one for one in command.arguments if not one.names]
        lines += [line for number, one in enumerate(places, 1) if (line := _place(name, number, one))]
        if command.words:
            lines.append(f"complete -c gaol -n 'not __gaol_at {name}; and contains -- {name} (commandline -opc)' -F")
    return "\n".join(lines) + "\n"


def _first(when: str, word: str, text: str) -> str:
    return f"complete -c gaol -n {_quoted(when)} -a {word} -d {_quoted(text)}"


def _option(name: str, one: Argument) -> str:
    spelled = " ".join(f"-l {alias[2:]}" if alias.startswith("--") else f"-s {alias[1:]}" for alias in one.names)
    value = ""
    if one.value:
        value = " -r -F" if kind(one) == "files" else f" -x{_words(one, name)}"
    return f"complete -c gaol -n '__gaol_at {name}' {spelled}{value} -d {_quoted(one.about)}"


def _place(name: str, number: int, one: Argument) -> str:
    when = f"__gaol_at {name}" if one.many else f"__gaol_place {number} {name}"
    if kind(one) == "files":
        return f"complete -c gaol -n '{when}' -F"
    words = _words(one, name)
    return f"complete -c gaol -n '{when}'{words} -d {_quoted(one.value)}" if words else ""


def _words(one: Argument, name: str) -> str:
    found = kind(one)
    if found == "snapshots":
        return f" -a '(gaol names snapshots (__gaol_places {len(name.split()) + 1})[1] 2>/dev/null)'"
    words = _NAMES.get(found, f"'{found.replace(',', ' ')}'" if "," in found else "")
    return f" -a {words if words.startswith(chr(39)) else _quoted(words)}" if words else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
