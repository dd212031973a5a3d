"""The network that httpcore sees: one connection for one hop, to a checked address.

- `Connector.connect_tcp` resolves the host, checks every address, and connects to one of these addresses as a number.
  It resolves nothing a second time, so no name server can change its answer in between. TLS still proves the name.
- `Stream` counts the bytes that come in before anything reads them, so that no answer is endless.

Only the first request imports this module, since httpcore is an extra.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self

import httpcore

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http.addresses import Address
from judicia_notebook.host.http.transfer import Transfer
from judicia_notebook.host.http.urls import Url

_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)
_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
_FRAMES: Final = 64 << 10
"""Bytes that chunks' sizes, trailers and the like may take beyond twice the body's."""


class Connector(httpcore.NetworkBackend):
    """Where a hop's connection comes from.

    Parameters
    ----------
    transfer : Transfer
    url : Url
    find : callable
        ``find(host, port)``: the addresses of a host.

    Attributes
    ----------
    address : Address or None
        What was connected to.
    stream : Stream or None
        The connection, also while it is being made.
    """

    def __init__(self, transfer: Transfer, url: Url, find: Callable[[str, int], list[Address]]) -> None:
        self._transfer = transfer
        self._url = url
        self._find = find
        self.address: Address | None = None
        self.stream: Stream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # time is the transfer's
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Resolve, check and connect."""
        url = self._url
        addresses = [url.address] if url.address is not None else self._find(host, port)
        for address in addresses:  # one denied address denies all: a name for both means to deceive
            self._transfer.admit(url, address)
        for address in addresses:
            self._transfer.go_on()
            self.address = address
            try:
                self.stream = Stream(self._transfer, address)
            except OSError:  # a system without IPv6, or out of descriptors
                continue
            if self.stream.connect(address, port):
                return self.stream
            self.stream.close()
        raise ServiceError("failed", "no connection to the server could be made")

    def close(self) -> None:
        """Leave nothing open."""
        if self.stream is not None:
            self.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream(httpcore.NetworkStream):
    """A connection that waits only as long as its transfer may, and that a cancel shuts at once."""

    def __init__(self, transfer: Transfer, address: Address) -> None:
        self._transfer = transfer
        self._lock = threading.RLock()  # re-entrant: a signal handler may cancel while its own thread is inside
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._came = 0
        self._most = transfer.limits.answer_header_bytes
        self._forget = transfer.on_cancel(self._shut)

    def connect(self, address: Address, port: int) -> bool:
        """Whether a connection could be made."""
        until = time.monotonic() + self._transfer.limits.connect_time
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.connect((str(address), port))
        except BlockingIOError:
            if not self._wait(_WRITE, until):
                return False
        except OSError:
            return False
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Let the server prove who it is, and encrypt from here on."""
        try:
            with self._lock:
                self._socket = ssl_context.wrap_socket(
                    self._socket,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                    server_hostname=server_hostname,
                )
            self._exchange(self._socket.do_handshake, _READ)
        except ssl.SSLCertVerificationError:
            raise ServiceError("failed", "the server's certificate does not prove that it is this host") from None
        except (OSError, ValueError):
            raise ServiceError("failed", "no encrypted connection to the server could be made") from None
        return self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """The next bytes; none at the end."""
        room = self._most - self._came
        if room <= 0:
            text = f"the answer is longer than the limits on answers allow: {self._most} bytes"
            raise ServiceError("quota_exceeded", text)
        try:
            data: bytes = self._exchange(lambda: self._socket.recv(min(max_bytes, room)), _READ)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None
        self._came += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send all of it."""
        rest = memoryview(buffer)
        try:
            while rest:
                rest = rest[self._exchange(partial(self._socket.send, rest[: 64 << 10]), _WRITE) :]
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    def headers_came(self) -> None:
        """From here on the body's bytes count: twice their limit, for the encoding they are wrapped in."""
        self._most = self._came + 2 * self._transfer.limits.answer_bytes + _FRAMES

    def close(self) -> None:
        self._forget()
        with self._lock:
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        return self._socket if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket) else None

    def _shut(self) -> None:
        """End the connection from another thread: the thread that waits for it wakes, and the server sees the end."""
        with self._lock, suppress(OSError):
            # An SSL socket's own `shutdown` would drop the TLS state under a thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _exchange(self, step: Callable[[], Any], event: int) -> Any:
        """Do a step as soon as the socket is ready for it."""
        while True:
            self._transfer.go_on()
            try:
                return step()
            except ssl.SSLWantReadError:
                wanted = _READ
            except ssl.SSLWantWriteError:
                wanted = _WRITE
            except BlockingIOError:
                wanted = event
            self._wait(wanted, float("inf"))

    def _wait(self, event: int, until: float) -> bool:
        """Wait until the socket is ready; False when that moment came first."""
        with _Selector() as selector:
            selector.register(self._socket, event)
            while not selector.select(self._transfer.slice(until)):
                self._transfer.go_on()
                if time.monotonic() >= until:
                    return False
        self._transfer.go_on()
        return True
