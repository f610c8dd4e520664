"""An afternoon of coursework: a teacher, a student and a friend, each with what they type and what they see."""

from __future__ import annotations

import time

import pytest

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]


class Person:
    """Types commands of gaol, and says what was seen when something else was expected."""

    def __init__(self, gateway, user):
        self.gateway = gateway
        self.user = user
        self.log = []

    def types(self, *words, sees=(), fails=0, notes=(), **options):
        done = self.gateway.gaol(*words, user=self.user, timeout=120, **options)
        self.log.append(f"$ gaol {' '.join(words)}\n{done.stdout}{done.stderr}")
        assert done.returncode == fails, self.log[-1]
        for text in (sees,) if isinstance(sees, str) else sees:
            assert text in done.stdout, f"{text!r} is not in\n{self.log[-1]}"
        for text in (notes,) if isinstance(notes, str) else notes:
            assert text in done.stderr, f"{text!r} is not in\n{self.log[-1]}"
        return done.stdout

    def runs(self, name, script, **options):
        return self.types("exec", name, "--", "sh", "-ec", script, **options)


@pytest.fixture
def people(gateway, alice, bob):
    teacher = Person(gateway, gateway.root)
    yield teacher, Person(gateway, alice), Person(gateway, bob)
    for one in gateway.json("ls", "--all"):
        gateway.gaol("rm", "--force", "--now", f"{one['owner']}/{one['name']}")
    gateway.gaol("base", "rm", "course")
    gateway.restart()


def test_an_afternoon(gateway, people, alice, bob):
    teacher, student, friend = people
    gateway.restart(machines={"removed": "1h"})
    began = time.monotonic()

    # The teacher prepares a machine from a file, and gives it to the class.
    directory = gateway.directory / "course"
    directory.mkdir()
    (directory / "task").write_text("serve hello on port 80\n")
    (directory / "gaol.toml").write_text('memory = "192M"\nsetup = """\nmkdir -p /srv/work\n"""\n[files]\n"/srv/course/task" = "task"\n')
    teacher.types("up", "prepared", "--from", str(directory / "gaol.toml"), sees="prepared  10.", notes="/srv/course/task copied")
    teacher.types("publish", "prepared", "course", sees="course  generation 1")
    teacher.types("base", "set", "course", "memory=160M", "home=off", "welcome=The task is in /srv/course.", sees="memory 160M, home off, a welcome")
    teacher.types("base", "ls", sees="memory 160M, home off, a welcome")

    # The student has it, works, breaks it, and goes back.
    student.types("up", "web", "--base", "course", sees="web  10.")
    student.runs("web", "cat /srv/course/task", sees="serve hello on port 80")
    student.types("ls", sees=["web", "ready", "course 1", "160M"])
    student.types("snapshot", "web", "before", sees="before")
    student.runs("web", "echo hello > /srv/work/index.html; echo broken > /etc/hostname; rm -rf /usr/share/doc")
    student.types("diff", "web", "before", sees=["+", "/srv/work/index.html", "~", "/etc/hostname"])
    student.types("shell", "wbe", fails=3, notes='no machine "wbe"')
    student.types("down", "web")
    student.types("restore", "web", "before", sees="web is as it was at before; your home directory is as it is now")
    student.types("up", "web", sees="web  10.")
    student.runs("web", "test ! -e /srv/work/index.html; mkdir -p /srv/work; echo hello > /srv/work/index.html")
    student.types("set", "web", "memory=200M", sees="memory will change at its next start")

    # A friend looks at it, and no longer than they may.
    friend.runs(f"{alice.name}/web", "id", fails=3)
    student.types("share", "web", bob.name, sees=f"{bob.name} may go into web as root")
    friend.types("ls", sees=f"{alice.name}/web")
    friend.runs(f"{alice.name}/web", "cat /srv/work/index.html", sees="hello")
    friend.types("rm", "--force", f"{alice.name}/web", fails=3)
    friend.types("export", f"{alice.name}/web", "stolen", fails=3)
    student.types("unshare", "web", bob.name, sees=f"{bob.name} may no longer go into web")
    friend.runs(f"{alice.name}/web", "id", fails=3)

    # The task changes, and the student moves over with what they have done.
    (directory / "task").write_text("serve hello on port 8080\n")
    teacher.types("up", "prepared", "--from", str(directory / "gaol.toml"), notes="/srv/course/task copied")
    teacher.types("publish", "prepared", "course", sees="course  generation 2")
    teacher.types("base", "info", "course", sees=["The task is in /srv/course.", f"{alice.name}/web, generation 1 (there is a newer one)"])
    student.types("ls", sees="course 1*")
    student.types("down", "web")
    student.types("rebase", "web", sees="web stands on course 2; gaol restore web generation-1 goes back")
    student.types("up", "web")
    student.runs("web", "cat /srv/course/task /srv/work/index.html", sees=["8080", "hello"])

    # Thrown away by mistake, and had back; in the end the teacher sees who is there.
    gone = student.types("rm", "--force", "web", sees="deleted web: ")
    assert "gaol restore --removed web brings it back until" in gone
    student.types("ls", sees="no machines yet; try: gaol up")
    student.types("restore", "--removed", "web", sees="web is back, stopped; gaol up web starts it")
    student.types("up", "web", sees="web  10.")
    student.runs("web", "cat /srv/work/index.html", sees="hello")
    teacher.types("ls", "--all", sees=[alice.name, "web", "prepared"])
    student.types("run", "--base", "course", "--", "cat", "/srv/course/task", sees="8080")
    print(f"an afternoon: {time.monotonic() - began:.1f} s")
    print("\n".join(line for person in people for line in person.log))
