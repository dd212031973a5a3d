"""The instances of one plugin and the calls that wait for them, first come first served.

A pool hands out *slots*. A slot either holds an instance from an earlier call or is empty, and then its caller makes
the instance. An instance that comes back broken is closed, and its slot is empty again.

How many slots are taken, and which instances are idle, the core knows (``core/slots.c``): most calls take an idle
instance there and give it back without any of this. The queue of waiting calls is here; the core knows its length, so
that no call overtakes those in it.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeVar

from judicia_notebook.engine.abi import Exchange
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.structs import Given, Start
from judicia_notebook.engine.entry import enclosing
from judicia_notebook.engine.finalizers import leave, sweep
from judicia_notebook.engine.interrupts import is_within
from judicia_notebook.engine.invocation import SLICE, Latch
from judicia_notebook.engine.memory import Box, MemoryAccount
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.errors import PluginNotReady, ResourceExhausted
from judicia_notebook.reporting import notices
from judicia_notebook.runtime.instance import Instance, Making, Observer
from judicia_notebook.text import printable
from judicia_notebook.units import format_names, format_time

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.limits import Budget, LiveLimits
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.runtime.linking import Code

T = TypeVar("T")
Instances = int | Literal["fresh"]
LOOK_SECONDS = 0.5
GLANCE_SECONDS = 0.1
"""Seconds that a look at an instance waits for the pool's lock, which others hold for a moment."""
TOLD_AFTER = 1.0
"""Seconds after which a call that waits says for what."""
_DUMPS = " Of a call that trapped or was stopped, error.memory has a dump."
_ON_ITS_WAY = None  # in place of the thread of a call whose turn has come, and whose thread has not


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

    __slots__ = ("_called", "_on_turn", "granted", "is_waited_for", "scope", "woken")

    def __init__(self, scope: CallScope, on_turn: Callable[[], None] | None = None) -> None:
        self.scope = scope
        self.granted = False
        self.woken = Latch()
        self._on_turn = on_turn
        self._called = False
        self.is_waited_for = on_turn is None
        """Whether the thread that made it waits for its turn."""

    def wake(self) -> None:
        """Wake the thread that waits, or call `on_turn`; also from a signal handler."""
        self.woken.set()
        on_turn = self._on_turn
        if on_turn is not None and not self._called:
            self._called = True
            on_turn()

    def forget(self) -> None:
        """Call nobody any more: the call is over, and its error's traceback has this ticket."""
        self._on_turn = None


class _Here:
    """A thread. This object ends with it; a thread's number does not: the next thread may get it."""

    __slots__ = ("__weakref__", "life")

    def __init__(self) -> None:
        self.life = weakref.ref(self)


class _Inside(threading.local):
    def __init__(self) -> None:
        self.here = _Here()


_inside = _Inside()


def unloaded_error(plugin: str) -> PluginNotReady:
    """The error for a plugin that was unloaded."""
    return PluginNotReady(f"{plugin} is unloaded.", hint=f"Load it again under the name {plugin}.")


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
    observer : Observer, optional
        Looks at each call before and after it. The core makes none of these calls alone.
    """

    def __init__(
        self, plugin: str, making: Making, kind: Instances, budget: Budget, observer: Observer | None = None
    ) -> None:
        self.plugin = plugin
        self.observer = observer
        self.making = making
        self.kind = kind
        self._budget = budget
        self._lock = threading.RLock()  # a signal's handler or a finalizer may call the plugin while it is held
        self.pointer: int = functions.slots_new(making.code.linkage.number)
        if not self.pointer:
            raise MemoryError
        self._remains = leave(self, partial(functions.slots_release, self.pointer))
        # Those that were idle once, and those of walks that asked Python for something; by the keys of their sandboxes.
        self._kept: dict[int, Instance] = {}
        # The calls that have a slot, each with its thread: a slot is given back once, and never lost with a thread.
        self._busy: dict[CallScope, weakref.ref[_Here] | None] = {}
        self._waiting: deque[Ticket] = deque()
        self.is_busy_with = self._busy.__contains__
        self._closed = False
        self._telling = False  # whether a call that waits has said so
        self.generation = 0
        self.bound()

    def bound(self) -> None:
        """Have the core follow the limit."""
        most = self._budget.limits.instances
        fresh = self.kind == "fresh"
        functions.slots_bound(self.pointer, most if fresh else min(self.kind, most), most, not fresh)

    def _take(self, found: int) -> Instance | None:
        """The instance that the core gave, no longer idle."""
        return self._kept.get(found) if found else None

    def _surplus(self) -> list[Instance]:
        """Idle instances beyond the number there may be, to be closed outside the lock."""
        surplus = []
        while found := functions.slots_surplus(self.pointer):
            surplus.append(self._kept.pop(found))
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
            self.bound()
            if scope.ended is None and (found := functions.slots_take(self.pointer, False)) >= 0:
                self._busy[scope] = _inside.here.life
                return self._take(found)
        ticket = Ticket(scope)
        try:
            self.join(ticket, queue_limit)
            if not ticket.granted:
                self._wait(ticket, scope)
            return self.collect(ticket, scope)
        except BaseException:
            self._withdraw(ticket)  # another thread may send an exception at any moment
            raise

    def _wait(self, ticket: Ticket, scope: CallScope) -> None:
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

    def _withdraw(self, ticket: Ticket) -> None:
        """Leave the queue, where the call still stands in it."""
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                functions.slots_unqueue(self.pointer)

    def instance_of(self, box: int, code: Code) -> Instance:
        """The instance in a ``jc_box`` that a call of this code is inside of, which the core makes; on its thread.

        Python's half of an instance that the core made is kept until the call is over: `release`, `forget` or `attend`.
        """
        found = self._kept.get(structs.Box.from_address(box).key)
        if found is None:
            sandbox = Sandbox.around(code.linkage, box)
            found = self._kept[sandbox.key] = Instance(code, sandbox, Exchange(sandbox))
        return found

    def account_of(self, call_id: int) -> MemoryAccount | None:
        """The memories of a call that the core makes; from any thread. None where it is not in an instance now."""
        sweep()  # of those that were asked for before
        box = functions.slots_box(self.pointer, call_id)
        return MemoryAccount(Box(box)) if box else None

    def forget(self, instance: Instance) -> None:
        """Close an instance that the core began to make, and could not."""
        self._kept.pop(instance.sandbox.key, None)
        instance.sandbox.close()

    def occupy(self, scope: CallScope) -> None:
        """Note the call that has a slot which the core took for it. `release` must follow."""
        with self._lock:
            self._busy[scope] = _inside.here.life

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
            if self._telling or not (self._busy or self.walkers()):
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
        walking = [f"call {walker.id}" for walker in self.walkers()]
        return format_names([*busy, *walking], most=3)

    def walkers(self) -> list[structs.Walker]:
        """The calls that the core makes alone now."""
        room = 0
        while (count := functions.slots_walkers(self.pointer, None, 0)) > room:
            room = count + 4  # more may begin meanwhile
            found = (structs.Walker * room)()
            if (count := functions.slots_walkers(self.pointer, found, room)) <= room:
                return list(found[:count])
        return []

    def join(self, ticket: Ticket, queue_limit: int) -> None:
        """Stand in the queue. `collect` must follow.

        The ticket is granted at once where no call waits before it and there is room.

        Raises
        ------
        PluginNotReady, ResourceExhausted
        """
        is_nested = self._lock._is_owned()  # type: ignore[attr-defined]  # noqa: SLF001  # by what a handler interrupts
        with self._lock:
            self._check_open()
            self.bound()
            if functions.slots_take(self.pointer, True) >= 0:
                self._busy[ticket.scope] = _ON_ITS_WAY
                ticket.granted = True
                return
            try:  # from here on it is counted in the queue
                if self._is_around(enclosing()):
                    raise PluginNotReady(
                        f"{self.plugin} was called from its own host call, and has no other instance.",
                        hint="To give it more:  rt.load(..., instances=2)",
                    )
                if ticket.is_waited_for and (is_nested or self._has_this_thread(ticket.scope)):
                    raise PluginNotReady(
                        f"{self.plugin} was called by a signal handler or a finalizer while this thread was in a call "
                        "of it, and no other instance is free.",
                        hint="To give it more:  rt.load(..., instances=2)",
                    )
                if len(self._waiting) >= queue_limit:
                    line = f"%plugin quota {self.plugin} --queue {2 * queue_limit or 1}"
                    more = f"p.policy.set_quota(queue={2 * queue_limit or 1})"
                    raise ResourceExhausted(
                        f"{len(self._waiting)} calls of {self.plugin} are waiting already, and {queue_limit} may wait.",
                        hint=f"To let more wait:  {line}     or  {more}",
                    )
                self._waiting.append(ticket)
            except BaseException:
                functions.slots_unqueue(self.pointer)
                raise

    def _has_this_thread(self, scope: CallScope) -> bool:
        """Whether this thread is in another call of the plugin, which goes on only when this one is over."""
        return _inside.here.life in self._busy.values() or is_within(self, scope)

    def _is_around(self, outer: Invocation | None) -> bool:
        """Whether this thread is in a host call of one of the plugin's own calls, however far out."""
        while outer is not None:
            if outer.pool is self:
                return True
            outer = outer.outer
        return False

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
                    self._busy[scope] = _inside.here.life
                    return self._take(functions.slots_pick(self.pointer))
                if ticket.granted:
                    if scope in self._busy:
                        del self._busy[scope]
                        functions.slots_give(self.pointer, None, False)
                    following = self._next()
                elif ticket in self._waiting:
                    self._waiting.remove(ticket)
                    functions.slots_unqueue(self.pointer)
        finally:
            if following is not None:
                following.wake()
        if scope.ended is not None:
            raise scope.ended
        self._check_open()
        raise PluginNotReady(f"{self.plugin} is not ready.")

    def _check_open(self) -> None:
        if self._closed:
            raise unloaded_error(self.plugin)

    def _next(self) -> Ticket | None:
        """Grant the next ticket, if there is room; the caller wakes it outside the lock."""
        if not self._waiting or functions.slots_admit(self.pointer) < 0:
            return None
        ticket = self._waiting.popleft()
        ticket.granted = True
        self._busy[ticket.scope] = _ON_ITS_WAY
        return ticket

    def release(self, scope: CallScope, instance: Instance | None, *, keep: bool) -> None:
        """Give a call's slot back, with the instance that may stay in it. A second time does nothing."""
        close: list[Instance] = []
        with self._lock:
            if scope not in self._busy:
                return
            del self._busy[scope]
            close = self._put(instance, keep=keep)
            following = self._next() if self._waiting else None
        for closing in close:
            closing.sandbox.close()
        if following is not None:
            following.wake()

    def _put(self, instance: Instance | None, *, keep: bool) -> list[Instance]:
        """Put an instance, or none, back into its slot; those to be closed outside the lock."""
        if instance is None:
            functions.slots_give(self.pointer, None, False)
            return []
        key = instance.sandbox.key
        self._kept[key] = instance  # before another call can get it
        given = functions.slots_give(self.pointer, instance.sandbox.pointer, keep)
        if not given & Given.KEPT:
            return [self._kept.pop(key)]
        return self._surplus() if given & Given.SURPLUS else []

    def visit(self, work: Callable[[Sandbox], T]) -> T:
        """Do short work on the only instance there is, while it is idle: no call can begin in it meanwhile.

        Raises
        ------
        PluginNotReady
            None is idle, a call runs or waits, or there are several. It waits for none of that.
        """
        locked: list[bool] = []
        taken: list[int] = []
        close: list[Instance] = []
        following: Ticket | None = None
        try:
            # Each in one step of Python's: an exception that another thread sends finds it done and noted, or neither.
            locked.extend(map(self._lock.acquire, (True,), (GLANCE_SECONDS,)))
            if not locked[0]:
                raise PluginNotReady(f"Another thread looks at the memory of {self.plugin}.{_DUMPS}")
            taken.extend(map(functions.slots_take, (self.pointer,), (False,)))
            return work(self._only_one(taken[0]))
        finally:
            if taken and taken[0] >= 0:
                close = self._put(self._take(taken[0]), keep=True)
                following = self._next() if self._waiting else None
            if locked and locked[0]:
                self._lock.release()
            for closing in close:
                closing.sandbox.close()
            if following is not None:
                following.wake()

    def _only_one(self, found: int) -> Sandbox:
        """The sandbox of the instance that was taken, where there is no other and no call."""
        self._check_open()
        name, instance = self.plugin, self._take(found) if found > 0 else None
        if self.kind == "fresh":
            raise PluginNotReady(f"{name} keeps no instance between calls, so there is no memory to look at.{_DUMPS}")
        if self._busy or self._waiting or self.walkers() or found < 0:
            raise PluginNotReady(f"A call of {name} runs or waits, and its memory is that call's.{_DUMPS}")
        if instance is None:
            raise PluginNotReady(
                f"{name} has no instance now, and so no memory: a call makes one.{_DUMPS}",
                hint="To make one now:  p.initialize()",
            )
        if self.idle:
            raise PluginNotReady(
                f"{name} has {self.idle + 1} instances, each with a memory of its own.{_DUMPS}",
                hint="To have one:  rt.load(..., instances=1)",
            )
        return instance.sandbox

    def attend(self, given: int, key: int) -> None:
        """Do what is due after a call that the core made alone; `key` is that of an instance it did not keep."""
        with self._lock:
            close = self._surplus() if given & Given.SURPLUS else []
            if key and (lost := self._kept.pop(key, None)) is not None:
                close.append(lost)
            following = self._next() if self._waiting else None
        for closing in close:
            closing.sandbox.close()
        if following is not None:
            following.wake()

    def _look_for_the_dead(self) -> None:
        """Take back the slots of calls whose threads have ended; called by a call that waits for a slot.

        And those that an exception, which another thread sent, lost between the core's count and ours.
        """
        with self._lock:
            functions.slots_count(self.pointer, len(self._busy), len(self._waiting))
            lost = [scope for scope, life in self._busy.items() if life is not None and life() is None]
        for scope in lost:
            self.release(scope, None, keep=False)
        self.attend(0, 0)  # the call that was to do it may have been killed

    def generation_of(self, code: Code) -> int:
        """The generation that an instance of this code belongs to; for replaced code -1, which is never kept."""
        with self._lock:
            return self.generation if code is self.making.code else -1

    def note_start(self, *, failed: bool) -> None:
        """Note that an instance of the present code was started, or could not be."""
        functions.slots_note_start(self.pointer, self.making.code.linkage.number, failed)

    @property
    def started(self) -> bool:
        """Whether an instance was ever made of the present code."""
        return bool(functions.slots_start(self.pointer) & Start.STARTED)

    @property
    def failed(self) -> bool:
        """Whether the last one failed to initialize."""
        return bool(functions.slots_start(self.pointer) & Start.FAILED)

    def settle(self) -> list[Instance]:
        """Follow a change of the limit: let calls begin that may now, and hand over the idle instances beyond it."""
        with self._lock:
            self.bound()
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
            self.making = making
            self.kind = kind
            self.generation = functions.slots_renew(self.pointer, making.code.linkage.number, False)
            self.bound()
            idle = self._drained()
            granted = self._admitted()
        for ticket in granted:  # there may be more room now
            ticket.wake()
        return idle

    def _drained(self) -> list[Instance]:
        """The idle instances of earlier generations."""
        idle = []
        while found := functions.slots_drain(self.pointer):
            idle.append(self._kept.pop(found))
        return idle[::-1]

    def close(self) -> list[Instance]:
        """Take no more calls; the idle instances are handed over to be closed, waiting calls are woken and refused."""
        with self._lock:
            self._closed = True
            functions.slots_renew(self.pointer, self.making.code.linkage.number, True)
            idle = self._drained()
            waiting, self._waiting = list(self._waiting), deque()
        for ticket in waiting:
            ticket.wake()
        return idle

    def hold(self, former: LiveLimits | None) -> None:
        """Hold the calls that the core makes alone to these limits, too, until there is other code."""
        functions.slots_hold(self.pointer, None if former is None else former.pointer)

    @property
    def last(self) -> int:
        """The position of the row of the last call that the core made alone; -1 before there is one."""
        return int(functions.slots_last(self.pointer))

    @property
    def waiting(self) -> int:
        """How many calls wait for an instance."""
        return len(self._waiting)

    @property
    def idle(self) -> int:
        """How many instances wait for a call."""
        return int(functions.slots_idle(self.pointer))
