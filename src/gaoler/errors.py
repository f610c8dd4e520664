"""One error type: what happened, why, and what to do about it.

Everything below raises; only the cli turns an error into text and an exit code.
"""

from __future__ import annotations


class GaolerError(Exception):
    """What failed, why, and what to try next.

    `what` is a short statement without a full stop, `why` the cause, `hint` a command or an action that helps.
    `code` is the exit code of the command line's contract.
    """

    code = 1

    def __init__(self, what: str, why: str = "", hint: str = "", code: int | None = None) -> None:
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


class Failed(GaolerError):
    """It was tried, and it did not work."""

    code = 1


class Usage(GaolerError):
    """The request makes no sense as it is written."""

    code = 2


class NotFound(GaolerError):
    """No such machine, base or kernel (or it is somebody else's: the answer is the same)."""

    code = 3


class NotAllowed(GaolerError):
    """The caller may not do that."""

    code = 4


class LimitReached(GaolerError):
    """A limit stands in the way; the error names it and who set it.

    `limit` is its key, for who counts them: never whom it is set for.
    """

    code = 5

    def __init__(self, what: str, why: str = "", hint: str = "", code: int | None = None, *, limit: str = "") -> None:
        super().__init__(what, why, hint, code)
        self.limit = limit


class Unreachable(GaolerError):
    """The daemon does not answer."""

    code = 6


_BY_CODE: dict[int, type[GaolerError]] = {
    kind.code: kind for kind in (Failed, Usage, NotFound, NotAllowed, LimitReached, Unreachable)
}


def with_code(code: int, what: str, why: str = "", hint: str = "") -> GaolerError:
    """The error of that exit code, as it came over the wire."""
    return _BY_CODE.get(code, Failed)(what, why, hint, code)
