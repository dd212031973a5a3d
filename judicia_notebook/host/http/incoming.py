"""Requests to plugins: the call of `on_http_request`, and a plain answer where no plugin has one.

A request is a call of the plugin like any other: it waits its turn, has the plugin's quotas and leaves a row with the
origin ``http``. Revoking ``register_routes`` cancels it. The client learns a status and a sentence. The user reads the
error in `Response.error` and the call's row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from judicia_notebook.errors import (
    AbiViolation,
    Cancelled,
    JudiciaError,
    PluginNotReady,
    QuotaExceeded,
    ResourceExhausted,
)
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http import messages, paths, routes
from judicia_notebook.host.http.limits import HttpLimits
from judicia_notebook.host.http.messages import Response, refusal
from judicia_notebook.host.http.paths import BadPath
from judicia_notebook.host.http.routes import HOOK, METHODS, Match, NoMatch, Routes
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.records.recorder import Recorder

TOO_LONG: Final = "the request took too long"
REVOKED: Final = "register_routes was revoked"


class RegisterRoute(msgspec.Struct, forbid_unknown_fields=True):
    """A route that a plugin wants to answer."""

    method: str
    path: str


class OpenRequest:
    """A request that a plugin works on; `stop` ends that, from any thread."""

    def __init__(self) -> None:
        self.why = ""
        self._cancel: Callable[[str], None] | None = None

    def begun(self, cancel: Callable[[str], None]) -> None:
        """Take the function that cancels the call."""
        self._cancel = cancel
        if self.why:  # a stop that came before this line found nothing to cancel
            cancel(self.why)

    def stop(self, why: str) -> None:
        """End it, also if it has not begun."""
        self.why = self.why or why
        if self._cancel is not None:
            self._cancel(self.why)


class Incoming:
    """Requests to one runtime's plugins.

    Attributes
    ----------
    limits : HttpLimits
    routes : Routes
    """

    def __init__(self) -> None:
        self.limits = HttpLimits()
        self.routes = Routes(self._policy_changed)
        self._deliver: Deliver | None = None
        self._lock = threading.Lock()
        self._running: dict[OpenRequest, tuple[Match, str]] = {}

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Take what a runtime gives: where to write down, and how to call a plugin's hook."""
        self.routes.connect(recorder)
        self._deliver = deliver

    def register_route(self, scope: CallScope, request: RegisterRoute) -> dict[str, Any]:
        """Have requests handed to a plugin that runs, until it is unloaded or its code exchanged."""
        if not request.method:
            raise ServiceError("bad_request", f"field `method`: one of {', '.join(METHODS)}")
        try:
            route = routes.parse(scope.plugin, request.method, request.path, "plugin")
        except BadPath as error:
            raise ServiceError("bad_request", str(error)) from None
        path = route.path or "/"
        if not paths.may(scope.policy.state, scope.plugin, path):
            text = f"judicia:http register_route of {path} needs the capability register_routes={path}"
            raise ServiceError("capability_denied", text, scope=paths.written(path))
        self.routes.add(scope.plugin, scope.policy, route, self.limits.routes, scope.call_id)
        return {}

    def handle(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        open_request: OpenRequest | None = None,
    ) -> Response:
        """Answer a request, on this thread.

        Parameters
        ----------
        method, target : str
            The target is a path, with the query if there is one, as in a URL.
        headers : iterable of pairs
        body : bytes
        open_request : OpenRequest, optional
            The request as another thread may end it.
        """
        limits = self.limits
        given = list(headers)
        if (refused := check_size(target, given, limits)) is not None:
            return refused
        if len(body) > limits.served_body_bytes:
            return refusal(413, f"A body has at most {limits.served_body_bytes} bytes here.")
        written, _, query = target.partition("?")
        try:
            path, fields = paths.read(written), paths.read_query(query)
        except BadPath as error:
            return refusal(400, f"The address is not taken here: {error}.")
        found = self.routes.find(method, path)
        if isinstance(found, NoMatch):
            return _nobody(found, path, query)
        inner = "GET" if method == "HEAD" and found.route.method == "GET" else method
        payload = messages.payload(inner, path, fields, messages.passed_on(given), body)
        response = self._ask(found, path, payload, open_request or OpenRequest())
        return Response(response.status, response.headers, b"", response.error) if method == "HEAD" else response

    def _ask(self, found: Match, path: str, payload: bytes, open_request: OpenRequest) -> Response:
        """Have the plugin answer."""
        if self._deliver is None:
            raise RuntimeError("these routes belong to no runtime")
        limits = self.limits
        with self._lock:
            self._running[open_request] = (found, path)
        try:
            response: Response = self._deliver(
                found.plugin,
                HOOK,
                payload,
                origin="http",
                parent_call_id=0,
                begun=lambda cancel: self._begun(open_request, found, path, cancel),
                read=lambda scope, raw: messages.answered(scope.read_json, raw, path, limits),
            )
        except JudiciaError as error:
            return _failed(error, open_request)
        finally:
            with self._lock:
                self._running.pop(open_request, None)
        if not self.routes.still(found, path):  # the revoke came while the plugin answered: the answer may not go out
            return refusal(503, "The plugin that answers here may not do so at present.")
        return response

    def _begun(self, open_request: OpenRequest, found: Match, path: str, cancel: Callable[[str], None]) -> None:
        open_request.begun(cancel)
        if not self.routes.still(found, path):  # a revoke that came before this line found nothing to cancel
            open_request.stop(REVOKED)

    def _policy_changed(self, name: str) -> None:
        with self._lock:
            running = [
                (open_request, *what) for open_request, what in self._running.items() if what[0].plugin.name == name
            ]
        for open_request, found, path in running:
            if not self.routes.still(found, path):
                open_request.stop(REVOKED)


def check_size(target: str, headers: list[tuple[str, str]], limits: HttpLimits) -> Response | None:
    """A refusal, if the head of a request is too large."""
    if len(target) > limits.served_url_bytes:
        return refusal(414, f"An address has at most {limits.served_url_bytes} bytes here.")
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > limits.served_headers or size > limits.served_header_bytes:
        return refusal(431, "The headers are more than is taken here.")
    return None


def pairs(headers: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Headers that Python code gives, as they would come over a wire.

    Examples
    --------
    >>> pairs({"Accept": "text/html"})
    [('Accept', 'text/html')]
    """
    return [(str(name), printable(str(value), 1 << 20)) for name, value in (headers or {}).items()]


def _nobody(found: NoMatch, path: str, query: str) -> Response:
    """The answer where no plugin has a route."""
    match found.status:
        case 308:
            again = quote(query, safe="%/?:@!$&'()*+,;=[]~")
            location = messages.relative(path, f"{paths.written(found.elsewhere)}{'?' if query else ''}{again}")
            return refusal(308, "This page's address ends with a slash.", location=location)
        case 405:
            return refusal(405, f"Only {', '.join(found.methods)} is answered here.", allow=", ".join(found.methods))
        case 503:
            return refusal(503, "The plugin that answers here may not do so at present.")
        case _:
            return refusal(404, "No plugin answers here.")


def _failed(error: JudiciaError, open_request: OpenRequest) -> Response:
    """The answer where a plugin gave none: a status and a sentence, without the error's details."""
    match error:
        case Cancelled() if open_request.why == TOO_LONG:
            return refusal(504, "The plugin took too long.", error=error)
        case QuotaExceeded() if error.quota in ("cpu", "wall"):
            return refusal(504, "The plugin took too long.", error=error)
        case Cancelled() | PluginNotReady() | ResourceExhausted():
            return refusal(503, "The plugin cannot answer at present.", error=error, retry_after="1")
        case AbiViolation():
            return refusal(502, "The plugin gave no proper answer.", error=error)
        case _:
            return refusal(500, "The plugin failed.", error=error)
