"""``judicia:http``: plugins' requests to servers, and requests to plugins.

- `outgoing`: the operation ``request``, with `urls`, `addresses`, `headers`, `transfer`, `backend` and `decoding`.
- `incoming`: requests to plugins, with `routes`, `paths` and `messages`; `server` for browsers, with `hub`.
- `limits`: what a request may take.

The first use imports the packages beyond the core.
"""

from __future__ import annotations

import importlib.util
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from judicia_notebook.engine import safety
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import PolicyError, ResourceExhausted, stays_in_process
from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.host.http import hub
from judicia_notebook.host.http.addresses import Address
from judicia_notebook.host.http.hub import Server
from judicia_notebook.host.http.incoming import Incoming, RegisterRoute, pairs
from judicia_notebook.host.http.limits import KINDS, HttpLimits
from judicia_notebook.host.http.messages import Response
from judicia_notebook.host.http.outgoing import Outgoing, Request, target
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin
    from judicia_notebook.records.recorder import Recorder

__all__ = ["HttpLimits", "HttpService", "Response", "Server"]


@stays_in_process("Its frames can be.")
class HttpService:
    """``judicia:http`` of one runtime, and ``rt.host.http`` of the notebook."""

    module = "judicia:http"
    limit_kinds = KINDS
    """What each of `limits` counts, its unit and its default."""

    def __init__(self) -> None:
        self._outgoing = Outgoing()
        self._incoming = Incoming()
        self._server: Server | None = None
        self._lock = threading.Lock()
        self._closed = False

    def operations(self) -> Iterable[Operation]:
        yield Operation("request", self._outgoing.request, capability="network_access", request=Request, target=target)
        yield Operation(
            "register_route",
            self._incoming.register_route,
            capability="register_routes",
            request=RegisterRoute,
            target=lambda request: printable(f"{request.method} {request.path}", 200),
        )

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Take the runtime's recorder, and its way to call a plugin's hook."""
        self._incoming.connect(recorder, deliver)

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """A plugin was loaded, or its code exchanged."""
        self._incoming.routes.plugin_loaded(plugin)

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """A plugin is being unloaded."""
        self._incoming.routes.plugin_unloaded(plugin)

    def end(self) -> None:
        """Take no more requests."""
        with deferred(), self._lock:  # a traced thread can be interrupted between a lock and its block
            self._closed = True
            server = self._server
        if server is not None:
            server.close()

    def close(self) -> None:
        """Let go of threads."""
        self.end()
        self._outgoing.close()

    # Requests to plugins --------------------------------------------------------------------------------------------

    def handle(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | str = b""
    ) -> Response:
        """Have a plugin answer a request, without a server.

        Parameters
        ----------
        method : str
            GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
        path : str
            As in a URL, with the query if there is one: ``"/scoreboard/?contest=autumn"``.
        headers : mapping, optional
            Cookies, authorization and all other headers that a plugin does not get are left out.
        body : bytes or str, optional

        Returns
        -------
        Response
            Also where no plugin answers (404) or the plugin failed; `Response.error` says why.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.host.http.handle("GET", "/nobody/").status
        404
        """
        safety.check_process()
        data = body.encode() if isinstance(body, str) else bytes(body)
        return self._incoming.handle(method.upper(), path, pairs(headers), data)

    def serve(self, port: int = 0) -> Server:
        """Let programs and browsers on this machine ask plugins. A server that runs already is returned again.

        Parameters
        ----------
        port : int
            Of 127.0.0.1; 0 takes one that is free.

        Raises
        ------
        ResourceExhausted
            The port is taken, packages are missing, or the runtime is closed.
        PolicyError
            It runs at another port, or this is none.
        """
        safety.check_process()
        if port not in range(65536):
            raise PolicyError(f"port is a number from 0 to 65535, not {port!r}.")
        missing = [name for name in ("uvicorn", "starlette", "h11") if importlib.util.find_spec(name) is None]
        if missing:
            hint = "python -m pip install 'judicia-notebook[http]'"
            raise ResourceExhausted(f"A server needs {' and '.join(missing)}, not installed here.", hint=hint)
        from judicia_notebook.host.http.server import Listener

        with self._lock:
            if self._closed:
                raise ResourceExhausted("This runtime is closed.", hint="rt = jn.Runtime() starts another.")
            server = self._server
            if server is not None and server.is_open:
                if port not in (0, server.port):
                    raise PolicyError(
                        f"Plugins are served at port {server.port} already; close that first.",
                        hint="To close it:  rt.host.http.serve().close()",
                    )
                return server
            self._server = Server(Listener(self._incoming, port, hub.proxy_path()), self._incoming.routes.pages)
            return self._server

    @property
    def routes(self) -> pd.DataFrame:
        """One row a route: its plugin, its origin (``manifest`` or ``plugin``), and whether it is granted now."""
        return self._incoming.routes.frame()

    # Requests of plugins --------------------------------------------------------------------------------------------

    @KINDS.in_force
    def limits(self) -> HttpLimits:
        """The limits of requests, from plugins and to plugins; `set_limits` changes them."""
        return self._outgoing.limits

    def set_limits(self, **kinds: float | str) -> None:
        """Change limits, from the next request on; what is not named stays. Sizes may be text such as ``"1MiB"``.

        ``served_connections`` and ``served_at_once`` hold from the next `serve` on.

        Raises
        ------
        PolicyError
            An unknown kind or a bad value; nothing is changed then.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.host.http.set_limits(answer_bytes="1MiB", request_time="5s")
        ...     rt.host.http.limits.answer_bytes
        1048576
        """
        self._outgoing.limits = self._incoming.limits = KINDS.changed(self._outgoing.limits, kinds)

    def use(
        self, *, resolve: Callable[[str, int], list[Address]] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Ask other name servers, or believe other certificates, than is usual; what is not named stays.

        Whatever addresses `resolve(host, port)` names, those that are not public stay out of reach.

        Parameters
        ----------
        resolve : callable, optional
            Answers ``ipaddress`` objects, or raises OSError.
        tls : ssl.SSLContext, optional
            For a certificate authority of your own, ``ssl.create_default_context(cafile=...)``.
        """
        if resolve is not None:
            self._outgoing.resolve = resolve
        if tls is not None:
            self._outgoing.tls = tls
