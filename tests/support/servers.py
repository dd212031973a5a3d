"""Web servers on loopback that answer what a test wants, byte by byte, and remember what they were asked."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

from tests.support.waiting import PATIENCE


def free_port() -> int:
    """A port for a server that is given its number.

    The system gives ports above these to whoever asks for any, so that no other test has it by the time the server
    takes it.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A plain answer; `content_type="..."` is the header Content-Type."""
    lines = [
        f"{name.replace('_', '-')}: {value}" for name, value in {"content_length": str(len(body)), **headers}.items()
    ]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return reply(status=f"{status} Elsewhere", location=location)


class Peer:
    """Who asked, as an answer that is written in Python sees it."""

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self._connection = connection
        self.request = request
        self.sent = 0

    def send(self, data: bytes) -> bool:
        """Whether there is still somebody to send to."""
        try:
            self._connection.sendall(data)
        except OSError:
            return False
        self.sent += len(data)
        return True

    def leaves(self) -> bool:
        """Wait until the other side closes the connection; False if it does not."""
        with contextlib.suppress(TimeoutError):
            try:
                return self._connection.recv(1) == b""
            except ConnectionError:
                return True
        return False


class Server:
    """Takes connections on threads of its own until it is closed.

    Parameters
    ----------
    answer : bytes or callable
        What everybody gets, or ``answer(peer)``, which sends it.
    host : str
    tls : ssl.SSLContext, optional
    port : int
        Any that is free, if 0.
    """

    def __init__(
        self,
        answer: bytes | Callable[[Peer], object],
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.host, self.port = self._socket.getsockname()[:2]
        self.requests: list[bytes] = []
        self.peers: list[Peer] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        self._socket.close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(PATIENCE)
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(self._open.discard, connection)
            stack.enter_context(connection)
            if self._tls:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
                connection.settimeout(PATIENCE)
            request = _read(connection)
            if request:
                peer = Peer(connection, request)
                self.peers.append(peer)
                self.requests.append(request)
                if isinstance(self._answer, bytes):
                    peer.send(self._answer)
                else:
                    self._answer(peer)


def _read(connection: socket.socket) -> bytes:
    """A request: its head, and as much after it as it says."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body
