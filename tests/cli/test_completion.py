"""Completion in bash, zsh and fish offers what help tells, and the names that there are."""

import re
import shutil
import subprocess

import pytest

from gaoler.cli import help_text
from gaoler.cli.commands import COMMANDS, verbs
from gaoler.cli.made import bash, declared, fish, nouns, top, zsh

STUB = """case $* in
"names machines") printf 'web\\nwork\\n' ;;
"names bases") printf 'debian\\n' ;;
"names kernels") printf '7.2.13-abc\\n' ;;
"names snapshots web") printf 'before\\nbetter\\n' ;;
*) exit 3 ;;
esac
"""


@pytest.fixture
def shell(tmp_path):
    """A directory with `gaol`, and each shell's completion."""
    (tmp_path / "gaol").write_text(f"#!/bin/sh\n{STUB}")
    (tmp_path / "gaol").chmod(0o755)
    for name, script in (("bash", bash.script()), ("zsh", zsh.script()), ("fish", fish.script())):
        (tmp_path / f"gaol.{name}").write_text(script)
    return tmp_path


def run(shell, *argv, program=None):
    environment = {"PATH": f"{shell}:/usr/bin:/bin", "HOME": str(shell)}
    done = subprocess.run([*argv], input=program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def in_bash(shell, *lines):
    """What bash offers for each line; the last word, perhaps empty, is what is completed."""
    program = f". {shell}/gaol.bash\n"
    for line in lines:
        words = line.split(" ")
        program += f"COMP_WORDS=({' '.join(repr(word) for word in words)}) COMP_CWORD={len(words) - 1}\n_gaol\n"
        program += 'echo "${COMPREPLY[*]}"\n'
    return [set(line.split()) for line in run(shell, "bash", "--norc", "-u", program=program)]


def in_fish(shell, *lines):
    program = f"source {shell}/gaol.fish\n" + "".join(
        f"complete -C '{line}' | cut -f1 | string join ' '\necho .\n" for line in lines
    )
    output = "\n".join(run(shell, "fish", "--no-config", program=program))
    return [set(part.split()) for part in f"{output}\n".split(".\n")[:-1]]


SHELLS = [
    pytest.param(in_bash, id="bash"),
    pytest.param(in_fish, id="fish", marks=pytest.mark.skipif(not shutil.which("fish"), reason="no fish")),
]


def told(text):
    """The options that a help text lists."""
    options = text.partition("options:")[2].partition("examples:")[0]
    return {name for line in options.splitlines() for name in re.findall(r"(?<=[ ,])--?[a-z][a-z-]*(?=[ ,]|$)", line[:24])}


@pytest.mark.parametrize("complete", SHELLS)
def test_options_are_those_of_help(shell, complete):
    names = list(declared())
    offered = complete(shell, *(f"gaol {name} -" for name in names))
    if complete is in_fish:  # which offers short options only where a dash stands alone, and long ones with two
        offered = [one | two for one, two in zip(offered, complete(shell, *(f"gaol {name} --" for name in names)), strict=True)]
    assert {name: got - {"--help", "-h"} for name, got in zip(names, offered, strict=True)} == {
        name: told(help_text.of_command(name)) for name in names
    }


@pytest.mark.parametrize("complete", SHELLS)
def test_commands_and_verbs_are_those_of_help(shell, complete):
    listed = set(re.findall(r"^  ([a-z-]+) ", help_text.overview(), re.MULTILINE))
    assert listed == set(top())
    offered = complete(shell, "gaol ", *(f"gaol {noun} " for noun in nouns()))
    assert offered[0] - {"--help", "--version"} == listed
    for noun, got in zip(nouns(), offered[1:], strict=True):
        assert (
            got - {"--help"}
            == set(verbs(noun))
            == set(re.findall(r"^  ([a-z-]+) ", help_text.of_noun(noun), re.MULTILINE))
            != set()
        )


@pytest.mark.parametrize("complete", SHELLS)
def test_names(shell, complete):
    lines = {
        "gaol down ": {"web", "work"},
        "gaol down wo": {"work"},
        "gaol exec w": {"web", "work"},
        "gaol restore web ": {"before", "better"},
        "gaol restore --json web bet": {"better"},
        "gaol restore web before ": set(),
        "gaol up --base ": {"debian"},
        "gaol up --base d": {"debian"},
        "gaol base sync ": {"debian"},
        "gaol kernel rm ": {"7.2.13-abc"},
        "gaol up --mode ": {"seccomp", "ptrace"},
        "gaol up --mode p": {"ptrace"},
        "gaol up --memory ": set(),
        "gaol publish web ": {"debian"},
        "gaol clone web ": set(),
    }
    assert dict(zip(lines, complete(shell, *lines), strict=True)) == lines


def test_files_are_bash_s_own(shell):
    """Nothing of ours is offered where a file is meant, or a command to run inside."""
    assert in_bash(shell, "gaol cp ", "gaol exec web -- w", "gaol base add x --tar ") == [set()] * 3


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh(shell):
    """As a person sees it: zsh on a terminal, the Tab key pressed."""
    (shell / "_gaol").write_text(zsh.script())
    program = f"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; fpath=({shell} $fpath); autoload -Uz compinit; compinit -u -D; zstyle ":completion:*" list-separator "="; LISTMAX=0; echo begin'
zpty -r -m z x '*begin*begin*'
for line in 'gaol re' 'gaol base rollb' 'gaol down we' 'gaol restore web be' 'gaol up --no-n' 'gaol up --mode p' 'gaol base sync d'; do
  zpty -w -n z "$line"$'\\t\\C-a: \\C-e; print ">""$?"\\n'
  zpty -r -m z x '*>0*'
  print -r -- "${{x//[^[:print:]]/}}"
done
zpty -d z
"""
    text = "\n".join(run(shell, "zsh", "-f", program=program))
    for word in ("gaol restore", "base rollback", "down web", "restore web be", "--no-network", "--mode ptrace", "sync debian"):
        assert word in text, text


def test_every_declared_command_is_in_the_table():
    for name, (module, _) in COMMANDS.items():
        if module:
            found = __import__(f"gaoler.cli.{module}", fromlist=("COMMANDS",)).COMMANDS
            assert name in found
    modules = {module for module, _ in COMMANDS.values() if module}
    declared_names = {name for module in modules for name in __import__(f"gaoler.cli.{module}", fromlist=("COMMANDS",)).COMMANDS}
    assert declared_names == {name for name, (module, _) in COMMANDS.items() if module}
