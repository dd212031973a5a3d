"""``judicia:http request``: one request to a server, hop by hop, without any state of the host's.

How it goes:

- the service checks the request field by field (`urls`, `headers`), and its URL against live grants;
- each hop has one new connection, to an address that was checked just before (`backend`, `addresses`); the service
  keeps no connection, so none outlives a grant or serves two plugins;
- a redirect is a new URL, and is checked from the beginning;
- the answer is bounded on the wire, as headers, packed and unpacked (`decoding`).

There are no cookies, no proxies and no passwords from files, and the environment is not read. Underneath is httpcore,
httpx's own network layer. httpx itself adds redirects, cookies, the environment and unbounded decoding: all of these
would have to be switched off here.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import importlib.util
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http import addresses, headers
from judicia_notebook.host.http.addresses import MOST_ADDRESSES, Address
from judicia_notebook.host.http.decoding import ACCEPTED, Body
from judicia_notebook.host.http.limits import HttpLimits
from judicia_notebook.host.http.transfer import Transfer
from judicia_notebook.host.http.urls import BadUrl, Url, joined, parse
from judicia_notebook.host.offload import Offload
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import httpcore

    from judicia_notebook.host.http.backend import Connector
    from judicia_notebook.host.scope import CallScope

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_WITHOUT_BODY: Final = ("GET", "HEAD")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MISSING: Final = (
    "HTTP needs packages that are not installed here; the user gets them with "
    "python -m pip install 'judicia-notebook[http]'"
)


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """A plugin's request to a server."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: str | msgspec.UnsetType = msgspec.UNSET
    body_base64: str | msgspec.UnsetType = msgspec.UNSET
    timeout_ms: float | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Message:
    """A request that was checked, as it goes to one hop."""

    method: str
    url: Url
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def redirected(self, status: int, url: Url) -> Message:
        """The request that follows a redirect, as browsers have it."""
        method, body, given = self.method, self.body, self.headers
        if (status == 303 and method not in _WITHOUT_BODY) or (status in (301, 302) and method == "POST"):
            method, body, given = "GET", b"", headers.without_body(given)
        if url.origin != self.url.origin:
            given = headers.for_another_origin(given)
        return dataclasses.replace(self, method=method, url=url, headers=given, body=body)


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    location: str | None


class Outgoing:
    """Requests of one runtime's plugins.

    Attributes
    ----------
    limits : HttpLimits
    resolve : callable
        ``resolve(host, port)``: a host's addresses; by default the system's.
    tls : ssl.SSLContext or None
        The certificates to trust; None for the authorities that browsers trust.
    """

    def __init__(self) -> None:
        self.limits = HttpLimits()
        self.resolve: Callable[[str, int], list[Address]] = addresses.resolve
        self.tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._usual_tls: ssl.SSLContext | None = None
        self._offload = Offload("judicia-resolver", "names of hosts", "name servers")

    def close(self) -> None:
        """Let the threads go."""
        self._offload.close()

    def request(self, scope: CallScope, request: Request) -> dict[str, Any]:
        """Ask a server, and follow where it points as far as grants reach."""
        if importlib.util.find_spec("httpcore") is None or importlib.util.find_spec("idna") is None:
            raise ServiceError("failed", _MISSING)
        limits = self.limits
        message = _checked(request, limits)
        transfer = Transfer(scope, limits, _seconds(request, limits))
        answer = self._follow(transfer, message)
        return {"status": answer.status, "headers": answer.headers, **_body(answer.body)}

    def _follow(self, transfer: Transfer, message: Message) -> Answer:
        for _ in range(transfer.limits.redirects + 1):
            answer = self._hop(transfer, message)
            if answer.status not in _REDIRECTS or answer.location is None:
                return answer
            message = message.redirected(answer.status, _next(message, answer.location, transfer))
        raise ServiceError("failed", f"more than {transfer.limits.redirects} redirects")

    def _hop(self, transfer: Transfer, message: Message) -> Answer:
        """One request over one connection."""
        url = message.url
        with transfer.hop(message.method, url):
            import httpcore

            from judicia_notebook.host.http.backend import Connector

            origin = httpcore.Origin(url.scheme.encode(), url.host.encode(), url.port)
            tls = self._context() if url.scheme == "https" else None
            with Connector(transfer, url, lambda host, port: self._find(transfer, host, port)) as connector:
                try:
                    connection = httpcore.HTTPConnection(origin, ssl_context=tls, network_backend=connector)
                    return _answer(transfer, connector, connection.handle_request(_sent(message)), message.method)
                except (httpcore.NetworkError, httpcore.ProtocolError):
                    ended = transfer.check()  # a cancel shuts the connection, too, which is not the server's fault
                    raise ended or ServiceError("failed", "the server broke off, or its answer is not HTTP") from None

    def _find(self, transfer: Transfer, host: str, port: int) -> list[Address]:
        """A host's addresses, looked up on another thread, since a name server may answer late or never."""
        resolve = self.resolve
        try:
            found = self._offload.run(transfer, lambda _: resolve(host, port))
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise ServiceError("failed", "no address is known for this host")
        return found[:MOST_ADDRESSES]

    def _context(self) -> ssl.SSLContext:
        if self.tls is not None:
            return self.tls
        import certifi

        with self._lock:
            if self._usual_tls is None:
                self._usual_tls = ssl.create_default_context(cafile=certifi.where())
            return self._usual_tls


def target(request: Request) -> str:
    """The request's name in the row."""
    return printable(f"{request.method} {request.url}", 200)


def _checked(request: Request, limits: HttpLimits) -> Message:
    if request.method not in METHODS:
        raise ServiceError(
            "bad_request", f"field `method`: one of {', '.join(METHODS)}, not `{printable(request.method, 40)}`"
        )
    size = len(request.url.encode(errors="replace"))
    if size > limits.url_bytes:
        raise ServiceError("quota_exceeded", f"field `url`: {size} bytes; at most {limits.url_bytes}")
    try:
        url = parse(request.url)
    except BadUrl as error:
        raise ServiceError("bad_request", f"field `url`: {error}") from None
    given = headers.checked(request.headers, limits)
    body = _body_of(request)
    if len(body) > limits.body_bytes:
        raise ServiceError("quota_exceeded", f"field `body`: {len(body)} bytes; at most {limits.body_bytes}")
    if body and request.method in _WITHOUT_BODY:
        raise ServiceError("bad_request", f"field `body`: {request.method} has none")
    return Message(request.method, url, given, body)


def _body_of(request: Request) -> bytes:
    if isinstance(request.body, str) and isinstance(request.body_base64, str):
        raise ServiceError("bad_request", "only one of the fields `body` and `body_base64` may be given")
    if isinstance(request.body, str):
        return request.body.encode()
    if not isinstance(request.body_base64, str):
        return b""
    try:
        return base64.b64decode(request.body_base64, validate=True)
    except (binascii.Error, ValueError):
        raise ServiceError("bad_request", "field `body_base64`: this is not base64") from None


def _seconds(request: Request, limits: HttpLimits) -> float:
    if not isinstance(request.timeout_ms, int | float):
        return limits.request_time
    if request.timeout_ms <= 0:
        raise ServiceError("bad_request", f"field `timeout_ms`: more than 0, not {request.timeout_ms:g}")
    return min(limits.request_time, request.timeout_ms / 1000)


def _sent(message: Message) -> httpcore.Request:
    """A request as it is sent, with all its headers."""
    import httpcore

    url = message.url
    own = {"host": url.authority, "accept-encoding": ACCEPTED, "connection": "close"}
    if message.body or message.method not in _WITHOUT_BODY:
        own["content-length"] = str(len(message.body))
    usual = {"user-agent": headers.USER_AGENT, "accept": "*/*"}
    return httpcore.Request(
        message.method.encode(),
        httpcore.URL(
            scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=f"{url.path}{url.query}".encode()
        ),
        headers=[(name.encode(), value.encode()) for name, value in {**usual, **message.headers, **own}.items()],
        content=message.body,
    )


def _answer(transfer: Transfer, connector: Connector, response: httpcore.Response, method: str) -> Answer:
    """Read a server's answer, up to its limits."""
    transfer.noted = f"{response.status} from {connector.address}"
    found = headers.of_answer(response.headers)
    if response.status in _REDIRECTS and "location" in found:  # its body is for clients that do not follow it
        return Answer(response.status, found, b"", _location(response.headers))
    if method == "HEAD":
        return Answer(response.status, found, b"", None)
    if connector.stream is not None:
        connector.stream.headers_came()
    body = Body(found.get("content-encoding", ""), transfer.limits.answer_bytes)
    body.expect(found.get("content-length", ""))
    for data in response.iter_stream():
        for _ in body.add(data):
            transfer.go_on()
        transfer.go_on()
    if body.packed:  # these are about the body as it came
        found = {name: value for name, value in found.items() if name not in ("content-encoding", "content-length")}
    return Answer(response.status, found, body.finish(), None)


def _location(raw: list[tuple[bytes, bytes]]) -> str | None:
    """Where an answer points; nowhere if it points to several places, or not in text."""
    named = {value for name, value in raw if name.lower() == b"location"}
    with contextlib.suppress(UnicodeDecodeError):
        return named.pop().decode() if len(named) == 1 else ""
    return ""


def _next(message: Message, location: str, transfer: Transfer) -> Url:
    """Where a redirect leads."""
    try:
        if not location or len(location) > transfer.limits.url_bytes:
            raise BadUrl("it is empty, too long or no text")
        return joined(message.url, location)
    except BadUrl as error:
        transfer.not_followed(message.method, location, str(error))
        raise ServiceError("failed", "the server redirects to a text that the host does not accept as a URL") from None


def _body(data: bytes) -> dict[str, str]:
    if b"\0" not in data:
        with contextlib.suppress(UnicodeDecodeError):
            return {"body": data.decode()}
    return {"body_base64": base64.b64encode(data).decode()}
