"""What a method may do with its caller besides returning the last reply."""

from __future__ import annotations

import select

from gaoler import progress
from gaoler.daemon.caller import Caller
from gaoler.wire.framing import Closed, Connection
from gaoler.wire.replies import Progress, Reply


class Conversation:
    """One call. `more` is whether its caller wants replies before the last one."""

    def __init__(self, connection: Connection, caller: Caller, more: bool) -> None:
        self.caller = caller
        self.descriptors: tuple[int, ...] = ()
        """What goes with the last reply; whoever sends that closes them."""
        self.about = ""
        """Whose machine, or what else, it is about, once that is known: `alice/web`."""
        self._connection = connection
        self._more = more

    @property
    def streams(self) -> bool:
        """Whether replies before the last one reach the caller."""
        return self._more

    def tell(self, reply: Reply, descriptors: tuple[int, ...] = ()) -> None:
        """Send a reply before the last one. Raises Closed when the caller has gone."""
        if self._more:
            self._connection.send({"parameters": reply.parameters(), "continues": True}, descriptors)

    def report(self, at: progress.Progress) -> None:
        """Like `tell`, for work that goes on whether somebody looks or not."""
        try:
            self.tell(Progress(step=at.step, done=at.done, total=at.total, unit=at.unit))
        except (Closed, OSError):
            self._more = False

    def attach(self, descriptors: tuple[int, ...]) -> None:
        """Give the caller these with the last reply. They are closed here afterwards, or when there is an error instead."""
        self.descriptors += descriptors

    def present(self, timeout: float | None = 0) -> bool:
        """Whether the caller still holds their side of the connection; wait up to `timeout` seconds for them to leave."""
        poller = select.poll()
        poller.register(self._connection.sock, select.POLLRDHUP)
        return not poller.poll(None if timeout is None else timeout * 1000)
