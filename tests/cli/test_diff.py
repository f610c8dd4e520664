"""diff: what a person sees of what has changed in a machine."""

from cli.test_texts import MACHINE

FOUND = {
    "against": "debian 1",
    "left_out": 0,
    "differences": [
        {"path": "/etc/hosts", "change": "changed", "kind": "file", "size": 20, "was": 2048, "how": ["content"]},
        {"path": "/etc/x\x1b[31m", "change": "changed", "kind": "file", "size": 1, "was": 1, "how": ["mode", "owner"]},
        {"path": "/srv/app", "change": "added", "kind": "directory", "size": None, "was": None, "how": []},
        {"path": "/srv/link", "change": "removed", "kind": "link", "size": None, "was": None, "how": []},
    ],
}


def test_a_list(daemon, gaol):
    daemon.answer("Diff", **FOUND)
    assert gaol("diff", "web").stdout == (
        "   SIZE  WAS  PATH\n"
        "~  20    2K   /etc/hosts\n"
        "~  1     1    /etc/x\N{REPLACEMENT CHARACTER}[31m (mode, owner)\n"
        "+             /srv/app/\n"
        "-             /srv/link (link)\n"
        "\n"
        "1 added, 1 removed, 2 changed since debian 1\n"
    )
    assert daemon.calls == [("Diff", {"name": "web", "patch": False})]


def test_what_is_left_out_is_told(daemon, gaol):
    daemon.answer("Diff", **{**FOUND, "left_out": 7, "note": "web does not answer; it was taken as after a power cut"})
    done = gaol("diff", "web", "before")
    assert done.stdout.endswith("2 changed, and 7 more since debian 1\n")
    assert done.stderr.startswith("gaol: web does not answer")
    daemon.answer("Diff", against="before", left_out=0, differences=[])
    assert gaol("diff", "web", "before").stdout == "nothing has changed in web since before\n"


def test_a_patch_goes_out_as_it_is(daemon, gaol):
    patch = "--- a/etc/x\n+++ b/etc/x\n@@ -1 +1 @@\n-a\t\n+b\x07\n"
    daemon.answer("Diff", **FOUND, patch=patch)
    assert gaol("diff", "web", "--patch").stdout == patch


def test_rebase_says_where_it_stands_and_how_to_go_back(daemon, gaol):
    daemon.answer("Rebase", machine={**MACHINE, "generation": "2"}, tag="generation-1")
    assert gaol("rebase", "web").stdout == "web stands on debian 2; gaol restore web generation-1 goes back\n"
    assert daemon.calls == [("Rebase", {"name": "web"})]
