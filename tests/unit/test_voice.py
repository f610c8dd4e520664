"""What people are told: what happened, why, and what to type. `python3 -m gaoler.cli.made.texts` prints all of it."""

import re

import pytest

from gaoler.cli.commands import COMMANDS
from gaoler.cli.made.texts import Told, errors, helps

ERRORS = [told for told in errors() if not told.place.startswith("daemon/doctor.py")]
"""A check of doctor's has its hint beside it, whatever goes wrong in it."""
PROGRAMS = {
    "apt", "apt-get", "btrfs", "cat", "cd", "crun", "df", "dmesg", "exit", "findmnt", "free", "fuser", "gaol", "gaoler", "getent", "git", "grep",
    "id", "ip", "journalctl", "kill", "less", "ls", "lsblk", "make", "modprobe", "ps", "skopeo", "sleep", "ssh", "sudo", "systemctl", "uname",
}  # fmt: skip
SETTING = re.compile(r"[a-z]+\.[a-z_]+ = .*, in /etc/gaoler/gaoler\.toml")
DESTROYS = re.compile(r"(sudo )?(rm|mkfs|wipefs|gaol (rm|base rm|kernel rm|restore))\b(?!.*--help)")


def typed(hint: str) -> bool:
    """A command, a setting, an option's value for the command at hand, or what only the running program knows."""
    return bool(
        hint.startswith(("{", "--"))
        or hint.split(maxsplit=1)[0].rstrip(";") in PROGRAMS
        or SETTING.match(hint)
        or re.fullmatch(r"on|[\d.]+[A-Za-z]?|[A-Z_]+=.*", hint)
    )


def test_there_are_errors():
    assert len(ERRORS) > 200


@pytest.mark.parametrize("part", ["what", "why", "hint"])
def test_every_error_has(part):
    assert [told for told in ERRORS if not getattr(told, part)] == []


def test_every_hint_can_be_typed():
    assert [(told.place, told.hint) for told in ERRORS if not all(typed(hint) for hint in told.hint.split(" | "))] == []


def test_no_hint_destroys():
    """Nor names it what somebody would lose."""
    assert [(told.place, told.hint) for told in ERRORS if any(DESTROYS.match(hint) for hint in told.hint.split(" | "))] == []


WRITTEN = [(told.place, text) for told in ERRORS for text in (told.what, told.why)] + [
    (f"gaol {name}", text) for name, text in helps()
]


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bcannot\b", r"\bis no [a-z]+ of\b", r"\bthat is no\b", r"\bone who\b", r"\bhe\b|\bhis\b|\bshe\b|\bher\b", r"\.$", r"^[A-Z][a-z]+ [a-z]",
        r"\bplease\b", r"!", r"  ",
    ],
)  # fmt: skip
def test_our_voice(pattern):
    ours = [one for one in WRITTEN if not (pattern in (r"\.$", r"^[A-Z][a-z]+ [a-z]") and one[0].startswith("gaol "))]
    assert [(place, text) for place, text in ours if re.search(pattern, re.sub(r"\{.*?\}", "X", text))] == []


def test_hints_name_commands_that_there_are():
    words = [hint.split() for told in ERRORS for hint in re.split(r" \| |; |&& ", told.hint) if hint.startswith("gaol ")]
    unknown = [word for word in words if len(word) > 1 and not word[1].startswith(("-", "{")) and word[1] not in COMMANDS]
    assert unknown == []


def test_an_error_made_of_another_is_not_looked_at_twice():
    assert isinstance(ERRORS[0], Told)
