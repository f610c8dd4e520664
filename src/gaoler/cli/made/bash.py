"""Completion for bash."""

from __future__ import annotations

from gaoler.cli.commands import verbs
from gaoler.cli.made import declared, kind, nouns, top

_TEXT = r"""# Completion of gaol in bash. Made by gaoler from what its commands declare; names come from gaol itself.

_gaol_declared() {  # sets what $command takes: options, "option=kind" of those with a value, and the kinds of its places
  case $command in
%(cases)s
  esac
}

_gaol_kind() {  # KIND: words that complete $word
  local words=
  case $1 in
    machines | bases | kernels) words=$(gaol names "$1" 2>/dev/null) ;;
    snapshots) words=$(gaol names snapshots "$name" 2>/dev/null) ;;
    users) words=$(compgen -u) ;;
    *,*) words=${1//,/ } ;;
    *) return ;;  # files, by `complete -o default`
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

_gaol() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} first=2 options= values= places=() name= at=0 i one last
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    mapfile -t COMPREPLY < <(compgen -W '%(top)s --help --version' -- "$word")
    return
  fi
  case $command in
    help)
      (( COMP_CWORD == 2 )) && mapfile -t COMPREPLY < <(compgen -W '%(top)s' -- "$word")
      return
      ;;
%(nouns)s
  esac
  _gaol_declared
  last=
  for (( i = first; i < COMP_CWORD; i++ )); do
    one=${COMP_WORDS[i]}
    [[ $one == -- ]] && return  # a command to run inside
    if [[ -n $last ]]; then
      last=
    elif [[ $one == -* ]]; then
      [[ " $values " =~ " $one="([^ ]*)" " ]] && last=${BASH_REMATCH[1]:-none}
    else
      (( at == 0 )) && name=$one
      [[ ${places[at]-} == *... ]] || at=$((at + 1))
    fi
  done
  if [[ -n $last ]]; then
    _gaol_kind "$last"
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$word")
  elif (( at < ${#places[@]} )); then
    _gaol_kind "${places[at]%%...}"
  fi
}
complete -o default -F _gaol gaol
"""


def script() -> str:
    cases = []
    for name, command in declared().items():
        shown = [one for one in command.arguments if one.names and one.about]
        options = " ".join(alias for one in shown for alias in one.names)
        values = " ".join(f"{alias}={kind(one)}" for one in shown if one.value for alias in one.names)
        places = " ".join(f"{kind(one) or 'none'}{'...' if one.many else ''}" for one in command.arguments if not one.names)
        cases.append(f"    {name.replace(' ', '_')}) options='{options}' values='{values}' places=({places}) ;;")
    inner = []
    for noun in nouns():
        inner += [
            f"    {noun})",
            "      if (( COMP_CWORD == 2 )); then",
            f"""        mapfile -t COMPREPLY < <(compgen -W '{" ".join(verbs(noun))} --help' -- "$word")""",
            "        return",
            "      fi",
            f"      command={noun}_${{COMP_WORDS[2]}} first=3",
            "      ;;",
        ]
    parts = {"cases": "\n".join(cases), "nouns": "\n".join(inner), "top": " ".join(top())}
    return _TEXT % parts
