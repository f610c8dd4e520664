"""Every command of the documents is typed as it stands there, in its order, and shows what they say it shows."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from system.support.bases import small_tree
from system.support.documents import Reader, blocks
from system.support.gateway import Gateway
from system.support.laptop import laptop
from system.support.leaks import leaving_nothing
from system.support.packages import Package, write_index
from system.support.servers import serving

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs/tutorial").glob("*.md")), *sorted((ROOT / "docs/howto").glob("*.md"))]
COMMANDS = {document: [block for block in blocks(document) if block.is_commands] for document in DOCUMENTS}
EXCUSES = 9
"""Blocks that may go without: each is a document's promise that nobody holds."""

FOR_ROOT = ("bases",)
ON_A_LAPTOP = ("laptop",)
BEFORE = {
    "inside": "gaol up web",
    "bases": "gaol base add archlinux --directory {tree} && touch {tree}/etc/motd && gaol base sync archlinux",
}
"""What a document has its reader do in a block that is excused."""

NGINX = """#!/bin/sh
setsid python3 -m http.server --directory /etc/nginx 80 < /dev/null > /dev/null 2>&1 &
"""
PACKAGES = [
    Package("nginx", "1.0", files={"etc/init.d/nginx": NGINX.encode(), "usr/sbin/nginx": b"#!/bin/sh\n"},
            modes={"etc/init.d/nginx": 0o755, "usr/sbin/nginx": 0o755}),
    Package("postgresql", "15", files={"usr/bin/psql": b"#!/bin/sh\necho psql 15\n"}, modes={"usr/bin/psql": 0o755}),
    Package("postgis", "3", "postgresql"),
]  # fmt: skip


class Archive(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def test_few_blocks_are_excused_and_each_says_why():
    excused = [
        f"{document.name}:{block.line}: {block.excuse}" for document, found in COMMANDS.items() for block in found if block.excuse
    ]
    assert len(excused) <= EXCUSES, excused
    assert sum(map(len, COMMANDS.values())) > 3 * EXCUSES / 2
    for document in DOCUMENTS:
        for block in blocks(document):
            assert block.is_commands or not any(re.match(r"(\$|gaol|sudo) ", line) for line in block.lines), (
                f"{document}:{block.line}"
            )


@pytest.fixture(scope="module")
def archive(gateway, tmp_path_factory) -> Iterator[str]:
    """A mirror with what the documents install."""
    place = tmp_path_factory.mktemp("archive")
    write_index(place, PACKAGES)
    listener = socket.create_server((gateway.address, 0))
    with serving(listener, partial(Archive, directory=place)):
        yield f"http://{gateway.address}:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def everybody(gateway, alice) -> Iterator[Gateway]:
    """What the documents take for granted: a project in the home, who may publish bases."""
    gateway.restart(limits={"bases": 4})
    project = alice.home / "project"
    project.mkdir()
    (project / "main.py").touch()
    os.chown(project, alice.uid, alice.gid)
    yield gateway
    gateway.restart()


@pytest.mark.root
@pytest.mark.machine
@pytest.mark.network
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "document", [one for one in DOCUMENTS if any(not block.excuse for block in COMMANDS[one])], ids=lambda path: path.stem
)
def test_commands_do_what_they_stand_for(everybody, alice, bob, archive, document, tmp_path):
    who = everybody.root if document.stem in FOR_ROOT else alice
    others = {"alice": alice, "bob": bob}

    def came_up(name: str) -> None:
        """Packages come from the archive, and from nowhere else."""
        source = f"rm -f /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] {archive} ./' > /etc/apt/sources.list"
        everybody.gaol("exec", name, "--", "sh", "-c", source, user=who, check=True)

    with ExitStack() as undo:
        undo.enter_context(leaving_nothing(everybody))
        small_tree(tmp_path / "tree")
        if document.stem in ON_A_LAPTOP:
            who = undo.enter_context(laptop(everybody, tmp_path, alice))
            (who.home / "notes.txt").write_text("remember\n")
        reader = Reader(everybody, who, others, came_up)
        try:
            status, said = reader.type(BEFORE.get(document.stem, "true").format(tree=tmp_path / "tree"))
            assert status == 0, said
            for block in COMMANDS[document]:
                if not block.excuse:
                    reader.read(block)
        finally:
            reader.close()
            everybody.remove_machines()
