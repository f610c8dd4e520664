"""What the administrator grants to whom: a setting for the user beats one for his groups, which beats the general one."""

from __future__ import annotations

from dataclasses import dataclass

from gaoler.configuration.account import Account
from gaoler.configuration.model import Limits

_COUNTS = ("machines", "bases", "autostart")
"""Of these, 0 means none."""


@dataclass(frozen=True)
class Limit:
    """`value` is in the setting's unit, 0 for no limit but of what is counted; `setting` is its name in the configuration."""

    value: float
    setting: str

    def exceeded_by(self, wanted: float | None) -> bool:
        """`wanted` of None asks for no limit at all."""
        return bool(self.value) and (wanted is None or wanted > self.value)


def limit_of(limits: Limits, account: Account, key: str) -> Limit:
    """The limit that holds for an account; of several groups' the most generous one; a service has what it is granted by name."""
    own = getattr(limits.user.get(account.name), key, None)
    if own is not None:
        return Limit(own, f"limits.user.{account.name}.{key}")
    names = [account.group, *(name for name, _ in account.groups)]
    granted = [(value, name) for name in names if (value := getattr(limits.group.get(name), key, None)) is not None]
    if granted:
        value, name = max(granted, key=lambda one: one[0] or (0 if key in _COUNTS else float("inf")))
        return Limit(value, f"limits.group.{name}.{key}")
    if key in _COUNTS and account.is_service:  # what has taken over a web server gets no machines by that
        return Limit(0, f"limits.user.{account.name}.{key}")
    return Limit(getattr(limits, key), f"limits.{key}")
