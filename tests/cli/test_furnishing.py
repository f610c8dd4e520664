"""up --from FILE against a machine that says what it likes."""

import json

import pytest

from cli.test_texts import MACHINE

ENDLESS = 64 << 20
"""Bytes after which a machine gives up that nobody stops."""


class Inside:
    """Plays the machine: `note` is what it says was done before, `setup` how the setup script ends. Keeps what is noted then."""

    def __init__(self, note=b"", setup=0):
        self.note = note
        self.setup = setup
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
        code = self.setup if "cat > /var/lib/gaol/setup" in script else 0
        control.sendall(b"E\x02\x00\x00\x00\x00" + bytes([code]))
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
        return gaol("up", "web", "--from", "gaol.toml", cwd=tmp_path)

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


def test_what_is_done_is_told_in_words(up, tmp_path):
    (tmp_path / "motd").write_text("hello\n")
    done = up(Inside(), 'disk = "4G"\n[files]\n"/etc/motd" = "motd"\n')
    assert done.returncode == 0, done.stderr
    assert "web: disk is 4G now, and was unlimited" in done.stderr
    assert "copying 1 file\n" in done.stderr
    assert done.stderr.endswith("web: /etc/motd copied\n")


def test_what_to_try_after_a_failure_can_be_typed(up, tmp_path):
    done = up(Inside(setup=1), 'setup = """\nfalse\n"""\n')
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (1, [
        "gaol: the setup script failed: it ended with 1, and says why above; another gaol up --from goes on there",
        "try: gaol up web --from gaol.toml",
    ])  # fmt: skip
