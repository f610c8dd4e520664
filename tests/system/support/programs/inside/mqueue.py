"""A message through a POSIX queue, which stays behind under its name."""

import ctypes
import os

rt = ctypes.CDLL("librt.so.1", use_errno=True)
queue = rt.mq_open(b"/gaoler", os.O_CREAT | os.O_RDWR, 0o600, None)
assert queue >= 0, os.strerror(ctypes.get_errno())
assert rt.mq_send(queue, b"hello", 5, 1) == 0
message = ctypes.create_string_buffer(8192)
assert rt.mq_receive(queue, message, len(message), None) == 5, os.strerror(ctypes.get_errno())
assert message.value == b"hello"
