"""PAM's whole conversation (pam_conv(3)), by ctypes on Linux-PAM's own library, which every Debian has."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["secret", "text", "info", "error"]
_KINDS: dict[int, Kind] = {1: "secret", 2: "text", 3: "error", 4: "info"}  # PAM_PROMPT_ECHO_OFF and so on, pam_appl.h
_SUCCESS, _NEW_TOKEN, _CONVERSATION_FAILED, _BUFFER = 0, 12, 19, 5
_RHOST, _RUSER, _TTY = 4, 8, 3
_CHANGE_EXPIRED = 0x20
_ESTABLISH = 2
_MESSAGES = 32  # PAM_MAX_NUM_MSG
_LONGEST = 512  # PAM_MAX_MSG_SIZE and PAM_MAX_RESP_SIZE


@dataclass(frozen=True)
class Prompt:
    """What PAM says or asks: `secret` and `text` want an answer."""

    kind: Kind
    text: str

    @property
    def wants_answer(self) -> bool:
        return self.kind in ("secret", "text")


Converse = Callable[[Sequence[Prompt]], Sequence[str]]
"""Shows prompts and returns an answer for each that wants one. May raise: the login has failed then."""


class Refused(Exception):
    """PAM says no; the text is its own."""

    def __init__(self, text: str, *, known: bool) -> None:
        super().__init__(text)
        self.known = known
        """Whether who asks has shown who they are: only then are they told why."""


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.POINTER(_Response)),
    ctypes.c_void_p,
)


class _Conversation(ctypes.Structure):
    _fields_ = (("callback", _Callback), ("data", ctypes.c_void_p))


def authenticate(service: str, user: str, remote: str, converse: Converse) -> str:
    """The account that PAM lets in, which modules may have renamed. Raises Refused.

    Asks for a new password where the old one has expired; takes credentials. `remote` is the address it comes from.
    """
    if not user or "\0" in user:
        raise Refused("not a login", known=False)
    pam = _library()
    handle = ctypes.c_void_p()
    callback = _Callback(_answering(converse))
    conversation = _Conversation(callback, None)
    if pam.pam_start(service.encode(), user.encode(), ctypes.byref(conversation), ctypes.byref(handle)):
        raise Refused("PAM does not start", known=False)
    code = _SUCCESS
    try:
        for item, value in ((_RHOST, remote), (_RUSER, user), (_TTY, "gaoler-web")):
            pam.pam_set_item(handle, item, value.encode())
        code = pam.pam_authenticate(handle, 0)
        _must(pam, handle, code, known=False)
        code = pam.pam_acct_mgmt(handle, 0)
        if code == _NEW_TOKEN:
            code = pam.pam_chauthtok(handle, _CHANGE_EXPIRED)
        _must(pam, handle, code, known=True)
        code = pam.pam_setcred(handle, _ESTABLISH)
        _must(pam, handle, code, known=True)
        name = ctypes.c_char_p()
        pam.pam_get_item(handle, 2, ctypes.byref(name))
        return (name.value or b"").decode(errors="replace")
    finally:
        pam.pam_end(handle, code)


def _must(pam: Any, handle: ctypes.c_void_p, code: int, *, known: bool) -> None:
    if code != _SUCCESS:
        raise Refused(pam.pam_strerror(handle, code).decode(errors="replace"), known=known)


def _library() -> Any:
    pam = ctypes.CDLL("libpam.so.0")
    pam.pam_strerror.restype = ctypes.c_char_p
    for function in (pam.pam_authenticate, pam.pam_acct_mgmt, pam.pam_chauthtok, pam.pam_setcred, pam.pam_end, pam.pam_strerror):
        function.argtypes = (ctypes.c_void_p, ctypes.c_int)
    pam.pam_start.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
    pam.pam_set_item.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)
    pam.pam_get_item.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    return pam


def _answering(converse: Converse) -> Callable[..., int]:
    libc = ctypes.CDLL(None)
    libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
    libc.calloc.argtypes = (ctypes.c_size_t, ctypes.c_size_t)

    def callback(count: int, messages: Any, responses: Any, _: Any) -> int:
        if not 0 < count <= _MESSAGES:
            return _CONVERSATION_FAILED
        said = [messages[index].contents for index in range(count)]
        prompts = [Prompt(_KINDS.get(one.style, "info"), (one.text or b"").decode(errors="replace")) for one in said]
        try:
            answers = list(converse(prompts))
        except Exception:  # it came through C: there is nowhere else for it to go
            return _CONVERSATION_FAILED
        if len(answers) != sum(prompt.wants_answer for prompt in prompts):
            return _CONVERSATION_FAILED
        encoded = [answer.encode() for answer in answers]
        if any(b"\0" in answer or len(answer) >= _LONGEST for answer in encoded):
            return _CONVERSATION_FAILED
        # The library frees this, with each text in it.
        room = libc.calloc(count, ctypes.sizeof(_Response))
        if not room:
            return _BUFFER
        filled = ctypes.cast(room, ctypes.POINTER(_Response))
        for index, prompt in enumerate(prompts):
            if prompt.wants_answer:
                filled[index].text = libc.strdup(ctypes.c_char_p(encoded.pop(0)))
        responses[0] = filled
        return _SUCCESS

    return callback
