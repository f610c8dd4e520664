"""Names of machines in DNS: each login has a label of its own."""

from __future__ import annotations

import pytest

from gaoler.machines.network import owner_label


@pytest.mark.parametrize(
    ("login", "uid", "label"),
    [
        ("alice", 1000, "alice"),
        ("a-b", 1000, "a-b"),
        ("a.b", 1001, "a-b--1001"),
        ("a_b", 1002, "a-b--1002"),
        ("Alice", 1003, "alice--1003"),
        ("alice--1003", 1004, "alice-1003--1004"),
        ("-", 1005, "user--1005"),
        ("ä@uni.example", 1006, "uni-example--1006"),
        ("x" * 60, 1007, "x" * 40 + "--1007"),
    ],
)
def test_no_two_logins_share_a_label(login, uid, label):
    assert owner_label(login, uid) == label
