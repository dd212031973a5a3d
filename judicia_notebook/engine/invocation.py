"""One running call: its clocks, its limits, and the ways it can be ended from outside.

Its half in the core, a ``jc_call``, has the clocks and counters, which belong to the thread inside the guest; each tick
looks at it. Any thread, and a signal handler, may `cancel`: that sets one number there and runs the hooks of the host
service that is waiting. The next tick stops the guest itself.
"""

from __future__ import annotations

import contextlib
import threading
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.engine import interrupts, wire
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.builtin import take_raised
from judicia_notebook.engine.core.structs import Kind, Owner, Stop
from judicia_notebook.errors import Cancelled, JudiciaError, QuotaExceeded
from judicia_notebook.units import format_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from judicia_notebook.engine.limits import Budget
    from judicia_notebook.engine.memory import MemoryAccount

UNCOUNTED_JSON = 4096
"""Bytes of JSON that are read faster than clocks are."""

SLICE = 0.02
"""Seconds a waiting host service may sleep before it looks at the limits again: they can change meanwhile."""


class Latch:
    """A flag that is set once and waited for. Unlike an Event it may be set from a signal handler at any moment.

    An Event's lock may be held by the very wait that the handler interrupts; here the lock is all there is.
    """

    __slots__ = ("_lock", "is_set")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.is_set = False

    def set(self) -> None:
        """Let all threads go on that wait or will wait."""
        self.is_set = True
        with contextlib.suppress(RuntimeError):  # set already
            self._lock.release()

    def wait(self, seconds: float = -1) -> bool:
        """Wait until it is set, or for so many seconds; whether it is set."""
        try:
            self._lock.acquire(timeout=seconds)
        finally:  # an interrupt may come when the lock was just taken, and others wait for it, too
            if self.is_set:
                self.set()
        return self.is_set


class Spent(NamedTuple):
    """A call's use of its limits outside the run that is in progress: nanoseconds, fuel, a count, bytes."""

    wall_ns: int = 0
    cpu_ns: int = 0
    fuel: int = 0
    host_calls: int = 0
    log_bytes: int = 0


_KINDS = {
    Kind.CPU: ("cpu", "s", 1e9),
    Kind.WALL: ("wall", "s", 1e9),
    Kind.MEMORY: ("memory", "bytes", 1),
    Kind.FUEL: ("fuel", "fuel", 1),
    Kind.ANSWER: ("answer", "bytes", 1),
}
"""Name, unit and scale of the limits that the core holds a guest to."""

_NOT_ENTERED = structs.Call()


class Invocation:
    """A call in progress.

    It may enter the guest several times: to make the instance, and to run the function. Its clocks start once, so that
    all of this has one budget.

    Parameters
    ----------
    budget : Budget
        Where the limits are looked up, again and again: they may change during the call.

    Attributes
    ----------
    spent : Spent
        Counts against its limits, too: the use by the call that it is a part of, or by its own earlier runs.
    outer : Invocation or None
        The call inside whose host call this one was made, on the same thread. When that ends, this one ends.
    signals : int
        How many signals had come before it began, on the main thread; below 0 on others.
    account : MemoryAccount or None
        The memories of the instance it is in.
    lock_ns : int
        How long it waited for Python's lock when it came back from the core.
    ended : JudiciaError or None
        Why the call was stopped from outside the guest; the first reason wins.
    interrupted : BaseException or None
        What a signal handler raised, KeyboardInterrupt for one, on its way to the caller.
    failure : BaseException or None
        A Python exception raised inside a host function, on its way to the caller.
    """

    # Defaults stand on the class: what a call never touches costs it nothing.
    pointer = 0
    """Of its half in the core, from its first entry until `release`."""
    signals = -1
    spent = Spent()
    outer: Invocation | None = None
    pool: object = None
    """The instances of which it has one, or waits for one."""
    account: MemoryAccount | None = None
    lock_ns = 0
    ended: JudiciaError | None = None
    failure: BaseException | None = None
    interrupted: BaseException | None = None
    _fields = _NOT_ENTERED
    _held: tuple[Budget, ...] = ()
    _hooks: Sequence[Callable[[], None]] = ()

    def __init__(self, budget: Budget, *, plugin: str = "", function: str = "", call_id: int = 0) -> None:
        self.budget = budget
        self.plugin = plugin
        self.function = function
        self.call_id = call_id

    @property
    def where(self) -> str:
        """``plugin.function``"""
        return f"{self.plugin}.{self.function}"

    # The half in the core ---------------------------------------------------------------------------------------

    def attach(self) -> int:
        """Hand the core what holds now, before an entry; the pointer of the half there. On the thread that enters.

        Raises
        ------
        MemoryError
        """
        if not self.pointer:
            outer, live = self.outer, self.budget.live
            pointer: int = functions.call_new(
                self.call_id,
                self.signals,
                None if outer is None else outer.pointer,
                live.plugin.pointer,
                None if live.own is None else live.own.pointer,
                None if live.former is None else live.former.pointer,
            )
            if not pointer:
                raise MemoryError
            self.take(pointer)
            if live is not self.budget.live:  # it was exchanged before there was a pointer that `hold_to` could see
                self._limit()
            if self.ended is not None:  # before there was a pointer that `stop` could see
                functions.cancel(pointer, self._token)
        if self.spent is not Invocation.spent:
            fields, spent = self._fields, self.spent
            fields.spent_wall_ns, fields.spent_cpu_ns, fields.spent_fuel = spent.wall_ns, spent.cpu_ns, spent.fuel
        return self.pointer

    def take(self, pointer: int, token: int = 0) -> None:
        """Make this the half in the core. Threads other than the call's give its token: it may just have ended."""
        self._fields = structs.Call.from_address(pointer)
        self._token = token or self._fields.token
        self.pointer = pointer

    def release(self) -> None:
        """Give the half in the core back, when the call is over; its numbers stay."""
        pointer, self.pointer = self.pointer, 0
        if pointer:
            self._fields = structs.Call.from_buffer_copy(self._fields)
            functions.call_free(pointer)

    @property
    def is_plain(self) -> bool:
        """Whether nothing has happened to it that its end would have to say."""
        return self.ended is None and self.failure is None and self.interrupted is None

    def part(self) -> None:
        """Let the core end its half alone; the numbers of now stay."""
        self.pointer = 0
        self._fields = structs.Call.from_buffer_copy(self._fields)

    def hold_to(self, budget: Budget) -> None:
        """Look the limits up elsewhere from now on; from any thread, also while the guest runs."""
        self._held = (*self._held, self.budget)  # a tick may be reading its live limits now
        self.budget = budget
        if self.pointer:
            self._limit()

    def _limit(self) -> None:
        for owner, live in enumerate(self.budget.live):
            functions.call_limit(self.pointer, self._token, owner, None if live is None else live.pointer)

    def note_stop(self) -> None:
        """Take over why the core stopped the guest, unless a reason is known already. On the thread inside."""
        fields = self._fields
        stop = fields.stop
        if fields.raised and self.pointer:
            self._take_raised()
        if stop == Stop.GOES_ON or self.ended is not None:
            return
        if stop == Stop.EXCEEDED:
            self.stop(self.excess())
        elif stop == Stop.OUTER_STOPPED and self.outer is not None:
            self.outer.note_stop()
            self.stop(Cancelled(f"{self.outer.where} was stopped", plugin=self.plugin, function=self.function))
        elif stop == Stop.EXITED:
            why = "Python is exiting, or this is a forked child"
            self.stop(Cancelled(why, plugin=self.plugin, function=self.function))
        elif stop == Stop.MISREAD and self.failure is None:
            self.failure = RuntimeError("an image is larger than its memory")

    def _take_raised(self) -> None:
        """Take over what a host function or a signal's handler raised inside."""
        raised = take_raised(self.pointer)
        if raised is None:
            return
        if self._fields.by_signal:
            interrupts.keep(raised)
        elif self.failure is None:
            if isinstance(raised, KeyboardInterrupt):
                self.interrupt(raised)
            else:
                self.failure = raised

    @property
    def was_refused_a_host_call(self) -> bool:
        """Whether the core stopped it for a host call from where none may come."""
        return bool(self._fields.stop == Stop.HOST_REFUSED)

    def excess(self) -> QuotaExceeded:
        """The error for the limit that the core found exceeded: its numbers are of one look."""
        fields = self._fields
        name, unit, scale = _KINDS[fields.kind]
        limit, used = fields.limit, fields.used
        if scale != 1:
            limit, used = limit / scale, used / scale
        return self.exceeded(name, limit, used, unit, own=fields.owner == Owner.OWN)

    # Its clocks -------------------------------------------------------------------------------------------------

    @property
    def started_ns(self) -> int:
        """``perf_counter_ns`` when the guest's budget began to run; 0 before."""
        return int(self._fields.began_ns)

    @property
    def host_ns(self) -> int:
        """Time spent in host functions so far, without the guest's allocator."""
        return int(self._fields.host_ns)

    @host_ns.setter
    def host_ns(self, nanoseconds: int) -> None:
        self._fields.host_ns = nanoseconds

    @property
    def fields(self) -> structs.Call:
        """Its half in the core; the numbers of one that has none are zeros."""
        return self._fields

    @property
    def packed(self) -> int:
        """Where the answer lay, as the guest returned it."""
        return int(self._fields.packed)

    def note_answer(self, packed: int) -> None:
        """Keep where the answer lay."""
        self._fields.packed = packed

    @property
    def staging(self) -> int:
        """The address of a small answer that was copied; only inside."""
        return int(self._fields.staging or 0)

    @property
    def host_calls(self) -> int:
        """Host calls begun so far."""
        return int(self._fields.host_calls)

    @property
    def wall_used_ns(self) -> int:
        """What counts against the limit of wall time."""
        return perf_counter_ns() - self.started_ns + self.spent.wall_ns

    @property
    def cpu_used_ns(self) -> int:
        """What counts against the limit of CPU time; only meaningful on the thread inside the call."""
        return self.cpu_ns + self.spent.cpu_ns

    @property
    def cpu_ns(self) -> int:
        """CPU time of this thread since the start; only meaningful on the thread inside the call."""
        return thread_time_ns() - int(self._fields.cpu_began_ns)

    def remaining(self) -> float | None:
        """Seconds of wall time left, or None for no limit. Never negative."""
        limit = self.budget.limits.wall_ns
        left = None if limit is None else max(0.0, (limit - self.wall_used_ns) / 1e9)
        outside = None if self.outer is None else self.outer.remaining()
        return left if outside is None else outside if left is None else min(left, outside)

    def stop(self, reason: JudiciaError) -> None:
        """End the call for this reason, unless it is already ending for another; from any thread."""
        if self.ended is None:
            self.ended = reason
        if pointer := self.pointer:
            functions.cancel(pointer, self._token)

    def cancel(self, why: str = "") -> None:
        """End the call as `Cancelled`, from any thread."""
        self.stop(Cancelled(why, plugin=self.plugin, function=self.function))
        self._run_hooks()

    def interrupt(self, raised: BaseException) -> None:
        """End the call with what a signal handler raised; called from that handler, so it may take no lock."""
        self.interrupted = self.interrupted or raised
        self.cancel("interrupted")

    def forget_errors(self) -> None:
        """Let go of what ended it, once that is on its way to the caller; it stays ended."""
        if self.ended is not None:  # another instance, which is never raised and so holds no frames
            self.ended = Cancelled("it is over", plugin=self.plugin, function=self.function)
        self.failure = self.interrupted = None
        self.__dict__.pop("_hooks", None)  # they lead to who waits for the call, and has its error

    def _run_hooks(self) -> None:
        for hook in tuple(self._hooks):
            try:
                hook()
            except Exception as error:  # a service's hook must not keep the others from running
                self.failure = self.failure or error

    def on_cancel(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Have `hook` called when the call is cancelled, at once if it already is. Returns a function to remove it."""
        hooks: list[Callable[[], None]] = self.__dict__.setdefault("_hooks", [])  # in one step: two threads may come
        hooks.append(hook)
        if self.ended is not None:
            hook()

        def remove() -> None:
            if hook in hooks:
                hooks.remove(hook)

        return remove

    def check(self) -> JudiciaError | None:
        """Look at the limits now; the reason to stop, if there is one. On the thread inside the call."""
        if self.ended is None and self.pointer and functions.look(self.pointer):
            self.note_stop()
        return self.ended

    def check_time(self) -> JudiciaError | None:
        """`check` without the memory, which may be another call's already. On the thread that was inside."""
        if self.ended is None and self.pointer and functions.look_at_time(self.pointer):
            self.note_stop()
        return self.ended

    @property
    def reason(self) -> JudiciaError:
        """Why it ends, to be raised, where `check` or `wait` has found that it does.

        What raises it keeps it in no variable: its traceback will hold that frame, and the frames that called it.
        """
        return self.ended or Cancelled("", plugin=self.plugin, function=self.function)

    def go_on(self) -> None:
        """In the middle of long work: end it where the call is to end. On the thread inside the call.

        Raises
        ------
        JudiciaError
        """
        if self.check() is not None:
            raise self.reason

    def ends_with_outer(self) -> bool:
        """Whether the call around this one is to stop; then this one stops, too. On the thread of both."""
        if self.outer is None or self.outer.check() is None:
            return False
        self.stop(Cancelled(f"{self.outer.where} was stopped", plugin=self.plugin, function=self.function))
        return True

    def read_json(self, data: bytes) -> Any:
        """The value of JSON that the guest wrote, on this call's clocks and within its limits.

        Raises
        ------
        TooManyValues
            A ValueError, too.
        ValueError
            It is not the JSON of the ABI.
        CallError
            A time limit or a cancel came first.
        MemoryError
        """
        limits = self.budget.limits
        look = self._look if len(data) > UNCOUNTED_JSON else None
        return wire.decode(data, limits.json_depth, limits.json_values, look)

    def _look(self) -> None:
        if self.check_time() is not None:
            raise self.reason

    def exceeded(self, quota: str, limit: float, used: float, unit: str, *, own: bool | None = None) -> QuotaExceeded:
        """The error for a quota of this call; `own` tells that it is the call's own, where that is known."""
        error = QuotaExceeded(
            quota=quota,
            limit=limit,
            used=used,
            unit=unit,
            plugin=self.plugin,
            function=self.function,
            per_call=self.budget.is_own(quota) if own is None else own,
            ceiling=self.budget.ceiling_of(quota),
        )
        cut = self.budget.cut_from(quota)
        if cut is not None:
            given = format_quantity(cut, unit)
            error.facts = (f"That is the plugin's own limit: a call's quota of {given} does not raise it.",)
        return error

    def wait(self, seconds: float) -> JudiciaError | None:
        """Let `seconds` pass for a host service, or less: a limit or a cancel ends the wait and is returned."""
        woken = Latch()
        remove = self.on_cancel(woken.set)
        until = perf_counter_ns() + int(seconds * 1e9)
        try:
            while (left := (until - perf_counter_ns()) / 1e9) > 0 and self.check() is None:
                rest = self.remaining()
                # A millisecond beyond the limit, so that `check` finds it exceeded and the loop ends.
                woken.wait(min(left, SLICE) if rest is None else min(left, SLICE, rest + 0.001))
        finally:
            remove()
        return self.check()
