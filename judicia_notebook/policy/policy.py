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
import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, get_args

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.context import current_way
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.limits import Limits, Live, LiveLimits
from judicia_notebook.engine.settings import FULL, EngineSettings
from judicia_notebook.errors import PolicyError, PolicyLocked, stays_in_process
from judicia_notebook.policy import changes
from judicia_notebook.policy.bounds import Bounds, Lock
from judicia_notebook.policy.changes import OnDenied, Snapshot
from judicia_notebook.policy.grants import capability_of, parse_grants
from judicia_notebook.policy.quotas import (
    Quota,
    as_quota,
    check_countable,
    least_of,
    limits_of,
    make_quota,
    overlay,
)
from judicia_notebook.reporting.notices import callback_failed
from judicia_notebook.text import listed

MOST_REMEMBERED = 1000  # changes; all subjects count as narrowed before them
_TAKES_BACK: Final = frozenset({"restore", "undo"})  # a grant that goes away by these was not revoked


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


class Narrowing(NamedTuple):
    """The subjects of which a version allows less than the version before; `passing` where that ends with a block."""

    version: int
    subjects: frozenset[str]
    passing: bool = False


class Ledger(Protocol):
    """Gives versions and writes changes down; the runtime's recorder is one."""

    def add_policy(self, plugin: str, grants: tuple[str, ...], quota: dict[str, object], on_denied: str) -> int: ...

    def add_audit(self, what: str, plugin: str, detail: str, via: str) -> None: ...


@stays_in_process("Its snapshot can be: policy.snapshot(), and policy.restore(snapshot) over there.")
class Policy:
    """Grants, quotas and what happens on a denial, for one plugin.

    Parameters
    ----------
    plugin : str
    ledger : Ledger
    bounds : Bounds
        What the runtime allows at most; asking for more is an error, never cut in silence.
    initial : Snapshot, optional
        Where to start from, and what `reset` goes back to.
    settings : EngineSettings, optional
        Of the engine that the plugin's code is compiled for: where it counts no fuel, no limit of fuel is taken.
    """

    def __init__(
        self,
        plugin: str,
        ledger: Ledger,
        *,
        bounds: Bounds,
        initial: Snapshot | None = None,
        settings: EngineSettings = FULL,
    ) -> None:
        self.plugin = plugin
        self._ledger = ledger
        self._bounds = bounds
        self._lock = threading.Lock()
        self._observers: list[Callable[[Policy], object]] = []
        self._initial = initial or Snapshot()
        self._last: dict[str, tuple[str, ...]] = {}
        self._settings = settings
        bounds.check(self._initial)
        check_countable(settings, self._initial.quota)
        self._state = self._make(self._initial)
        self._live = Live(LiveLimits(self._state.limits))
        self._narrowings = deque([Narrowing(self.version, changes.SUBJECTS)], MOST_REMEMBERED)

    def _make(self, wanted: Snapshot) -> PolicyState:
        version = self._ledger.add_policy(self.plugin, wanted.granted, wanted.quota.given(), wanted.on_denied)
        capabilities = frozenset(capability_of(grant) for grant in wanted.granted)
        limits = limits_of(wanted.quota, self.ceiling)
        return PolicyState(version, wanted.granted, wanted.quota, wanted.on_denied, limits, capabilities)

    # Reading ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> PolicyState:
        """Everything at this moment, immutable."""
        return self._state

    @property
    def limits(self) -> Limits:
        """The limits in force, ceiling included."""
        return self.state.limits

    @property
    def live(self) -> Live:
        """The same, as the core looks them up at each tick."""
        return self._live

    def _hold(self, state: PolicyState) -> None:
        self._state = state
        self._live.plugin.publish(state.limits)

    def is_own(self, _kind: str, /) -> bool:
        """Never: these limits are the plugin's, not a call's."""
        return False

    def cut_from(self, _kind: str, /) -> float | None:
        """None: a call has no limit of its own here."""
        return None

    def ceiling_of(self, kind: str, /) -> float | None:
        """What the runtime allows at most of this kind; seconds, bytes or a count."""
        most = getattr(self.ceiling, kind)
        return most if isinstance(most, int | float) else None

    @property
    def initial(self) -> Snapshot:
        """What the plugin was first loaded with, and what `reset` goes back to."""
        return self._initial

    @property
    def version(self) -> int:
        """The version of the state in force, as in `Runtime.policies`."""
        return self.state.version

    @property
    def quota(self) -> Quota:
        """The quotas in force, all of them given."""
        return self.state.quota

    @property
    def ceiling(self) -> Quota:
        """What the runtime allows at most."""
        return self._bounds.ceiling

    @property
    def granted(self) -> frozenset[str]:
        """The grants as text, such as ``read_database=submissions``."""
        return frozenset(self.state.granted)

    @property
    def grants(self) -> dict[str, tuple[str, ...]]:
        """Capability to the scopes it is granted with; a grant without scope adds none."""
        state = self.state
        return {name: state.scopes(name) for name in CAPABILITIES if name in state.capabilities}

    def last_grants(self, capability: str) -> tuple[str, ...]:
        """The grants of a capability that were revoked last; none where it never was."""
        return self._last.get(capability, ())

    def narrowed_since(self, version: int, *, but_for: Collection[int] = (), passing: bool = True) -> frozenset[str]:
        """The capabilities and kinds of quota of which a version after this one allows less than the one before it.

        Versions in `but_for` do not count, nor, unless `passing`, those of `temporarily`. Before this policy began,
        and beyond what is remembered, everything counts.
        """
        remembered = tuple(self._narrowings)
        if version < remembered[0].version:
            return changes.SUBJECTS
        counted = (
            narrowing for narrowing in remembered if narrowing.version > version and narrowing.version not in but_for
        )
        return frozenset(
            subject for narrowing in counted if passing or not narrowing.passing for subject in narrowing.subjects
        )

    @property
    def on_denied(self) -> str:  # typed as a Literal it would end jedi's completion of the whole object
        """``error``: a denied host call is answered with an error value. ``trap``: it ends the call."""
        return self.state.on_denied

    @on_denied.setter
    def on_denied(self, value: str) -> None:
        if value not in get_args(OnDenied):
            raise PolicyError(f"on_denied is 'error' or 'trap', not {value!r}.")
        wanted: OnDenied = "trap" if value == "trap" else "error"
        self._change("on_denied", wanted, lambda now: dataclasses.replace(now, on_denied=wanted))

    # Changing -----------------------------------------------------------------------------------------------

    def grant(self, *grants: str) -> None:
        """Allow capabilities, from the next host call on.

        Raises
        ------
        PolicyError
            Nothing is granted then.
        """
        wanted = parse_grants(grants)
        self._change("grant", ", ".join(wanted), lambda now: changes.granting(now, wanted))

    def revoke(self, *grants: str) -> None:
        """Take capabilities away, from the next host call on: all scopes of a name, or one ``name=scope``.

        Raises
        ------
        PolicyError
            An unknown capability, or a scope that is not granted while others of its capability are, or all of it;
            nothing is revoked then.
        """
        unwanted = parse_grants(grants)
        self._change("revoke", ", ".join(sorted(unwanted)), lambda now: changes.revoking(now, unwanted))

    def check_settings(self, settings: EngineSettings) -> None:
        """Refuse an engine whose code cannot be held to the limits in force, those of the ceiling included.

        Raises
        ------
        PolicyError
        """
        check_countable(settings, least_of(self.quota, self.ceiling))

    def compile_with(self, settings: EngineSettings) -> None:
        """Note that the plugin's code is exchanged for code of another engine.

        Raises
        ------
        PolicyError
            As `check_settings`.
        """
        with deferred(), self._lock:
            self.check_settings(settings)
            self._settings = settings

    def set_quota(self, quota: Quota | None = None, **kinds: Any) -> None:
        """Change quotas; what is not named stays. ``None`` means no limit of its own.

        Raises
        ------
        PolicyError
            A bad value, one above the runtime's ceiling, or fuel where none is counted; nothing is changed then.
        """
        wanted = make_quota({**as_quota(quota).given(), **kinds})
        detail = ", ".join(f"{kind}={value}" for kind, value in wanted.given().items())
        self._change("quota", detail, lambda now: changes.limiting(now, wanted.given()))

    def snapshot(self) -> Snapshot:
        """What can be brought back with `restore`."""
        state = self.state
        return Snapshot(state.granted, state.quota, state.on_denied)

    def merge(
        self,
        grants: Iterable[str],
        quota: Quota,
        on_denied: OnDenied | None = None,
        *,
        what: str = "merge",
        without: Collection[str] = (),
    ) -> bool:
        """Add grants and change quotas in one step; `what` is its name in the audit. Returns whether anything changed.

        Grants of `without` go, unless they are among those that are added.

        It does not tell observers: the caller does, with `tell`, once its own locks are free.

        Raises
        ------
        PolicyError
            Nothing is changed then.
        """
        wanted = parse_grants(grants)

        def add(now: Snapshot) -> Snapshot:
            kept = dataclasses.replace(now, granted=tuple(grant for grant in now.granted if grant not in without))
            granted = changes.granting(kept, wanted).granted
            return Snapshot(granted, overlay(now.quota, quota.given()), on_denied or now.on_denied)

        return self._exchange(what, ", ".join(wanted), add)[1]

    def amend(self, what: str, update: Callable[[Snapshot], Snapshot], detail: str = "") -> int:
        """Change anything in one step: `update` gets the snapshot that holds now and answers the one to hold.

        It is called under the policy's lock, so it may only compute. Returns the version that holds then.

        Raises
        ------
        PolicyError
            A bad grant, or a quota above the ceiling; nothing is changed then.
        """

        def checked(now: Snapshot) -> Snapshot:
            wanted = update(now)
            return dataclasses.replace(wanted, granted=parse_grants(wanted.granted))

        return self._change(what, detail, checked)

    def forget(self) -> None:
        """Let nothing that was taken away come back by itself: at the end of a block, by undo, or as the last grants.

        The grants and quotas that hold now stay.
        """
        with deferred(), self._lock:
            self._hold(self._make(self.snapshot()))
            self._narrowings.append(Narrowing(self.version, changes.SUBJECTS))
            self._last.clear()

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a snapshot back, whatever happened since."""
        self._change("restore", "", lambda _: snapshot)

    def reset(self) -> None:
        """Go back to what the plugin was first loaded with."""
        self.restore(self._initial)

    @contextlib.contextmanager
    def temporarily(self, *, grant: Iterable[str] = (), revoke: Iterable[str] = (), **kinds: Any) -> Iterator[Policy]:
        """Change grants and quotas for the length of a ``with`` block.

        The end of the block takes back its own change alone: grants that are revoked and quotas that are lowered
        meanwhile stay so.
        """
        given, taken, wanted = parse_grants(_names(grant)), parse_grants(_names(revoke)), make_quota(kinds).given()
        seen: list[Snapshot] = []

        def begin(now: Snapshot) -> Snapshot:
            inside = changes.limiting(changes.revoking(changes.granting(now, given), taken), wanted)
            seen[:] = [now, inside]
            return inside

        def end(now: Snapshot) -> Snapshot:
            before, inside = seen
            narrowed = self.narrowed_since(began, passing=False)
            return self._bounds.trimmed(changes.taken_back(before, inside, now, narrowed))  # it may be locked by now

        quotas = (f"{kind}={value}" for kind, value in wanted.items())
        detail = ", ".join((*given, *(f"no {item}" for item in taken), *quotas))
        began = self._change("temporarily", detail, begin, passing=True)
        try:
            yield self
        finally:
            self._change("restore", "", end, passing=True)

    def observe(self, callback: Callable[[Policy], object]) -> Callable[[], None]:
        """Have `callback(policy)` called after each change, outside the lock, on the changing thread.

        An exception of the callback is logged once, and does not reach the code that made the change. Returns a
        function that removes the callback.
        """
        self._observers.append(callback)

        def remove() -> None:
            if callback in self._observers:
                self._observers.remove(callback)

        return remove

    def _change(self, what: str, detail: str, update: Callable[[Snapshot], Snapshot], *, passing: bool = False) -> int:
        version, changed = self._exchange(what, detail, update, passing=passing)
        if changed:
            self.tell()
        return version

    def _exchange(
        self, what: str, detail: str, update: Callable[[Snapshot], Snapshot], *, passing: bool = False
    ) -> tuple[int, bool]:
        """The version that holds then, and whether anything changed."""
        with deferred(), self._lock:
            before = self.snapshot()
            wanted = update(before)
            if wanted == before:
                return self.version, False
            self._check_within(what, detail, wanted)
            check_countable(self._settings, wanted.quota)
            self._hold(self._make(wanted))
            version = self.version
            self._narrowings.append(Narrowing(version, changes.widened(wanted, before), passing))
            if what not in _TAKES_BACK:
                self._remember(before, wanted)
            self._ledger.add_audit(what, self.plugin, detail, current_way())
            return version, True

    def _check_within(self, what: str, detail: str, wanted: Snapshot) -> None:
        try:
            (self._bounds.check_locked if what == "restore" else self._bounds.check)(wanted)
        except PolicyLocked:
            self._ledger.add_audit("refused", self.plugin, f"{what} {detail}".rstrip(), current_way())
            raise

    def check_lock(self, lock: Lock) -> None:
        """Refuse a lock that this policy's plugin cannot be held to.

        Raises
        ------
        PolicyError
            Its code counts no fuel, and the lock limits it.
        """
        check_countable(self._settings, lock.ceiling)

    def keep_within(self) -> None:
        """Give up what lies beyond the bounds, which a lock has just narrowed, also of what `reset` goes back to.

        It does not tell observers: the caller does, with `tell`.
        """
        with deferred(), self._lock:
            before = self.snapshot()
            wanted = self._bounds.trimmed(before)
            self._initial = self._bounds.trimmed(self._initial)
            self._hold(self._make(wanted))  # also where nothing goes: the ceiling is part of the limits in force
            subjects = changes.widened(wanted, before)
            self._narrowings.append(Narrowing(self.version, subjects))
            self._remember(before, wanted)
            if subjects:
                self._ledger.add_audit("locked", self.plugin, f"no more {listed(sorted(subjects))}", current_way())

    def tell(self) -> None:
        """Call all observers."""
        for callback in tuple(self._observers):
            try:
                callback(self)
            except Exception as error:
                callback_failed("An observer of policies", callback, error)

    def _remember(self, before: Snapshot, after: Snapshot) -> None:
        """Keep the grants of each capability that is no longer granted."""
        gone = {capability_of(grant) for grant in before.granted} - {capability_of(grant) for grant in after.granted}
        self._last.update((capability, before.of(capability)) for capability in gone)


def _names(grants: Iterable[str]) -> Iterable[str]:
    return [grants] if isinstance(grants, str) else grants


class FormerPolicy(Policy):
    """The rights of replaced code that still runs: no more than it had, and no more than the plugin has now.

    The grants of the load, and all later ones, are for the new code. A revoked grant is revoked for both. It is only
    read: what is changed is the plugin's own policy.
    """

    def __init__(self, policy: Policy, most: Snapshot) -> None:  # it is a view, and has no state of its own
        self.plugin = policy.plugin
        self._policy = policy
        self._most = most
        self._seen: tuple[PolicyState, PolicyState] | None = None
        self._live = policy.live._replace(former=LiveLimits(limits_of(most.quota, policy.ceiling)))

    @property
    def ceiling(self) -> Quota:
        return self._policy.ceiling

    @property
    def state(self) -> PolicyState:
        now, seen = self._policy.state, self._seen
        if seen is None or seen[0] is not now:
            seen = self._seen = now, self._narrowed(now)
        return seen[1]

    def _narrowed(self, now: PolicyState) -> PolicyState:
        granted = tuple(grant for grant in now.granted if grant in self._most.granted)
        return dataclasses.replace(
            now,
            granted=granted,
            quota=least_of(now.quota, self._most.quota),
            limits=limits_of(now.quota, self._most.quota, self.ceiling),
            capabilities=frozenset(map(capability_of, granted)),
        )
