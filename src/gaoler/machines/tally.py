"""What has happened since the daemon started, counted for the administrator's monitoring.

Counts carry no user's and no machine's name: whoever reads them learns how the host is, not who does what.
"""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from gaoler.errors import GaolerError, LimitReached
from gaoler.machines.live import Live

Reason = Literal["asked", "itself", "ttl", "idle", "memory", "crashed", "asleep", "drained", "host"]
"""Why a machine ended: it was told to; its command, or its owner inside, had it; a limit; by mistake; to go on later; with the
host, for which it was stopped, or not even that."""
REASONS: tuple[Reason, ...] = ("asked", "itself", "ttl", "idle", "memory", "crashed", "asleep", "drained", "host")
_SECONDS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0)
"""A start takes some 40 ms to the agent and 150 to sshd (bench/README.md); 15 s is the deadline of `up`."""
_MILESTONES = ("agent", "ready")


class Tally:
    """Counters and a histogram in `registry`. Safe to use from any thread."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each counter, which nobody asks for
        self.registry = CollectorRegistry()
        self.starts = Counter("gaoler_machine_starts", "Kernels started.", registry=self.registry)
        self.failures = Counter("gaoler_machine_start_failures", "Starts that came to no kernel.", registry=self.registry)
        self.ends = Counter("gaoler_machine_ends", "Machines that ended.", ["reason"], registry=self.registry)
        self.start_seconds = Histogram(
            "gaoler_machine_start_seconds", "From the start of a machine, its files being there, until it told that it was up.",
            ["until"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.requests = Counter(
            "gaoler_requests", "Requests answered, by gaol's exit code.", ["method", "code"], registry=self.registry
        )
        self.limits = Counter("gaoler_limits_reached", "Requests refused by a limit.", ["limit"], registry=self.registry)
        self.syncs = Counter("gaoler_base_syncs", "Syncs that ended.", ["base", "result"], registry=self.registry)
        for reason in REASONS:
            self.ends.labels(reason)  # zeros are told too: Prometheus sees no increase where there was nothing before
        for milestone in _MILESTONES:
            self.start_seconds.labels(milestone)

    def answered(self, method: str, error: GaolerError | None = None) -> None:
        """A request has had its last reply."""
        self.requests.labels(method, str(error.code if error else 0)).inc()
        if isinstance(error, LimitReached):
            self.limits.labels(error.limit or "other").inc()

    def reached(self, before: Live | None, now: Live, seconds: float) -> None:
        """A machine has come that far, so many seconds after its start."""
        for milestone in _MILESTONES:
            if getattr(now, milestone) and not (before and getattr(before, milestone)):
                self.start_seconds.labels(milestone).observe(seconds)
