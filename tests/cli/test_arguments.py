"""What the command line reads by itself, it reads as argparse would; the rest it leaves to argparse."""

import pytest

from gaoler.cli.arguments import Parser, add_name, add_spec
from gaoler.cli.full_parser import FullParser
from gaoler.errors import Usage


def declare(parser):
    add_name(parser, optional=True)
    add_spec(parser, whole=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--for", dest="until", choices=("ready", "stopped"), default="ready")
    parser.add_argument("--count", type=int)
    return parser


@pytest.mark.parametrize(
    "line",
    [
        "", "web", "web --json", "--no-network web", "--memory 2G --base debian", "web --cpus 1.5", "--mode ptrace",
        "--for stopped", "--memory=2G", "-- web", "web --cpus=2 --json", "--count 1 --count 2",
    ],
)  # fmt: skip
def test_the_same_as_argparse(line):
    words = line.split()
    expected = declare(FullParser("gaol up", allow_abbrev=False)).parse_args(words)
    assert vars(declare(Parser("up", "")).parse_args(words)) == vars(expected)


@pytest.mark.parametrize(
    "line", ["one two", "--memory", "--memory --json", "--nonsense", "--count many", "--mode kvm", "--js", "-x"]
)
def test_mistakes_are_argparse_s_to_explain(line):
    with pytest.raises(Usage):
        declare(Parser("up", "")).parse_args(line.split())


def test_a_name_that_must_be_there():
    parser = Parser("down", "")
    add_name(parser)
    with pytest.raises(Usage, match="NAME"):
        parser.parse_args([])


def test_an_option_that_must_be_there():
    parser = Parser("wait", "")
    parser.add_argument("--for", dest="until", choices=("ready", "stopped"), required=True)
    with pytest.raises(Usage, match="--for"):
        parser.parse_args([])
    assert parser.parse_args(["--for", "ready"]).until == "ready"
