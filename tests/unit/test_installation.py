"""What is typed in an installation is its own: the configuration, and the units of systemd."""

import pytest

from gaoler.installation import STANDARD, here, unit


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.setenv("GAOLER_CONFIG", "/etc/trial.toml")
    monkeypatch.setenv("GAOLER_INSTANCE", "opt-trial")


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("systemctl restart gaoler", "systemctl restart gaoler@opt-trial"),
        ("systemctl reload gaoler-web", "systemctl reload gaoler-web@opt-trial"),
        ("gaol doctor; as root: systemctl start gaoler", "gaol doctor; as root: systemctl start gaoler@opt-trial"),
        (f"sudo editor {STANDARD}; gaoler --check && systemctl restart gaoler",
         "sudo editor /etc/trial.toml; gaoler --check && systemctl restart gaoler@opt-trial"),
        ("systemctl reload docker", "systemctl reload docker"),
        ("systemctl reload gaoler-webs", "systemctl reload gaoler-webs"),
        ("gaoler --check", "gaoler --check"),
    ],
)  # fmt: skip
def test_hints_of_another_installation_name_its_own(trial, hint, told):
    assert here(hint) == told


def test_those_of_the_first_stay(monkeypatch):
    for name in ("GAOLER_CONFIG", "GAOLER_INSTANCE"):
        monkeypatch.delenv(name, raising=False)
    assert here(f"sudo editor {STANDARD}; systemctl restart gaoler") == f"sudo editor {STANDARD}; systemctl restart gaoler"
    assert unit("gaoler-bases.timer") == "gaoler-bases.timer"


def test_a_unit_of_another_is_asked_for_by_its_name(trial):
    assert unit("gaoler-bases.timer") == "gaoler-bases@opt-trial.timer"
