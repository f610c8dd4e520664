"""What all unit tests share."""

from __future__ import annotations

from hypothesis import settings

# How long an example may take is the host's business: it may be building a kernel meanwhile.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
