"""The instances of one plugin and the calls that wait for them, first come first served.

A pool hands out *slots*. A slot either holds an instance from an earlier call or is empty, and then its caller makes
the instance. An instance that comes back broken is closed, and its slot is empty again.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from judicia_notebook.engine.invocation import SLICE, Latch
from judicia_notebook.errors import PluginNotReady, ResourceExhausted
from judicia_notebook.reporting import notices
from judicia_notebook.text import printable
from judicia_notebook.units import format_names, format_time

if TYPE_CHECKING:
    from judicia_notebook.engine.abi import Exchange
    from judicia_notebook.engine.limits import Budget
    from judicia_notebook.engine.row_loops import Loop
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.wasm.info import FuncType

Instances = int | Literal["fresh"]
LOOK_SECONDS = 0.5
TOLD_AFTER = 1.0
"""Seconds after which a call that waits says for what."""
_ON_ITS_WAY = None  # in place of the thread of a call whose turn has come, and whose thread has not
_numbers = itertools.count(1)


class Instance:
    """A sandbox with its place in the plugin's history: which instance it is, and how many calls it has served."""

    __slots__ = ("calls", "code", "exchange", "generation", "loops", "number", "sandbox")

    def __init__(self, code: Code, sandbox: Sandbox, exchange: Exchange, generation: int) -> None:
        self.code = code
        self.sandbox = sandbox
        self.exchange = exchange
        self.generation = generation
        self.number = next(_numbers)
        self.calls = 0
        self.loops: dict[FuncType, Loop] = {}  # over rows, by the type of the function


class Ticket:
    """A call's place in the queue.

    Parameters
    ----------
    scope : CallScope
        Of the call.
    on_turn : callable, optional
        Called once, on any thread, when it is the call's turn or the pool is closed; without it the call's thread waits
        for `woken`.
    """

    __slots__ = ("_called", "_on_turn", "granted", "scope", "woken")

    def __init__(self, scope: CallScope, on_turn: Callable[[], None] | None = None) -> None:
        self.scope = scope
        self.granted = False
        self.woken = Latch()
        self._on_turn = on_turn
        self._called = False

    def wake(self) -> None:
        """Wake the thread that waits, or call `on_turn`; also from a signal handler."""
        self.woken.set()
        if self._on_turn is not None and not self._called:
            self._called = True
            self._on_turn()


class _Here:
    """A thread, and the pools it is inside of: a call from a plugin's own host call must not wait for itself.

    This object ends with its thread. A thread's number does not: the next thread may get it.
    """

    __slots__ = ("__weakref__", "life", "pools")

    def __init__(self) -> None:
        self.pools: tuple[InstancePool, ...] = ()
        self.life = weakref.ref(self)


class _Inside(threading.local):
    def __init__(self) -> None:
        self.here = _Here()


_inside = _Inside()


class Making(NamedTuple):
    """The code and config of new instances: exchanged together, so that no code gets another's config."""

    code: Code
    config: Mapping[str, Any]


class InstancePool:
    """Slots for the instances of one plugin.

    Parameters
    ----------
    making : Making
        The code now, and its config.
    kind : int or "fresh"
        How many instances live between calls; ``"fresh"`` keeps none and makes a new one for every call.
    budget : Budget
        Its limits say how many instances there may be at once. They may change at any time; then `settle` is called.
    """

    def __init__(self, plugin: str, making: Making, kind: Instances, budget: Budget) -> None:
        self.plugin = plugin
        self.making = making
        self.kind = kind
        self.generation = 0
        self.started = False  # whether an instance was ever made of this code
        self.failed = False  # whether the last one failed to initialize
        self._budget = budget
        self._lock = threading.Lock()
        self._idle: list[Instance] = []
        # The calls that have a slot, each with its thread: a slot is given back once, and never lost with a thread.
        self._busy: dict[CallScope, weakref.ref[_Here] | None] = {}
        self._waiting: deque[Ticket] = deque()
        self.is_busy_with = self._busy.__contains__
        self._closed = False
        self._telling = False  # whether a call that waits has said so

    def may_begin(self) -> bool:
        """Whether one more instance may be in use now."""
        most = self._budget.limits.instances
        return len(self._busy) < (most if self.kind == "fresh" else min(self.kind, most))

    def _surplus(self) -> list[Instance]:
        """Idle instances beyond the number there may be, to be closed outside the lock."""
        most = max(0, self._budget.limits.instances - len(self._busy))
        surplus, self._idle = self._idle[most:], self._idle[:most]
        return surplus

    def acquire(self, scope: CallScope, queue_limit: int) -> Instance | None:
        """Wait for a slot; the instance in it, or None for an empty slot. `release` must follow.

        Raises
        ------
        PluginNotReady
            Closed meanwhile, or the plugin was called from its own host call.
        ResourceExhausted
            More calls wait than may.
        Cancelled
            While it waited.
        """
        with self._lock:  # the usual case takes no ticket
            if not self._waiting and not self._closed and scope.ended is None and self.may_begin():
                here = _inside.here
                self._busy[scope] = here.life
                here.pools = (*here.pools, self)
                return self._idle.pop() if self._idle else None
        ticket = Ticket(scope)
        self.join(ticket, queue_limit)
        if not ticket.granted:
            remove = scope.on_cancel(ticket.wake)
            try:
                with self.telling(scope) as look:
                    # A call inside another's host call looks often whether the other has ended.
                    while not ticket.woken.wait(SLICE if scope.outer is not None else LOOK_SECONDS):
                        if scope.ends_with_outer():
                            break
                        self._look_for_the_dead()
                        look()
            finally:
                remove()
        return self.collect(ticket, scope)

    @contextmanager
    def telling(self, scope: CallScope) -> Iterator[Callable[[], None]]:
        """Give a waiting call a function to call now and then: in a long wait it says what the call waits for."""
        began, has_told = monotonic(), False

        def look() -> None:
            nonlocal has_told
            has_told = has_told or (monotonic() - began >= TOLD_AFTER and self._tell(scope))

        try:
            yield look
        finally:
            if has_told:
                self._telling = False
                notices.say(f"... {printable(scope.where, 160)} waited {format_time(monotonic() - began)}.")

    def _tell(self, scope: CallScope) -> bool:
        """Say what a call waits for, unless another waiting call has said it."""
        with self._lock:
            if self._telling or not self._busy:
                return False
            self._telling = True
            waiting = len(self._waiting)
        queue = f"; {waiting} calls wait" if waiting > 1 else ""
        where = printable(scope.where, 160)
        notices.say(f"{where} waits for an instance of {self.plugin}, held by {self.held_by}{queue} ...")
        return True

    @property
    def held_by(self) -> str:
        """The calls that have the instances, in words."""
        with self._lock:
            busy = [f"call {call.call_id} ({printable(call.where, 160)})" for call in self._busy]
        return format_names(busy, most=3)

    def join(self, ticket: Ticket, queue_limit: int) -> None:
        """Stand in the queue. `collect` must follow.

        The ticket is granted at once where no call waits before it and there is room.

        Raises
        ------
        PluginNotReady, ResourceExhausted
        """
        with self._lock:
            self._check_open()
            if not self._waiting and self.may_begin():
                self._busy[ticket.scope] = _ON_ITS_WAY
                ticket.granted = True
                return
            if self in _inside.here.pools:
                raise PluginNotReady(
                    f"{self.plugin} was called from its own host call, and has no other instance.",
                    hint="To give it more:  rt.load(..., instances=2)",
                )
            if len(self._waiting) >= queue_limit:
                line = f"%plugin quota {self.plugin} --queue {2 * queue_limit or 1}"
                raise ResourceExhausted(
                    f"{len(self._waiting)} calls of {self.plugin} are waiting already, and {queue_limit} may wait.",
                    hint=f"To let more wait:  {line}     or  p.policy.set_quota(queue={2 * queue_limit or 1})",
                )
            self._waiting.append(ticket)

    def collect(self, ticket: Ticket, scope: CallScope) -> Instance | None:
        """Take a granted ticket's slot, on the thread that will use it: the instance in it, or None for an empty slot.

        A ticket that is not granted leaves the queue, and raises.

        Raises
        ------
        PluginNotReady
            Closed meanwhile.
        Cancelled
            While it waited.
        """
        following: Ticket | None = None
        try:
            with self._lock:
                if ticket.granted and scope.ended is None and not self._closed:
                    here = _inside.here
                    self._busy[scope] = here.life
                    here.pools = (*here.pools, self)
                    return self._idle.pop() if self._idle else None
                if ticket.granted:
                    self._busy.pop(scope, None)
                    following = self._next()
                elif ticket in self._waiting:
                    self._waiting.remove(ticket)
        finally:
            if following is not None:
                following.wake()
        if scope.ended is not None:
            raise scope.ended
        self._check_open()
        raise PluginNotReady(f"{self.plugin} is not ready.")

    def _check_open(self) -> None:
        if self._closed:
            raise PluginNotReady(f"{self.plugin} is unloaded.", hint=f"Load it again under the name {self.plugin}.")

    def _next(self) -> Ticket | None:
        """Grant the next ticket, if there is room; the caller wakes it outside the lock."""
        if not self._waiting or not self.may_begin():
            return None
        ticket = self._waiting.popleft()
        ticket.granted = True
        self._busy[ticket.scope] = _ON_ITS_WAY
        return ticket

    def release(self, scope: CallScope, instance: Instance | None, *, keep: bool) -> None:
        """Give a call's slot back, with the instance that may stay in it. A second time does nothing."""
        close: Sequence[Instance] = ()
        with self._lock:
            if scope not in self._busy:
                return
            here = _inside.here
            if self._busy.pop(scope) is here.life:  # another thread may give it back, and is in other pools
                here.pools = here.pools[:-1]  # calls on a thread end in the other order than they began
            if instance is not None:
                usable = keep and not self._closed and self.kind != "fresh"
                if usable and instance.generation == self.generation:
                    self._idle.append(instance)
                    if len(self._idle) + len(self._busy) > self._budget.limits.instances:
                        close = self._surplus()
                else:
                    close = (instance,)
            following = self._next() if self._waiting else None
        for closing in close:
            closing.sandbox.close()
        if following is not None:
            following.wake()

    def _look_for_the_dead(self) -> None:
        """Take back the slots of calls whose threads have ended; called by a call that waits for a slot."""
        with self._lock:
            lost = [scope for scope, life in self._busy.items() if life is not None and life() is None]
        for scope in lost:
            self.release(scope, None, keep=False)

    def generation_of(self, code: Code) -> int:
        """The generation that an instance of this code belongs to; for replaced code -1, which is never kept."""
        with self._lock:
            return self.generation if code is self.making.code else -1

    def note_start(self, *, failed: bool) -> None:
        """Note that an instance of the present code was started, or could not be."""
        self.failed = failed
        self.started = self.started or not failed

    def settle(self) -> list[Instance]:
        """Follow a change of the limit: let calls begin that may now, and hand over the idle instances beyond it."""
        with self._lock:
            surplus = self._surplus()
            granted = self._admitted()
        for ticket in granted:
            ticket.wake()
        return surplus

    def _admitted(self) -> list[Ticket]:
        """Grant every ticket there is room for; the caller wakes them outside the lock."""
        return [ticket for _ in range(len(self._waiting)) if (ticket := self._next()) is not None]

    def renew(self, making: Making, kind: Instances) -> list[Instance]:
        """Start a new generation: the idle instances are handed over to be closed, busy ones close when they return."""
        with self._lock:
            self.generation += 1
            self.making = making
            self.started = self.failed = False
            self.kind = kind
            idle, self._idle = self._idle, []
            granted = self._admitted()
        for ticket in granted:  # there may be more room now
            ticket.wake()
        return idle

    def close(self) -> list[Instance]:
        """Take no more calls; the idle instances are handed over to be closed, waiting calls are woken and refused."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            waiting, self._waiting = list(self._waiting), deque()
        for ticket in waiting:
            ticket.wake()
        return idle

    @property
    def waiting(self) -> int:
        """How many calls wait for an instance."""
        return len(self._waiting)

    @property
    def idle(self) -> int:
        """How many instances wait for a call."""
        return len(self._idle)
