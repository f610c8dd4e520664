"""The daemon that the golden texts are tested against says only what the real one could say.

Both are held to the messages of the wire: the fake here, the real daemon in tests/system/daemon/test_wire.py.
"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cli.test_texts import MACHINE
from gaoler.wire import messages


def test_its_machine_is_one_of_the_wires():
    assert messages.Info.model_validate(MACHINE).model_dump() == MACHINE


@pytest.mark.parametrize("key", sorted(MACHINE))
def test_the_wire_would_notice(key):
    """Neither a missing key nor one too many passes."""
    with pytest.raises(ValidationError):
        messages.Info.model_validate({name: value for name, value in MACHINE.items() if name != key})
    with pytest.raises(ValidationError):
        messages.Info.model_validate({**MACHINE, f"{key}_": None})
