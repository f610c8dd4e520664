"""What the documents name is there: commands with their options, settings, files, and the tests that show what administrators are told.

That commands do what they are said to do is shown by tests/system/documents, which types them.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

from gaoler.cli.arguments import Command
from gaoler.cli.commands import COMMANDS
from gaoler.cli.made import declared
from gaoler.configuration.model import Configuration, Grant, Limits
from gaoler.daemon.audit import Audit
from gaoler.daemon.journal import Journal
from gaoler.errors import NotAllowed
from gaoler.machines import ceilings, footprint
from gaoler.machines.asking import Asker
from gaoler.web.noting import Noting
from gaoler.wire import requests

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("tutorial/*.md"), *(ROOT / "docs").glob("howto/*.md")]
ADMINISTRATOR = ROOT / "docs/howto/administrator.md"


def by_name(path: Path) -> str:
    return path.name


def spans(text: str) -> list[str]:
    """What is written as code within the text."""
    return [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", text)]


def blocks(text: str) -> list[list[str]]:
    """What is indented, by groups of lines."""
    return [found.splitlines() for found in re.findall(r"(?m)(?:^    .+\n)+", text)]


def typed(text: str) -> list[str]:
    lines = [line.strip().removeprefix("$ ") for block in blocks(text) for line in block]
    found = [re.sub(r"\s#( .*)?$|\s*[&|<>].*$", "", one).strip().removeprefix("sudo ") for one in [*spans(text), *lines]]
    return [one for one in found if re.match(r"gaol [a-z]", one)]


@cache
def commands() -> dict[str, Command]:
    return declared()


def unknown(line: str) -> str:
    """What of a command line there is not."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        words = line.split()[1:]
    name = " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0].strip(".,;:")
    if name not in commands():
        return "" if name in COMMANDS and len(words) == 1 else f"no command {name}"  # a noun, for its verbs
    of = commands()[name]
    known = {alias for one in of.arguments for alias in one.names} | {"--help", "-h"}
    ours = words[: words.index("--")] if "--" in words else words
    wrong = [word for word in ours if re.match(r"--[a-z]", word) and word.partition("=")[0].strip(".,)") not in known]
    return f"{name} takes no {wrong[0]}" if wrong and not of.words else ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_commands_and_their_options_are_there(document):
    text = document.read_text()
    assert [f"{line}: {why}" for line in typed(text) if (why := unknown(line))] == []


def test_one_that_is_not_there_would_be_seen():
    assert typed("Call `gaol stroe grow` or:\n\n    $ sudo gaol up web --memroy 1G  # so\n") == [
        "gaol stroe grow",
        "gaol up web --memroy 1G",
    ]
    assert [unknown(line) for line in ("gaol stroe grow", "gaol up web --memroy 1G", "gaol run -- ls --all")] == [
        "no command stroe", "up takes no --memroy", "",
    ]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_settings_are_there(document):
    text, wrong = document.read_text(), []
    sections = {name: field.annotation for name, field in Configuration.model_fields.items()}
    for one in spans(text):
        named = re.fullmatch(r"(?:\[([a-z]+)\] |([a-z]+)\.)([a-z0-9_]+)(?: = .*)?", one)
        if named and (section := named[1] or named[2]) in sections and hasattr(sections[section], "model_fields"):
            wrong += [one] if named[3] not in sections[section].model_fields else []
    for block in blocks(text):
        lines = [line[4:] for line in block if not line.strip().startswith("# /")]
        if (heading := re.match(r"\[([a-z]+)[A-Za-z.-]*\]$", lines[0])) and heading[1] in sections:
            Configuration.model_validate(tomllib.loads("\n".join(lines)))
    assert wrong == []


def test_a_grant_has_what_the_limits_have():
    """The documents say "with the keys above"."""
    assert set(Grant.model_fields) == set(Limits.model_fields) - {"user", "group", "idle_action"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_links_and_files_of_this_tree_are_there(document):
    text = document.read_text()
    named = [(document.parent, one) for one in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    named += [(ROOT, one) for one in re.findall(r"(?<![\w/.])(?:tests|docs|bench|src)/[\w./-]*\w", text)]
    assert [one for place, one in named if not (place / one).exists()] == []


def test_how_many_machines_a_host_takes_is_what_is_admitted(monkeypatch):
    rows = re.findall(r"(?m)^\| (\d+) GB \| (\d+) \| (\d+) \|$", ADMINISTRATOR.read_text())
    assert len(rows) == 4
    for memory, admitted, full in rows:
        pages = {"SC_PHYS_PAGES": int(memory) << 18, "SC_PAGE_SIZE": 4096}
        monkeypatch.setattr(ceilings.os, "sysconf", pages.__getitem__)
        of_all, one = ceilings.of_all(Configuration()).memory, footprint.host_memory(512 << 20)
        assert [int(admitted), int(full)] == [int(of_all * Configuration().machines.overcommit) // one, of_all // one]


def sections(document: Path) -> dict[str, str]:
    parts = re.split(r"(?m)^## (.+)$", document.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def statements(text: str) -> list[list[str]]:
    """What stands between one comment and the next, by paragraphs that say something: not what is typed, nor what leads to it."""
    found: list[list[str]] = [[]]
    for block in re.split(r"\n{2,}", text.strip("\n")):
        if block.startswith("<!-- shown by:"):
            found.append([])
        elif not (block.startswith(("    ", "<!-- not run:")) or block.endswith(":")):
            found[-1].append(block)
    return found


def test_each_statement_for_administrators_names_the_tests_that_show_it():
    """`<!-- shown by: FILE TEST TEST; FILE TEST -->` below each paragraph and table."""
    without, missing = [], []
    for heading, text in sections(ADMINISTRATOR).items():
        *shown, rest = statements(text)
        without += [f"{heading}: {block[:60]}" for group in shown for block in group[:-1]]
        without += [f"{heading}: {block[:60]}" for block in rest]
        for entry in (entry for one in re.findall(r"<!-- shown by: ([^>]+) -->", text) for entry in one.split(";")):
            name, *tests = entry.split()
            path = ROOT / "tests" / name
            missing += [f"{heading}: {name} {one}" for one in tests if not path.exists() or one not in functions_of(path)]
            missing += [] if tests else [f"{heading}: {name} without a test"]
    assert missing == []
    assert without == [], "promises that nobody holds"


def test_a_statement_that_names_none_would_be_seen():
    text = "One thing.\n\nTyped so:\n\n    gaol ls\n\n<!-- shown by: unit/a.py test_a -->\n\nAnother.\n\nA third.\n\n<!-- shown by: unit/a.py test_a -->\n\nLast."
    assert statements(text) == [["One thing."], ["Another.", "A third."], ["Last."]]


def test_what_jq_is_to_pick_of_the_audit_is_in_it(tmp_path):
    noted = tmp_path / "audit"
    audit = Audit(lambda: noted, lambda: 60)
    who = Asker("alice", 1000, 7)
    Journal(audit).answered(who, "Down", "bob/web", requests.Down(name="bob/web"), NotAllowed("no", "for a reason"), 0.1)
    audit.leave()
    Noting(noted, 60).refused("alice", "192.0.2.7", "Authentication failure")
    down, login = (json.loads(line) for line in next(noted.iterdir()).read_text().splitlines())
    filters = re.findall(r"jq -r '([^']+)'", ADMINISTRATOR.read_text())
    assert [len(set(re.findall(r"\.(\w+)", one)) - known.keys()) for one, known in zip(filters, (down, login), strict=True)] == [
        0,
        0,
    ]
    assert f'"{login["did"]}"' in filters[1]
