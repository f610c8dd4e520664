"""What people see of long steps."""

import io
import threading

from gaoler.progress import Display, Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_as_text():
    assert str(Progress("configure")) == "configure"
    assert str(Progress("fetch", 1_500_000, 3_000_000, "bytes")) == "fetch 1.5 MB of 3.0 MB (50 %)"
    assert str(Progress("install", 41, 100, "percent", "crun")) == "install 41 %: crun"
    assert str(Progress("unpack", 1_500_000, None, "bytes")) == "unpack 1.5 MB"
    assert str(Progress("compile", 7, 10, "objects", "fs/open.o")) == "compile 7 of 10 objects (70 %): fs/open.o"
    assert str(Progress("compile", 12, 10, "objects")) == "compile 12 of 10 objects (100 %)"


def test_a_log_gets_a_line_now_and_then():
    out, now = io.StringIO(), [0.0]
    display = Display(out, lambda: now[0])
    for done in range(101):
        now[0] = float(done)
        display.report(Progress("compile", done, 100, "objects"))
        display.report(Progress("compile", done, 100, "objects"))
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["0", "20", "40", "60", "80", "100"]
    assert "\x1b" not in out.getvalue()


def test_a_new_step_is_shown_at_once():
    out = io.StringIO()
    display = Display(out, lambda: 0.0)
    for step in ("fetch", "unpack", "unpack"):
        display.report(Progress(step))
    assert out.getvalue() == "    fetch\n    unpack\n"


def test_a_terminal_has_one_live_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    out = Terminal()
    display = Display(out, lambda: 0.0)
    display.report(Progress("compile", 1, 2, "objects", "a/very/long/name/of/a/file.o"))
    display.say("done")
    live, last = out.getvalue().split("\r\x1b[K")[1:]
    assert "\n" not in live
    assert len(live) <= 30
    assert last == "done\n"


def test_two_threads_share_the_live_line_and_not_each_other_s_intervals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    out, log = Terminal(), io.StringIO()
    live, lines = Display(out, lambda: 0.0), Display(log, lambda: 0.0)
    for display in (live, lines):
        for done in range(5):
            display.report(Progress("compile", done, 9, "objects"))
            beside = threading.Thread(target=display.report, args=(Progress("base", done, 9, "packages"),))
            if done == 0:
                beside.start()
                beside.join()
    assert "compile 0 of 9" in out.getvalue().split("\r\x1b[K")[-1] and "base 0 of 9" in out.getvalue().split("\r\x1b[K")[-1]
    assert log.getvalue().splitlines() == ["    compile 0 of 9 objects (0 %)", "    base 0 of 9 packages (0 %)"]
