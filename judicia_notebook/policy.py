"""What a plugin may do and use: grants and quotas, live.

A `Policy` belongs to one plugin and may be changed at any time from any thread, also while the plugin runs. Its whole
state is one immutable `PolicyState`, exchanged in one assignment: a reader sees the old state or the new one, never a
mixture, and takes no lock. A change holds for the next host call (grants), the next tick (cpu, wall, memory) or the
next call (fuel).

Every state has a version, unique in its runtime, and is kept by the ledger, so that each recorded call can be traced to
exactly what was in force.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args
from urllib.parse import urlsplit

from judicia_notebook.capabilities import CAPABILITIES, expand
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.limits import Limits
from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.quotas import DEFAULTS, NOT_GIVEN, Quota, check_within, limits_of, make_quota, overlay

OnDenied = Literal["error", "trap"]

_via: contextvars.ContextVar[str] = contextvars.ContextVar("judicia_via", default="Python")


@contextlib.contextmanager
def via(way: str) -> Iterator[None]:
    """Say by which way the changes inside this block are made (``magic``, ``panel``); the audit records it."""
    token = _via.set(way)
    try:
        yield
    finally:
        _via.reset(token)


def current_way() -> str:
    """By which way changes are made here; ``Python`` unless `via` says otherwise."""
    return _via.get()


# Grants -------------------------------------------------------------------------------------------------------

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PATTERN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*{1,2})?|\*{1,2}")
_ALIAS = re.compile(r"(/[^\0@]*)@([a-z][a-z0-9_-]*)")


def _is_url(scope: str) -> bool:
    try:
        parts = urlsplit(scope)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not parts.query
        and not parts.fragment
        and "@" not in parts.netloc
        and not re.search(r"[\s*\\]", scope)
    )


_SCOPES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    **dict.fromkeys(("read_database", "write_database"), ("table names, comma-separated", _IDENTIFIER.fullmatch)),
    **dict.fromkeys(("emit_event", "subscribe_events"), ("a pattern such as contest.*", _PATTERN.fullmatch)),
    "network_access": ("scheme://host[:port][/path]", _is_url),
    **dict.fromkeys(("read_files", "write_files"), ("/host/folder@alias", _ALIAS.fullmatch)),
    **dict.fromkeys(("read_shared_memory", "write_shared_memory"), ("region names", _IDENTIFIER.fullmatch)),
    "register_routes": ("path prefixes such as /scores", re.compile(r"/[^\s?#]*").fullmatch),
}
SCOPE_SHAPES: Final[Mapping[str, str]] = {name: shape for name, (shape, _) in _SCOPES.items()}
"""What the scope of each capability that takes one looks like."""
_LISTS = frozenset({"read_database", "write_database", "read_shared_memory", "write_shared_memory"})


def parse_grant(text: str) -> tuple[str, ...]:
    """One or more grant strings, checked and in their one normal form.

    Raises
    ------
    PolicyError
        An unknown capability, or a scope that does not fit it.

    Examples
    --------
    >>> parse_grant("read_database=submissions,users"), parse_grant("file_storage")
    (('read_database=submissions', 'read_database=users'), ('read_files', 'write_files'))
    """
    if not isinstance(text, str):
        raise PolicyError(f"A grant is text such as 'wall_clock' or 'read_database=submissions', not {text!r}.")
    name, equals, scope = text.strip().partition("=")
    parsed: list[str] = []
    for capability in expand(name):
        if capability not in CAPABILITIES:
            raise PolicyError(f"There is no capability {name!r}.{did_you_mean(name, CAPABILITIES)}")
        if not equals:
            parsed.append(capability)
            continue
        scopes = scope.split(",") if capability in _LISTS else [scope]
        parsed.extend(f"{capability}={_check_scope(capability, one.strip())}" for one in scopes)
    return tuple(parsed)


def _check_scope(capability: str, scope: str) -> str:
    if capability not in _SCOPES:
        raise PolicyError(f"{capability} takes no scope, so {capability}={scope} means nothing; grant {capability!r}.")
    shape, fits = _SCOPES[capability]
    if not fits(scope):
        raise PolicyError(f"{capability}={scope}: the scope must be {shape}.")
    return scope


# The policy ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Everything a policy says at one moment."""

    version: int
    granted: tuple[str, ...]
    quota: Quota
    on_denied: OnDenied
    limits: Limits
    capabilities: frozenset[str]

    def allows(self, capability: str) -> bool:
        """Whether there is any grant of this capability; its scopes are the service's business."""
        return capability in self.capabilities

    def scopes(self, capability: str) -> tuple[str, ...]:
        """The scopes of the grants of a capability; a grant without one is not among them."""
        start = f"{capability}="
        return tuple(grant[len(start) :] for grant in self.granted if grant.startswith(start))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Grants, quotas and what happens on a denial, at one moment; `Policy.restore` brings it back."""

    granted: tuple[str, ...] = ()
    quota: Quota = DEFAULTS
    on_denied: OnDenied = "error"


class Ledger(Protocol):
    """Where versions come from and changes are written down; the runtime's recorder is one."""

    def add_policy(self, plugin: str, grants: tuple[str, ...], quota: dict[str, object], on_denied: str) -> int: ...

    def add_audit(self, what: str, plugin: str, detail: str, via: str) -> None: ...


class Policy:
    """Grants, quotas and what happens on a denial, for one plugin.

    Parameters
    ----------
    plugin : str
    ledger : Ledger
    ceiling : Quota
        What the runtime allows at most; asking for more is an error, never cut in silence.
    initial : Snapshot, optional
        Where to start from, and what `reset` goes back to.
    """

    def __init__(self, plugin: str, ledger: Ledger, *, ceiling: Quota, initial: Snapshot | None = None) -> None:
        self.plugin = plugin
        self._ledger = ledger
        self._ceiling = ceiling
        self._lock = threading.Lock()
        self._observers: list[Callable[[Policy], object]] = []
        self._initial = initial or Snapshot()
        check_within(ceiling, self._initial.quota)
        self._state = self._make(self._initial)

    def _make(self, wanted: Snapshot) -> PolicyState:
        version = self._ledger.add_policy(self.plugin, wanted.granted, wanted.quota.given(), wanted.on_denied)
        capabilities = frozenset(grant.partition("=")[0] for grant in wanted.granted)
        limits = limits_of(wanted.quota, self._ceiling)
        return PolicyState(version, wanted.granted, wanted.quota, wanted.on_denied, limits, capabilities)

    # Reading ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> PolicyState:
        """Everything at this moment, immutable."""
        return self._state

    @property
    def limits(self) -> Limits:
        """The limits in force, ceiling included; what the engine looks up at each tick."""
        return self._state.limits

    def is_own(self, _kind: str, /) -> bool:
        """Never: these limits are the plugin's, not a call's."""
        return False

    def ceiling_of(self, kind: str, /) -> float | None:
        """What the runtime allows at most of this kind; seconds, bytes or a count."""
        most = getattr(self._ceiling, kind)
        return most if isinstance(most, int | float) else None

    @property
    def initial(self) -> Snapshot:
        """What the plugin was first loaded with, and what `reset` goes back to."""
        return self._initial

    @property
    def version(self) -> int:
        """The version of the state in force, as in `Runtime.policies`."""
        return self._state.version

    @property
    def quota(self) -> Quota:
        """The quotas in force, all of them given."""
        return self._state.quota

    @property
    def ceiling(self) -> Quota:
        """What the runtime allows at most."""
        return self._ceiling

    @property
    def granted(self) -> frozenset[str]:
        """The grants as text, such as ``read_database=submissions``."""
        return frozenset(self._state.granted)

    @property
    def grants(self) -> dict[str, tuple[str, ...]]:
        """Capability to the scopes it is granted with; a grant without scope adds none."""
        state = self._state
        return {name: state.scopes(name) for name in CAPABILITIES if name in state.capabilities}

    @property
    def on_denied(self) -> OnDenied:
        """``error``: a denied host call is answered with an error value. ``trap``: it ends the call."""
        return self._state.on_denied

    @on_denied.setter
    def on_denied(self, value: OnDenied) -> None:
        if value not in get_args(OnDenied):
            raise PolicyError(f"on_denied is 'error' or 'trap', not {value!r}.")
        self._change("on_denied", value, lambda now: dataclasses.replace(now, on_denied=value))

    # Changing -----------------------------------------------------------------------------------------------

    def grant(self, *grants: str) -> None:
        """Allow capabilities, from the next host call on.

        Raises
        ------
        PolicyError
            Nothing is granted then.
        """
        wanted = [one for text in grants for one in parse_grant(text)]

        def add(now: Snapshot) -> Snapshot:
            return dataclasses.replace(now, granted=tuple(dict.fromkeys((*now.granted, *wanted))))

        self._change("grant", ", ".join(wanted), add)

    def revoke(self, *grants: str) -> None:
        """Take capabilities away, from the next host call on: all scopes of a name, or one ``name=scope``.

        Raises
        ------
        PolicyError
            An unknown capability; nothing is revoked then.
        """
        unwanted = {one for text in grants for one in parse_grant(text)}

        def remove(now: Snapshot) -> Snapshot:
            kept = tuple(one for one in now.granted if not {one, one.partition("=")[0]} & unwanted)
            return dataclasses.replace(now, granted=kept)

        self._change("revoke", ", ".join(sorted(unwanted)), remove)

    def set_quota(self, quota: Quota | None = None, **kinds: Any) -> None:
        """Change quotas; what is not named stays. ``None`` means no limit of its own.

        Raises
        ------
        PolicyError
            A bad value, or one above the runtime's ceiling; nothing is changed then.
        """
        wanted = make_quota({**(quota.given() if quota else {}), **kinds})
        check_within(self._ceiling, wanted)
        detail = ", ".join(f"{kind}={value}" for kind, value in wanted.given().items())
        self._change("quota", detail, lambda now: dataclasses.replace(now, quota=overlay(now.quota, wanted.given())))

    def snapshot(self) -> Snapshot:
        """What can be brought back with `restore`."""
        state = self._state
        return Snapshot(state.granted, state.quota, state.on_denied)

    def merge(
        self, grants: Iterable[str], quota: Quota, on_denied: OnDenied | None = None, *, what: str = "merge"
    ) -> bool:
        """Add grants and change quotas in one step; `what` is what the audit calls it. Whether anything changed.

        Observers are not told: that is up to who called it, once its own locks are free; see `tell`.

        Raises
        ------
        PolicyError
            Nothing is changed then.
        """
        check_within(self._ceiling, quota)
        wanted = tuple(one for text in grants for one in parse_grant(text))

        def add(now: Snapshot) -> Snapshot:
            granted = tuple(dict.fromkeys((*now.granted, *wanted)))
            return Snapshot(granted, overlay(now.quota, quota.given()), on_denied or now.on_denied)

        return self._exchange(what, ", ".join(wanted), add)

    def amend(self, what: str, update: Callable[[Snapshot], Snapshot], detail: str = "") -> None:
        """Change anything in one step: `update` is given what holds now and answers what is to hold.

        It is called under the policy's lock, so it may only compute.

        Raises
        ------
        PolicyError
            A bad grant, or a quota above the ceiling; nothing is changed then.
        """

        def checked(now: Snapshot) -> Snapshot:
            wanted = update(now)
            check_within(self._ceiling, wanted.quota)
            granted = (one for text in wanted.granted for one in parse_grant(text))
            return dataclasses.replace(wanted, granted=tuple(dict.fromkeys(granted)))

        self._change(what, detail, checked)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a snapshot back, whatever happened since."""
        self._change("restore", "", lambda _: snapshot)

    def reset(self) -> None:
        """Go back to what the plugin was first loaded with."""
        self.restore(self._initial)

    @contextlib.contextmanager
    def temporarily(self, *, grant: Iterable[str] = (), revoke: Iterable[str] = (), **kinds: Any) -> Iterator[Policy]:
        """Change grants and quotas for the length of a ``with`` block.

        At its end just what the block's own line changed goes back: what somebody revokes meanwhile stays revoked.
        """
        before = self.snapshot()
        try:
            if grant:
                self.grant(*_names(grant))
            if revoke:
                self.revoke(*_names(revoke))
            if kinds:
                self.set_quota(**kinds)
            inside = self.snapshot()
        except PolicyError:
            self.restore(before)
            raise
        try:
            yield self
        finally:
            self._change("restore", "", lambda now: taken_back(before, inside, now))

    def observe(self, callback: Callable[[Policy], object]) -> Callable[[], None]:
        """Have `callback(policy)` called after each change, outside the lock, on the changing thread.

        What it raises is kept out of the way of whoever made the change. Returns what takes it off again.
        """
        self._observers.append(callback)

        def remove() -> None:
            if callback in self._observers:
                self._observers.remove(callback)

        return remove

    def _change(self, what: str, detail: str, update: Callable[[Snapshot], Snapshot]) -> None:
        if self._exchange(what, detail, update):
            self.tell()

    def _exchange(self, what: str, detail: str, update: Callable[[Snapshot], Snapshot]) -> bool:
        with deferred(), self._lock:
            before = self.snapshot()
            wanted = update(before)
            if wanted == before:
                return False
            self._state = self._make(wanted)
            self._ledger.add_audit(what, self.plugin, detail, current_way())
            return True

    def tell(self) -> None:
        """Call everybody who observes it."""
        for callback in tuple(self._observers):
            with contextlib.suppress(Exception):
                callback(self)


def taken_back(before: Snapshot, inside: Snapshot, now: Snapshot) -> Snapshot:
    """`now` without what led from `before` to `inside`; all else that happened since stays."""
    given, taken = set(inside.granted) - set(before.granted), set(before.granted) - set(inside.granted)
    granted = [one for one in now.granted if one not in given] + [one for one in before.granted if one in taken]
    changed = {kind: value for kind, value in before.quota.given().items() if getattr(inside.quota, kind) != value}
    on_denied = now.on_denied if before.on_denied == inside.on_denied else before.on_denied
    return Snapshot(tuple(dict.fromkeys(granted)), overlay(now.quota, changed), on_denied)


def _names(grants: Iterable[str]) -> Iterable[str]:
    return [grants] if isinstance(grants, str) else grants


class CappedBudget:
    """A plugin's live limits, and a call's own beneath them: in force is the least of both."""

    __slots__ = ("_limits", "_own", "_policy", "_seen")

    def __init__(self, policy: Policy, own: Quota) -> None:
        self._policy = policy
        self._own = own
        self._seen = policy.state
        self._limits = limits_of(own, self._seen.quota, policy.ceiling)

    def is_own(self, kind: str, /) -> bool:
        """Whether it is the call's own limit of this kind that is in force."""
        own = getattr(self._own, kind)
        others = (getattr(self._policy.quota, kind), getattr(self._policy.ceiling, kind))
        return own not in (None, NOT_GIVEN) and all(other in (None, NOT_GIVEN) or own <= other for other in others)

    def ceiling_of(self, kind: str, /) -> float | None:
        """What the runtime allows at most of this kind."""
        return self._policy.ceiling_of(kind)

    @property
    def limits(self) -> Limits:
        state = self._policy.state
        if state is not self._seen:
            self._limits = limits_of(self._own, state.quota, self._policy.ceiling)
            self._seen = state
        return self._limits
