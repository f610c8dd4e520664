"""up --from FILE against a machine that says what it likes."""

import json

import pytest

from cli.test_texts import MACHINE

ENDLESS = 64 << 20
"""Bytes after which a machine gives up that nobody stops."""


class Inside:
    """Plays the machine: `note` is what it says was done before. Keeps what is noted then."""

    def __init__(self, note):
        self.note = note
        self.kept = None
        self.stopped = False

    def __call__(self, streams, command):
        control, given, output, errors = streams
        script = command["arguments"][2]
        read = bytearray()
        while piece := given.recv(65536):
            read += piece
        if "cat > /var/lib/gaol/up.json" in script:
            self.kept = json.loads(read)
        elif "/var/lib/gaol/up.json" in script:
            self.say(output)
        control.sendall(b"E\x02\x00\x00\x00\x00\x00")
        for stream in (output, errors, given, control):
            stream.close()

    def say(self, output):
        said = 0
        try:
            while said < ENDLESS:
                output.sendall(self.note)
                said += len(self.note)
                if self.note[:1] != b" ":
                    return
        except OSError:
            self.stopped = True


@pytest.fixture
def up(daemon, gaol, tmp_path):
    def run(inside, text='base = "debian"\n'):
        (tmp_path / "gaol.toml").write_text(text)
        for method in ("Inspect", "Up"):
            daemon.answer(method, machine=MACHINE)
        daemon.answer("Set", later=[])
        daemon.play("Exec", inside)
        return gaol("up", "web", "--from", str(tmp_path / "gaol.toml"))

    return run


@pytest.mark.parametrize("note", [b"[" * 200_000, b"", b'{"packages": [[1], "git"], "files": {}, "setup": []}', b"9" * 10_000])
def test_what_it_noted_may_be_anything(up, note):
    inside = Inside(note)
    done = up(inside)
    assert (done.returncode, inside.kept) == (0, {"packages": [], "files": [], "setup": ""}), done.stderr
    assert ("git is no longer in" in done.stderr) == (b"git" in note)


def test_a_note_without_an_end_is_cut_off(up):
    inside = Inside(b" " * 65536)
    done = up(inside)
    assert (done.returncode, inside.stopped, inside.kept is not None) == (0, True, True), done.stderr
