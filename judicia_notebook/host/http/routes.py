"""The table of routes: which plugin answers which path, as far as its grants allow at each moment.

A route is ``METHOD /path`` or, for any method, ``/path``. It stands for just that path or, where it ends in ``/*``, for
everything beneath. Routes come from manifests and from ``judicia:http register_route``. A route is a wish: each
request looks up in the plugin's policy whether the plugin may answer, so that a grant or a revoke holds at once.

Where several routes fit, the route of the plugin under whose name the path lies goes first. Then a whole path goes
before an open end, a longer path before a shorter, and an older route before a newer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin, PluginRegistry, Registration
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http import paths
from judicia_notebook.host.http.paths import BadPath
from judicia_notebook.text import printable, with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.records.recorder import Recorder

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HOOK = "on_http_request"
_LONGEST_PATH = 1000

Origin = Literal["manifest", "plugin"]


@dataclass(frozen=True, slots=True)
class Route:
    """A path that a plugin wants to answer.

    Parameters
    ----------
    plugin : str
    method : str
        Empty: any.
    path : str
        In plain text; without the ``/*`` at its end.
    open_end : bool
        Whether the route stands for everything beneath.
    origin : "manifest" or "plugin"
        Where the route comes from.
    """

    plugin: str
    method: str
    path: str
    open_end: bool
    origin: Origin

    def fits(self, path: str) -> bool:
        """Whether the route stands for a plain path."""
        return path.startswith(f"{self.path}/") if self.open_end else path == self.path

    def takes(self, method: str) -> bool:
        """Whether the route stands for a method; a HEAD is answered like a GET, without the body."""
        return self.method in ("", method) or (method == "HEAD" and self.method == "GET")

    @property
    def pattern(self) -> str:
        """The path as the plugin wrote it."""
        return f"{self.path}/*" if self.open_end else self.path

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}".lstrip()


def parse(plugin: str, method: str, path: str, origin: Origin) -> Route:
    """Read a route.

    Raises
    ------
    BadPath
        The text names the field.
    """
    if method and method not in METHODS:
        raise BadPath(f"field `method`: one of {', '.join(METHODS)}, not `{printable(method, 40)}`")
    if len(path) > _LONGEST_PATH:
        raise BadPath(f"field `path`: {len(path)} characters; at most {_LONGEST_PATH}")
    open_end = path.endswith("/*")
    try:
        plain = paths.read(path[:-1] if open_end else path)
    except BadPath as error:
        raise BadPath(f"field `path`: {error}") from None
    if "*" in plain:
        raise BadPath("field `path`: a * stands for everything beneath, after the last slash, or not at all")
    return Route(plugin, method, plain[:-1] if open_end else plain, open_end, origin)


@dataclass(frozen=True, slots=True)
class Match:
    """The plugin that answers a request, and the route by which it does."""

    plugin: LoadedPlugin
    route: Route

    def may_answer(self, path: str) -> bool:
        """Whether the plugin's grants allow that, at this moment."""
        return paths.may(self.plugin.policy.state, self.plugin.name, path)


@dataclass(frozen=True, slots=True)
class NoMatch:
    """Why no plugin answers: a status, and the methods that plugins answer (405) or the path that they answer (308)."""

    status: int
    methods: tuple[str, ...] = ()
    elsewhere: str = ""


class Routes:
    """The routes of one runtime's plugins.

    Parameters
    ----------
    on_policy_change : callable
        Called with the name of a plugin whose policy has changed.
    """

    def __init__(self, on_policy_change: Callable[[str], None]) -> None:
        self._lock = threading.RLock()
        self._plugins: PluginRegistry[Route, Registration[Route]] = PluginRegistry(
            HOOK, self._lock, lambda registration: registration, lambda _: None, on_policy_change
        )
        self._recorder: Recorder | None = None

    def connect(self, recorder: Recorder) -> None:
        """Take the runtime's recorder, which denials are written to."""
        self._recorder = recorder

    # Plugins come and go --------------------------------------------------------------------------------------------

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """Take up what a manifest says. Other code under the same name also loses what the old one registered."""
        self._plugins.admit(plugin, lambda: self._read_manifest(plugin))

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """Forget its routes."""
        self._plugins.leave(plugin)

    def _read_manifest(self, plugin: LoadedPlugin) -> Iterator[Route]:
        for text in plugin.manifest.http_routes:
            method, _, path = text.rpartition(" ")
            try:
                yield parse(plugin.name, method, path, "manifest")
            except BadPath as error:
                self._audit("denied", plugin.name, f"route {printable(text, 200)}: {error}")

    def add(self, plugin: str, policy: Policy, route: Route, most: int, call_id: int) -> None:
        """Register a route of a plugin that runs, in the call that asks for it; the second time does nothing.

        Raises
        ------
        ServiceError
        """
        with self._lock:
            registration = self._plugins.current(plugin, policy)
            if registration is None:
                raise ServiceError("not_found", f"the plugin exports no {HOOK} that a request could be handed to")
            routes = registration.wishes
            if any((there.method, there.pattern) == (route.method, route.pattern) for there in routes):
                return
            if len(routes) >= most:
                raise ServiceError("quota_exceeded", f"more than {most} routes")
            if not paths.beneath(f"/{plugin}", route.path) and self._is_taken(route):
                raise ServiceError("conflict", "another plugin has this route")
            routes.append(route)
        self._audit("route", plugin, str(route), call_id)

    def _is_taken(self, route: Route) -> bool:
        return any(
            (other.method, other.pattern) == (route.method, route.pattern)
            for registration in self._plugins
            if registration.name != route.plugin
            for other in registration.wishes
        )

    # Requests -------------------------------------------------------------------------------------------------------

    def find(self, method: str, path: str) -> Match | NoMatch:
        """The plugin that answers a method at a plain path, at this moment."""
        with self._lock:
            fitting = self._fitting(path)
            granted = [match for match in fitting if match.may_answer(path)]
            if not fitting:
                return self._not_there(method, path)
            if not granted:
                self._note_withheld(fitting[0])
                return NoMatch(503)
            for match in granted:
                if match.route.takes(method):
                    return match
            taken = {match.route.method for match in granted}
            return NoMatch(405, tuple(name for name in METHODS if name in taken or (name == "HEAD" and "GET" in taken)))

    def _fitting(self, path: str) -> list[Match]:
        found = [
            Match(plugin, route)
            for registration in self._plugins
            if (plugin := registration.plugin) is not None
            for route in registration.wishes
            if route.fits(path)
        ]
        return sorted(found, key=lambda match: _rank(match.route, path))

    def _not_there(self, method: str, path: str) -> NoMatch:
        if method in ("GET", "HEAD") and not path.endswith("/"):
            there = self._fitting(f"{path}/")
            if any(match.may_answer(f"{path}/") for match in there):
                return NoMatch(308, elsewhere=f"{path}/")
        return NoMatch(404)

    def still(self, match: Match, path: str) -> bool:
        """Whether the plugin of a match may still answer."""
        with self._lock:
            registration = self._plugins.get(match.plugin.name)
            there = registration is not None and registration.plugin is match.plugin
        return there and match.may_answer(path)

    def _note_withheld(self, match: Match) -> None:
        """Audit that a plugin was not called: once for each route, until its policy changes."""
        if self._plugins.is_first_denial(match.plugin.name, match.route):
            self._audit("denied", match.plugin.name, f"register_routes={match.route.path or '/'} for {HOOK}")

    def _audit(self, what: str, plugin: str, detail: str, call_id: int = 0) -> None:
        if self._recorder is not None:
            self._recorder.add_audit(what, plugin, detail, "http", call_id)

    def pages(self) -> list[str]:
        """Where a browser may go now: paths as in URLs, of routes for GET that are granted."""
        with self._lock:
            return [
                paths.written(f"{route.path}/" if route.open_end else route.path)
                for registration in self._plugins
                for route in registration.wishes
                if route.takes("GET") and _is_granted(registration, route)
            ]

    def frame(self) -> pd.DataFrame:
        """One row a route."""
        import pandas as pd

        with self._lock:
            rows: list[dict[str, Any]] = [
                {
                    "plugin": registration.name,
                    "method": route.method or "any",
                    "path": route.pattern,
                    "origin": route.origin,
                    "granted": _is_granted(registration, route),
                }
                for registration in self._plugins
                for route in registration.wishes
            ]
        return with_plugin_text(pd.DataFrame(rows, columns=["plugin", "method", "path", "origin", "granted"]))


def _is_granted(registration: Registration[Route], route: Route) -> bool:
    return paths.may(registration.policy.state, registration.name, route.path or "/")


def _rank(route: Route, path: str) -> tuple[bool, bool, int]:
    """A key that sorts the route that answers first; of equals, sorting keeps the older route first."""
    own = paths.beneath(f"/{route.plugin}", path)
    return (not own, route.open_end, -len(route.path))
