"""Completion for zsh."""

from __future__ import annotations

from gaoler.cli.commands import COMMANDS, verbs
from gaoler.cli.made import declared, kind, nouns, top

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from gaoler.cli.arguments import Argument, Command

_TEXT = """#compdef gaol
# Completion of gaol in zsh. Made by gaoler from what its commands declare; names come from gaol itself.

_gaol_names() {
  local -a found
  found=(${(f)"$(gaol names $1 ${2-} 2>/dev/null)"})
  compadd -a found
}

_gaol_snapshots() {
  _gaol_names snapshots ${line[1]-}
}

_gaol() {
  local curcontext=$curcontext state line
  local -a found
  if (( CURRENT == 2 )); then
    found=(
%(top)s
    )
    _describe -t commands command found
    return
  fi
  case $words[2] in
%(cases)s
  esac
}

_gaol "$@"
"""

# The space in front: else _arguments puts words of its own behind the first one.
_ACTIONS = {
    "machines": " _gaol_names machines",
    "bases": " _gaol_names bases",
    "kernels": " _gaol_names kernels",
    "snapshots": "_gaol_snapshots",
    "users": "_users",
    "files": "_files",
    "": " ",
}


def script() -> str:
    commands = declared()
    cases = []
    for name in top():
        cases.append(f"    {name})")
        if name in nouns():
            cases += _noun(name, commands)
        else:
            cases += ["      shift words; (( CURRENT-- ))", *(f"      {line}" for line in _arguments(commands[name]))]
        cases.append("      ;;")
    return _TEXT % {"top": _described(top(), "      "), "cases": "\n".join(cases)}


def _noun(noun: str, commands: Mapping[str, Command]) -> list[str]:
    lines = [
        "      if (( CURRENT == 3 )); then",
        "        found=(",
        _described({verb: COMMANDS[f"{noun} {verb}"][1] for verb in verbs(noun)}, "          "),
        "        )",
        "        _describe -t verbs verb found",
        "        return",
        "      fi",
        "      case $words[3] in",
    ]
    for verb in verbs(noun):
        inner = [f"          {line}" for line in _arguments(commands[f"{noun} {verb}"])]
        lines += [f"        {verb})", "          shift 2 words; (( CURRENT -= 2 ))", *inner, "          ;;"]
    return [*lines, "      esac"]


def _described(texts: Mapping[str, str], indent: str) -> str:
    return "\n".join(indent + _quoted(f"{name}:{text}") for name, text in texts.items())


def _arguments(command: Command) -> list[str]:
    specs = [_option(alias, one) for one in command.arguments if one.names and one.about for alias in one.names]
    specs += [_place(one) for one in command.arguments if not one.names]
    specs.append(_quoted("(- *)--help[say more]"))
    if command.words:
        specs.append(_quoted("*::command:_normal"))
    return ["_arguments -s \\", *(f"  {spec} \\" for spec in specs[:-1]), f"  {specs[-1]}"]


def _option(alias: str, one: Argument) -> str:
    told = f"{alias}[{_plain(one.about)}]"
    others = "*" if one.many else f"({' '.join(one.names)})" if len(one.names) > 1 else ""
    return _quoted(others + told + (f":{one.value}:{_action(one)}" if one.value else ""))


def _place(one: Argument) -> str:
    start = "*" if one.many else ""
    return _quoted(f"{start}:{'' if one.needed or one.many else ':'}{one.value}:{_action(one)}")


def _action(one: Argument) -> str:
    found = kind(one)
    return _ACTIONS[found] if found in _ACTIONS else f"({found.replace(',', ' ')})"


def _plain(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
