"""The words of a command line are read as argparse would read them, and mistakes are told in our own words."""

import argparse

import pytest

from gaoler.cli.arguments import (
    AFTER_PLACES,
    ALL_THAT_FOLLOWS,
    JSON,
    KEPT_OPTIONS,
    MACHINE,
    MACHINE_OPTIONS,
    MAYBE_MACHINE,
    USER,
    Command,
    flag,
    option,
    place,
)
from gaoler.errors import Usage

FOR = option("--for", value="STATE", choices=("ready", "stopped"), about="what to wait for", default="ready", key="until")
UP = Command(lambda _: 0, "", MAYBE_MACHINE, *MACHINE_OPTIONS, *KEPT_OPTIONS, JSON, FOR, USER)


def by_argparse(command, words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for one in command.arguments:
        if not one.names:
            parser.add_argument(one.key, nargs=None if one.needed else "?")
        elif one.value:
            parser.add_argument(*one.names, dest=one.key, default=one.default, choices=one.choices or None)
        else:
            parser.add_argument(*one.names, dest=one.key, action="store_true")
    return vars(parser.parse_args(words))


@pytest.mark.parametrize(
    "line",
    [
        "", "web", "web --json", "--no-network web", "--memory 2G --base debian", "web --cpus 1.5", "--mode ptrace", "-u alice web",
        "--for stopped", "--memory=2G", "-- web", "web --cpus=2 --json", "--cpus 1 --cpus 2", "--base -", "-", "--base=", "--base=-x",
    ],
)  # fmt: skip
def test_the_same_as_argparse(line):
    words = line.split()
    assert vars(UP.parse("up", words)) == by_argparse(UP, words)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("one two", '"two" is one word too many: gaol up takes NAME'),
        ("-- one two", '"two" is one word too many: gaol up takes NAME'),
        ("--memory", "--memory needs a value: SIZE: how much memory it has, for instance 512M or 2G"),
        ("--memory --json", "--memory needs a value: SIZE: how much memory it has, for instance 512M or 2G"),
        ("--json=yes", "--json takes no value: it is a switch"),
        ("--memroy 2G", "unknown option --memroy: did you mean --memory?"),
        ("-x", "unknown option -x: gaol up has none of that name"),
        ("--js", "unknown option --js: did you mean --json?"),
        ("--mode kvm", '--mode can\'t be "kvm": it is one of seccomp, ptrace'),
    ],
)
def test_mistakes(line, text):
    with pytest.raises(Usage) as caught:
        UP.parse("up", line.split())
    assert (str(caught.value), caught.value.hint) == (text, "gaol up --help")


def test_what_must_be_there():
    command = Command(lambda _: 0, "", MACHINE, option("--for", value="STATE", about="what", needed=True))
    with pytest.raises(Usage, match="NAME is missing"):
        command.parse("wait", ["--for", "x"])
    with pytest.raises(Usage, match="--for is missing"):
        command.parse("wait", ["web"])
    assert vars(command.parse("wait", ["web", "--for", "x"])) == {"name": "web", "for": "x"}


def test_exactly_one_of_some():
    command = Command(
        lambda _: 0, "", option("--tar", value="FILE", about=""), flag("--pacstrap", about=""), one_of=("tar", "pacstrap")
    )
    for words, text in (([], "one option is missing"), (["--tar", "x", "--pacstrap"], "--tar and --pacstrap can't be combined")):
        with pytest.raises(Usage, match=text):
            command.parse("base add", words)
    assert command.parse("base add", ["--pacstrap"]).tar is None


def test_short_flags_can_be_joined():
    command = Command(lambda _: 0, "", flag("-i", about=""), flag("-t", "--terminal", about=""))
    assert vars(command.parse("x", ["-it"])) == {"i": True, "terminal": True}
    with pytest.raises(Usage, match="unknown option -iq"):
        command.parse("x", ["-iq"])


def test_many_words_of_a_kind():
    command = Command(lambda _: 0, "", place("NAME", "", many=True, key="names"), flag("--force", about=""))
    assert command.parse("rm", ["a", "--force", "b"]).names == ["a", "b"]
    with pytest.raises(Usage, match="NAME is missing"):
        command.parse("rm", ["--force"])


@pytest.mark.parametrize(
    ("begin", "line", "passed_on"),
    [
        (AFTER_PLACES, "web -- ls -l --json", "ls -l --json"),
        (AFTER_PLACES, "web ls -l --json", "ls -l --json"),
        (AFTER_PLACES, "web -u me ls -u you", "ls -u you"),
        (AFTER_PLACES, "web", ""),
        (AFTER_PLACES, "web -- sh -c x -- y", "sh -c x -- y"),
        (ALL_THAT_FOLLOWS, "web -v --help", "-v --help"),
        (ALL_THAT_FOLLOWS, "web -- uptime", "uptime"),
    ],
)
def test_words_that_are_passed_on(begin, line, passed_on):
    options = Command(lambda _: 0, "", MACHINE, USER, words="COMMAND...", begin=begin).parse("exec", line.split())
    assert (options.name, options.words) == ("web", passed_on.split())


@pytest.mark.parametrize("line", ["--help", "web -h", "web --json --help"])
def test_help_is_asked_for(line):
    assert UP.parse("up", line.split()) is None


def test_a_mistake_of_our_own_is_a_sentence(daemon, gaol):
    daemon.answer("BaseList")  # which never says so little
    done = gaol("base", "ls")
    assert (done.returncode, done.stdout) == (1, "")
    said, tried = done.stderr.splitlines()
    assert said.startswith("gaol: that is a mistake in gaol itself: KeyError: 'bases', bases.py line ")
    assert tried == "try: gaol doctor"
