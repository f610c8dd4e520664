"""What the daemon consists of, for the methods that answer."""

from __future__ import annotations

from dataclasses import dataclass

from gaoler.bases.sync import BaseSync
from gaoler.configuration.model import Configuration
from gaoler.daemon.metrics import Metrics
from gaoler.daemon.rights import Rights
from gaoler.machines.arriving import Arriving
from gaoler.machines.lifecycle import Machines


@dataclass(frozen=True)
class Parts:
    configuration: Configuration
    machines: Machines
    arriving: Arriving
    syncs: BaseSync
    metrics: Metrics
    rights: Rights
