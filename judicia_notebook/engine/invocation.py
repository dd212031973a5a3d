"""One running call: its clocks, its limits, and the ways it can be ended from outside.

The thread inside the guest owns the clocks and counters. Any thread, and a signal handler, may `cancel`: that sets one
attribute and runs the hooks of whatever host service is waiting; the guest itself is stopped at the next tick.
"""

from __future__ import annotations

import contextlib
import threading
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING

from judicia_notebook.errors import Cancelled, JudiciaError, QuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from judicia_notebook.engine.limits import Budget
    from judicia_notebook.engine.memory import MemoryAccount

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
        """Let everybody go on who waits or will."""
        self.is_set = True
        with contextlib.suppress(RuntimeError):  # set already
            self._lock.release()

    def wait(self, seconds: float = -1) -> bool:
        """Wait until it is set, or so long; whether it is."""
        try:
            self._lock.acquire(timeout=seconds)
        finally:  # an interrupt may come when the lock was just taken, and others wait for it, too
            if self.is_set:
                self.set()
        return self.is_set


class Invocation:
    """A call in progress.

    Parameters
    ----------
    budget : Budget
        Where the limits are looked up, again and again: they may change during the call.

    Attributes
    ----------
    started_ns, cpu_started_ns : int
        ``perf_counter_ns`` and the thread's CPU clock when the guest's budget began to run.
    account : MemoryAccount or None
        The memories of the instance it is in.
    host_ns : int
        Time spent in host functions so far.
    ended : JudiciaError or None
        Why the call was stopped from outside the guest; the first reason wins.
    interrupted : BaseException or None
        What a signal handler raised, KeyboardInterrupt for one, on its way to the caller.
    failure : BaseException or None
        A Python exception raised inside a callback, on its way to the caller.
    """

    # Defaults stand on the class: what a call never touches costs it nothing.
    started_ns = 0
    cpu_started_ns = 0
    host_ns = 0
    account: MemoryAccount | None = None
    ended: JudiciaError | None = None
    failure: BaseException | None = None
    interrupted: BaseException | None = None
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

    def start(self) -> None:
        """Start the clocks; on the thread that will enter the guest."""
        self.started_ns = perf_counter_ns()
        self.cpu_started_ns = thread_time_ns()

    @property
    def cpu_ns(self) -> int:
        """CPU time of this thread since `start`; only meaningful on the thread inside the call."""
        return thread_time_ns() - self.cpu_started_ns

    def remaining(self) -> float | None:
        """Seconds of wall time left, or None for no limit. Never negative."""
        limit = self.budget.limits.wall_ns
        if limit is None:
            return None
        return max(0.0, (limit - (perf_counter_ns() - self.started_ns)) / 1e9)

    def stop(self, reason: JudiciaError) -> None:
        """End the call for this reason, unless it is already ending for another."""
        if self.ended is None:
            self.ended = reason

    def cancel(self, why: str = "") -> None:
        """End the call as `Cancelled`, from any thread."""
        self.stop(Cancelled(why, plugin=self.plugin, function=self.function))
        self._run_hooks()

    def interrupt(self, raised: BaseException) -> None:
        """End the call with what a signal handler raised; called from that handler, so it may take no lock."""
        self.interrupted = self.interrupted or raised
        self.cancel("interrupted")

    def _run_hooks(self) -> None:
        for hook in tuple(self._hooks):
            try:
                hook()
            except Exception as error:  # a service's hook must not keep the others from running
                self.failure = self.failure or error

    def on_cancel(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Have `hook` called when the call is cancelled, at once if it already is. Returns what takes it off again."""
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
        if self.ended is not None:
            return self.ended
        limits = self.budget.limits
        if limits.wall_ns is not None and (used := perf_counter_ns() - self.started_ns) > limits.wall_ns:
            self.stop(self.exceeded("wall", limits.wall_ns / 1e9, used / 1e9, "s"))
        elif limits.memory_bytes is not None and self.account is not None and self.account.used > limits.memory_bytes:
            self.stop(self.exceeded("memory", limits.memory_bytes, self.account.used, "bytes"))
        elif limits.cpu_ns is not None and (used := thread_time_ns() - self.cpu_started_ns) > limits.cpu_ns:
            self.stop(self.exceeded("cpu", limits.cpu_ns / 1e9, used / 1e9, "s"))
        return self.ended

    def exceeded(self, quota: str, limit: float, used: float, unit: str) -> QuotaExceeded:
        """The error for a quota of this call."""
        return QuotaExceeded(
            quota=quota,
            limit=limit,
            used=used,
            unit=unit,
            plugin=self.plugin,
            function=self.function,
            per_call=self.budget.is_own(quota),
            ceiling=self.budget.ceiling_of(quota),
        )

    def wait(self, seconds: float) -> JudiciaError | None:
        """Let `seconds` pass for a host service, or less: a limit or a cancel ends it and is returned."""
        woken = Latch()
        remove = self.on_cancel(woken.set)
        until = perf_counter_ns() + int(seconds * 1e9)
        try:
            while (left := (until - perf_counter_ns()) / 1e9) > 0 and self.check() is None:
                rest = self.remaining()
                woken.wait(min(left, SLICE) if rest is None else min(left, SLICE, rest + 0.001))
        finally:
            remove()
        return self.check()
