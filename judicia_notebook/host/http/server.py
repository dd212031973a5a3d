"""A web server for plugins, on loopback: it hands the requests of programs and browsers to `Incoming`.

How it works:

- uvicorn runs on a thread of its own. A few worker threads answer the requests. The loop only reads, waits and writes,
  so a slow plugin does not delay other clients.
- One connection carries one request. The server reads nothing behind it, so no second request can be smuggled in.
- `_Connection` ends connections that take too long: their head trickles in, or their client does not fetch the answer.
- The server refuses requests that name another host than this machine. Otherwise a site whose name leads here could
  reach it through the browser. Only programs may change things: a page may only send GET and HEAD.
- Every answer is sandboxed (`_FENCE`). Its page belongs to no site, so it has no site's cookies, and it may load only
  files beside it. Cookies ignore ports: without the sandbox, a page would have Jupyter's.

Only the first `serve` imports this module, since the packages it needs are an extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as Sent
from uvicorn import Config
from uvicorn import Server as Uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from judicia_notebook.engine import interrupts
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.host.http.incoming import TOO_LONG, Incoming, OpenRequest, check_size
from judicia_notebook.host.http.messages import Response, refusal
from judicia_notebook.host.http.routes import METHODS

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEAD_SECONDS: Final = 10.0
"""Until a request's line and headers are there."""

FETCH_SECONDS: Final = 20.0
"""Until an answer is fetched."""

START_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 10.0
_LINGER_SECONDS: Final = 2.0
_HERE = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}(?::[0-9]{1,5})?")

_FENCE: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "x-dns-prefetch-control": "off",
    "connection": "close",
}
_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'{beside}; style-src 'unsafe-inline'{beside}; "
    "img-src data:{beside}; font-src data:{beside}; media-src data:{beside}; connect-src 'none'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; webrtc 'block'"
)

_log = logging.getLogger(__name__)
_silent = logging.getLogger(f"{__name__}.connections")  # otherwise any client could fill the log
_silent.setLevel(logging.CRITICAL + 1)


def policy(host: str, path: str, port: int) -> str:
    """The Content-Security-Policy of an answer: a sandbox, and the plugin's own prefix to load from.

    Where the request came through a proxy, such as Jupyter's, the files beside the page have the proxy's address. Then
    the page may load nothing.

    Examples
    --------
    >>> policy("127.0.0.1:8000", "/scoreboard/", 8000).split("; ")[2]
    "script-src 'unsafe-inline' http://127.0.0.1:8000/scoreboard/"
    """
    here = _HERE.fullmatch(host)
    if here is None or here[1] != str(port) or not path.startswith("/") or "%" in path:
        return _POLICY.format(beside="")
    first = quote(path[1:].partition("/")[0], safe="")
    return _POLICY.format(beside=f" http://{host.lower()}/{first}{'/' if first else ''}")


class Listener:
    """A server that runs. `HttpService.serve` makes them, and the user gets a `Server`.

    Parameters
    ----------
    incoming : Incoming
    port : int
        Any that is free, if 0.
    behind : str
        The path at which Jupyter's proxy has this port, but for the port; empty where there is none.

    Raises
    ------
    ResourceExhausted
        The port is taken, or the system gives no thread.
    """

    def __init__(self, incoming: Incoming, port: int, behind: str) -> None:
        self._incoming = incoming
        self._limits = incoming.limits  # those of the connections; the others are looked up for each request
        self._workers = Workers("judicia-http", max(1, self._limits.served_at_once))
        self._open_requests: set[OpenRequest] = set()
        self._statuses: Counter[int] = Counter()
        self._closing = False
        try:
            self._socket = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            text = f"The server cannot listen on port {port}: {error.strerror}."
            raise ResourceExhausted(text, hint="port=0 takes a free port.") from None
        self.port = int(self._socket.getsockname()[1])
        self.behind = f"{behind}{self.port}" if behind else ""
        self._started = threading.Event()
        self._uvicorn = _Uvicorn(self._config(), self._started)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="judicia-http-server", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._socket.close()
            raise ResourceExhausted(f"The system gives no thread for a server: {error}.") from None
        try:
            if not self._starts():
                raise ResourceExhausted("The server did not start.", hint="The log may say why; another try may help.")
        except BaseException:
            self.close()
            self._socket.close()
            raise

    def _starts(self) -> bool:
        """Whether it takes requests soon."""
        until = monotonic() + START_SECONDS
        while not interrupts.wait_until(self._started.wait, 0.05) and self._thread.is_alive() and monotonic() < until:
            pass
        return self._started.is_set() and self._thread.is_alive()

    def _config(self) -> Config:
        limits = self._limits
        return Config(
            self._app,  # and no routing of Starlette's, which would itself answer a path it does not know
            interface="asgi3",
            loop="asyncio",
            http=_connections(limits.served_connections, limits.served_time),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=limits.served_url_bytes + 2 * limits.served_header_bytes + 4096,
        )

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._uvicorn.serve(sockets=[self._socket]))
        except BaseException:
            _log.exception("the server for plugins ended; rt.host.http.serve() starts another")
        finally:
            self._socket.close()
            self._started.set()
            self._workers.close()

    @property
    def is_open(self) -> bool:
        """Whether it takes requests."""
        return self._thread.is_alive() and not self._closing

    @property
    def statuses(self) -> dict[int, int]:
        """How many answers it gave, by their status."""
        return dict(sorted(self._statuses.items()))

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Take no more requests, end those there are, and wait for the thread."""
        self._closing = True
        for open_request in tuple(self._open_requests):
            open_request.stop("the server was closed")
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._uvicorn.leave)
        self._workers.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    # A request, on the loop's thread ----------------------------------------------------------------------------------

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        deadline = asyncio.get_running_loop().time() + self._incoming.limits.served_time
        try:
            response = await self._answer(request, deadline)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("a request to a plugin could not be answered")
            response = refusal(500, "This server failed.")
        self._statuses[response.status] += 1
        await self._fenced(request, response)(scope, receive, send)

    async def _answer(self, request: Request, deadline: float) -> Response:
        given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        target = _target(request)
        refused = check_size(target, given, self._incoming.limits) or self._turned_away(request)
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout_at(deadline):
                body = await self._body(request)
        except TimeoutError:
            return refusal(408, "The request came too slowly.")
        if isinstance(body, Response):
            return body
        return await self._handed_over(request, given, body, deadline)

    def _turned_away(self, request: Request) -> Response | None:
        """A refusal, if the request is for another server, or a page sent it that may not."""
        headers = request.headers
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_host(hosts[0], headers.get("x-proxycontextpath", "")):
            return refusal(421, "This server answers for this machine only.")
        if "transfer-encoding" in headers and "content-length" in headers:  # how requests are smuggled past proxies
            return refusal(400, "A body has one length.")
        if request.method not in METHODS:
            return refusal(405, f"Only {', '.join(METHODS)} are known here.", allow=", ".join(METHODS))
        safe = request.method in ("GET", "HEAD")
        # Browsers add these headers to what a page sends; programs such as curl do not.
        if not safe and ("origin" in headers or headers.get("sec-fetch-site", "none") != "none"):
            return refusal(403, "Pages may only read here.")
        return None

    def _is_host(self, host: str, came_by: str) -> bool:
        """Whether a host is this machine's, or the request came through Jupyter's proxy, which has checked the user."""
        if _HERE.fullmatch(host):
            return True
        return bool(self.behind) and came_by == self.behind and _HOST.fullmatch(host) is not None

    async def _body(self, request: Request) -> bytes | Response:
        """The body, or a refusal once it is too large. It reads on a little, so that the client gets the refusal."""
        most = self._incoming.limits.served_body_bytes
        too_large = refusal(413, f"A body has at most {most} bytes here.")
        length = request.headers.get("content-length", "0")
        # 20 digits are enough to compare, and `int` refuses thousands of them.
        if length.isdecimal() and int(length[:20]) > most and "expect" in request.headers:
            return too_large
        body, more = bytearray(), True
        while more and len(body) <= most:
            chunk, more = await _read(request)
            body += chunk
        if len(body) <= most:
            return bytes(body)
        size = len(body)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while more and size < 4 * most:
                    chunk, more = await _read(request)
                    size += len(chunk)
        return too_large

    async def _handed_over(
        self, request: Request, given: list[tuple[str, str]], body: bytes, deadline: float
    ) -> Response:
        """Have it answered on another thread. The call ends when time is up or the client has left."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Response] = loop.create_future()
        open_request = OpenRequest()
        answer = partial(self._incoming.handle, request.method, _target(request), given, body, open_request)

        def tell(outcome: Response | BaseException) -> None:
            loop.call_soon_threadsafe(_settle, done, outcome)

        self._open_requests.add(open_request)
        leaves = asyncio.ensure_future(_left(request))
        try:
            if self._closing:
                open_request.stop("the server was closed")
            self._workers.run(partial(_ask, open_request, answer, tell), partial(_tell, tell))
            waited: set[asyncio.Future[Any]] = {done, leaves}
            await asyncio.wait(waited, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                open_request.stop("the client has left" if leaves.done() else TOO_LONG)
                # The stopped call gets a moment to end, so that its own answer goes out.
                await asyncio.wait({done}, timeout=_LINGER_SECONDS)
            return done.result() if done.done() else refusal(504, "The plugin took too long.")
        except ResourceExhausted:
            return refusal(503, "There is no thread for this request.", retry_after="1")
        finally:
            leaves.cancel()
            self._open_requests.discard(open_request)

    def _fenced(self, request: Request, response: Response) -> Sent:
        """An answer as it goes out."""
        headers = {"cache-control": "no-store", **response.headers, **_FENCE}
        host = request.headers.get("host", "")
        headers["content-security-policy"] = policy(host, _target(request).partition("?")[0], self.port)
        sent = Sent(response.body, response.status)
        sent.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        if response.status not in (204, 304) and request.method != "HEAD":
            sent.raw_headers.append((b"content-length", str(len(response.body)).encode()))
        return sent


def _target(request: Request) -> str:
    """The path and query, as the client wrote them."""
    raw = request.scope.get("raw_path") or b""
    query = request.scope.get("query_string") or b""
    return raw.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")


async def _read(request: Request) -> tuple[bytes, bool]:
    """A piece of the body, and whether there is more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _left(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _ask(
    open_request: OpenRequest, answer: Callable[[], Response], tell: Callable[[Response | BaseException], object]
) -> None:
    """Have a request answered, on the thread this runs on."""
    outcome: Response | BaseException
    try:
        # A client that waited too long for a thread has left by now.
        outcome = refusal(503, "No plugin was free in time.", retry_after="1") if open_request.why else answer()
    except BaseException as error:
        outcome = error
    _tell(tell, outcome)


def _tell(tell: Callable[[Response | BaseException], object], outcome: Response | BaseException) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed
        tell(outcome)


def _settle(done: asyncio.Future[Response], outcome: Response | BaseException) -> None:
    if done.done():
        return
    if isinstance(outcome, Response):
        done.set_result(outcome)
    else:
        done.set_exception(outcome)


class _Uvicorn(Uvicorn):
    """Tells when it has started, and leaves at once."""

    def __init__(self, config: Config, started: threading.Event) -> None:
        super().__init__(config)
        self._has_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._has_started.set()

    def leave(self) -> None:
        """Close every connection, and end."""
        self.should_exit = True
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


class _Connection(H11Protocol):
    """A connection for one request. At most `most` of them are open at once, each for a limited time."""

    most = 0
    seconds = 0.0
    _ends: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.logger = _silent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end_within(HEAD_SECONDS)
        if len(self.connections) > self.most:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ends is not None:
            self._ends.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._end_within(self.seconds + FETCH_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._end_within(FETCH_SECONDS)

    def _end_within(self, allowed: float) -> None:
        if self._ends is not None:
            self._ends.cancel()
        self._ends = self.loop.call_later(allowed, self.transport.abort)


def _connections(most: int, seconds: float) -> type[H11Protocol]:
    """Connections with these bounds."""
    return type("Connection", (_Connection,), {"most": most, "seconds": seconds})
