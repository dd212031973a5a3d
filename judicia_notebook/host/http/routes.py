"""Which plugin answers which path: the table of routes, and what grants leave of it at each moment.

A route is ``METHOD /path`` or, for any method, ``/path``. It stands for just that path or, where it ends in ``/*``, for
everything beneath. Routes come from manifests and from ``judicia:http register_route``. Having one is a wish: whether
the plugin may answer is looked up in its policy for each request, so that a grant or a revoke holds at once.

Where several routes fit, that of the plugin under whose name the path lies goes first, then a whole path before one
with an end left open, then the longer one, then the older one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from judicia_notebook.errors import printable
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.http import paths
from judicia_notebook.host.http.paths import BadPath
from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.wasm.manifest import Manifest

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HOOK = "on_http_request"
_LONGEST_PATH = 1000
_NOTES = 1000

Origin = Literal["manifest", "plugin"]


class Plugin(Protocol):
    """What is needed of a loaded plugin."""

    name: str
    policy: Policy

    @property
    def manifest(self) -> Manifest: ...

    @property
    def digest(self) -> str: ...

    @property
    def functions(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Route:
    """What a plugin wants to answer.

    Parameters
    ----------
    plugin : str
    method : str
        Empty: any.
    path : str
        In plain text; without the ``/*`` at its end.
    open_end : bool
        Whether everything beneath is meant.
    origin : "manifest" or "plugin"
        Who named it.
    """

    plugin: str
    method: str
    path: str
    open_end: bool
    origin: Origin

    def fits(self, path: str) -> bool:
        """Whether a plain path is meant."""
        return path.startswith(f"{self.path}/") if self.open_end else path == self.path

    def takes(self, method: str) -> bool:
        """Whether a method is meant; a HEAD is answered like a GET, without the body."""
        return self.method in ("", method) or (method == "HEAD" and self.method == "GET")

    @property
    def pattern(self) -> str:
        """The path as it was asked for."""
        return f"{self.path}/*" if self.open_end else self.path

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}".lstrip()


def parse(plugin: str, method: str, path: str, origin: Origin) -> Route:
    """Read a route.

    Raises
    ------
    BadPath
        The text says of which field.
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
class Found:
    """Who answers a request."""

    plugin: Plugin
    route: Route


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why nobody answers: a status, and the methods that would be (405) or the path that is (308)."""

    status: int
    methods: tuple[str, ...] = ()
    elsewhere: str = ""


class _Entry:
    """A loaded plugin with its routes."""

    def __init__(self, plugin: Plugin, forget: Callable[[], None]) -> None:
        self._plugin = weakref.ref(plugin)  # its runtime keeps it; the engine keeps us, where no collector sees a cycle
        self.policy = plugin.policy
        self.forget = forget
        self.digest = ""
        self.routes: list[Route] = []

    @property
    def plugin(self) -> Plugin | None:
        """The plugin, if its runtime is still there."""
        return self._plugin()

    def renew(self, digest: str, routes: list[Route]) -> None:
        """Take up a manifest's routes; what the code itself asked for holds only for that code."""
        same = self.digest == digest
        added = [one for one in self.routes if one.origin == "plugin"] if same else []
        self.digest = digest
        self.routes = [*routes, *added]


class Routes:
    """The routes of one runtime's plugins."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._noted: set[tuple[str, Route]] = set()
        self._recorder: Recorder | None = None
        self.on_change: Callable[[str], None] = lambda _: None

    def connect(self, recorder: Recorder) -> None:
        """What a runtime gives: where denials are written down."""
        self._recorder = recorder

    # Plugins come and go --------------------------------------------------------------------------------------------

    def plugin_loaded(self, plugin: Plugin) -> None:
        """Take up what a manifest says. Other code under the same name also loses what the old one registered."""
        with self._lock:
            entry = self._entries.get(plugin.name)
            if HOOK not in plugin.functions:
                self._drop(plugin.name)
                return
            if entry is None or entry.plugin is not plugin:
                self._drop(plugin.name)
                name = plugin.name
                forget = plugin.policy.observe(lambda _: self._policy_changed(name))
                entry = self._entries[name] = _Entry(plugin, forget)
            entry.renew(plugin.digest, list(self._read_manifest(plugin)))

    def plugin_unloaded(self, plugin: Plugin) -> None:
        """Forget its routes."""
        with self._lock:
            entry = self._entries.get(plugin.name)
            if entry is not None and entry.plugin is plugin:
                self._drop(plugin.name)

    def _drop(self, name: str) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            entry.forget()

    def _read_manifest(self, plugin: Plugin) -> Iterator[Route]:
        for text in plugin.manifest.http_routes:
            method, _, path = text.rpartition(" ")
            try:
                yield parse(plugin.name, method, path, "manifest")
            except BadPath as error:
                self._audit("denied", plugin.name, f"route {printable(text, 200)}: {error}")

    def _policy_changed(self, name: str) -> None:
        with self._lock:
            self._noted = {one for one in self._noted if one[0] != name}
        self.on_change(name)

    def add(self, plugin: str, policy: Policy, route: Route, most: int) -> None:
        """Register a route of a plugin that runs; it may ask twice.

        Raises
        ------
        ServiceError
        """
        with self._lock:
            entry = self._entries.get(plugin)
            if entry is None or entry.policy is not policy:  # unloaded, and another has its name
                raise ServiceError("not_found", f"the plugin exports no {HOOK} that a request could be handed to")
            if any((one.method, one.pattern) == (route.method, route.pattern) for one in entry.routes):
                return
            if len(entry.routes) >= most:
                raise ServiceError("quota_exceeded", f"more than {most} routes")
            if not paths.beneath(f"/{plugin}", route.path) and self._is_taken(route):
                raise ServiceError("conflict", "another plugin has this route")
            entry.routes.append(route)
        self._audit("route", plugin, str(route))

    def _is_taken(self, route: Route) -> bool:
        return any(
            (one.method, one.pattern) == (route.method, route.pattern)
            for name, entry in self._entries.items()
            if name != route.plugin
            for one in entry.routes
        )

    # Requests -------------------------------------------------------------------------------------------------------

    def find(self, method: str, path: str) -> Found | NotFound:
        """Who answers a method at a plain path, now."""
        with self._lock:
            fitting = self._fitting(path)
            granted = [one for one in fitting if paths.may(one.plugin.policy.state, one.plugin.name, path)]
            if not fitting:
                return self._not_there(method, path)
            if not granted:
                self._note_withheld(fitting[0])
                return NotFound(503)
            for one in granted:
                if one.route.takes(method):
                    return one
            named = {one.route.method for one in granted}
            return NotFound(405, tuple(one for one in METHODS if one in named or (one == "HEAD" and "GET" in named)))

    def _fitting(self, path: str) -> list[Found]:
        found = [
            Found(plugin, route)
            for entry in self._entries.values()
            if (plugin := entry.plugin) is not None
            for route in entry.routes
            if route.fits(path)
        ]
        return sorted(found, key=lambda one: _rank(one.route, path))

    def _not_there(self, method: str, path: str) -> NotFound:
        if method in ("GET", "HEAD") and not path.endswith("/"):
            there = self._fitting(f"{path}/")
            if any(paths.may(one.plugin.policy.state, one.plugin.name, f"{path}/") for one in there):
                return NotFound(308, elsewhere=f"{path}/")
        return NotFound(404)

    def still(self, found: Found, path: str) -> bool:
        """Whether a plugin that was found may still answer."""
        with self._lock:
            entry = self._entries.get(found.plugin.name)
            there = entry is not None and entry.plugin is found.plugin
        return there and paths.may(found.plugin.policy.state, found.plugin.name, path)

    def _note_withheld(self, found: Found) -> None:
        """Audit that a plugin was not asked: once a route, until its policy changes."""
        note = (found.plugin.name, found.route)
        if note in self._noted or len(self._noted) >= _NOTES:
            return
        self._noted.add(note)
        self._audit("denied", found.plugin.name, f"register_routes={found.route.path or '/'} for {HOOK}")

    def _audit(self, what: str, plugin: str, detail: str) -> None:
        if self._recorder is not None:
            self._recorder.add_audit(what, plugin, detail, "http")

    def pages(self) -> list[str]:
        """Where a browser may go now: paths as in URLs, of routes for GET that are granted."""
        with self._lock:
            return [
                paths.written(f"{route.path}/" if route.open_end else route.path)
                for name, entry in self._entries.items()
                for route in entry.routes
                if route.takes("GET") and paths.may(entry.policy.state, name, route.path or "/")
            ]

    def frame(self) -> pd.DataFrame:
        """One row a route."""
        import pandas as pd

        with self._lock:
            rows: list[dict[str, Any]] = [
                {
                    "plugin": name,
                    "method": route.method or "any",
                    "path": route.pattern,
                    "origin": route.origin,
                    "granted": paths.may(entry.policy.state, name, route.path or "/"),
                }
                for name, entry in self._entries.items()
                for route in entry.routes
            ]
        return with_plugin_text(pd.DataFrame(rows, columns=["plugin", "method", "path", "origin", "granted"]))


def _rank(route: Route, path: str) -> tuple[bool, bool, int]:
    """What sorts the route that answers first; the sort keeps the older one first."""
    own = paths.beneath(f"/{route.plugin}", path)
    return (not own, route.open_end, -len(route.path))
