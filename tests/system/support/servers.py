"""Servers of the tests' own, for machines to talk to: one that tells who asks, and a forward proxy for apt."""

from __future__ import annotations

import http.server
import select
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class WhoAsks(_Quiet):
    """Answers with the address that it sees its client at."""

    def do_GET(self) -> None:
        self.answer(200, self.client_address[0].removeprefix("::ffff:").encode())


class Proxy(_Quiet):
    """Fetches what a machine's apt asks for, the way the host's own apt would."""

    _KEPT = ("Content-Type", "Last-Modified", "ETag", "Content-Range", "Accept-Ranges")

    def do_GET(self) -> None:
        wanted = {name: value for name, value in self.headers.items() if name in ("Range", "If-Modified-Since", "If-Range")}
        try:
            with _opener().open(urllib.request.Request(self.path, headers=wanted), timeout=60) as reply:
                headers = {name: reply.headers[name] for name in self._KEPT if reply.headers[name]}
                self.answer(reply.status, reply.read(), headers)
        except urllib.error.HTTPError as error:
            self.answer(error.code, b"")
        except OSError as error:
            self.answer(502, str(error).encode())

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), 60) as upstream:
            self.send_response(200)
            self.end_headers()
            _relay(self.connection, upstream)
        self.close_connection = True


def _opener() -> urllib.request.OpenerDirector:
    shell = ["apt-config", "shell", "proxy", "Acquire::http::Proxy"]
    proxy = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.strip()
    proxies = {"http": proxy.partition("=")[2].strip("'")} if proxy else {}
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies or None))


def _relay(one: socket.socket, other: socket.socket) -> None:
    ends = {one: other, other: one}
    while True:
        for end in select.select(list(ends), [], [])[0]:
            data = end.recv(65536)
            if not data:
                return
            ends[end].sendall(data)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def serving(listener: socket.socket, handler: type[_Quiet]) -> Iterator[None]:
    """Answer on a socket that listens already, in whatever network namespace it was made."""
    server = _Server(listener.getsockname()[:2], handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
