"""A call in the background: `Plugin.submit` returns its handle."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError, wait
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import current_way
from judicia_notebook.engine import interrupts
from judicia_notebook.engine.workers import LOOK_SECONDS
from judicia_notebook.errors import JudiciaError, ResourceExhausted, describe, stays_in_process
from judicia_notebook.reporting.interrupts import interrupted
from judicia_notebook.reporting.notices import callback_failed
from judicia_notebook.runtime.pool import Ticket
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.call import Call


@stays_in_process("Its result can be: handle.result().")
class CallHandle:
    """A call in the background that waits, runs or has ended. `Plugin.submit` makes them.

    It can be awaited. Labels and the parent call are those of the place where it was submitted.
    """

    def __init__(self, call: Call, workers: Workers) -> None:
        self._call = call
        self._workers = workers
        self._future: Future[Any] = Future()
        self._future.set_running_or_notify_cancel()  # only the call itself ends it, not a task that awaits it
        self._context = contextvars.copy_context()
        self._submitted_ns = perf_counter_ns()
        self._ended_ns = 0
        self._ticket = Ticket(call.scope, self._on_turn)
        call.join_queue(self._ticket)
        call.scope.on_cancel(self._ticket.wake)
        if self._ticket.granted:  # at once, so no other call wakes it
            self._ticket.wake()

    def _on_turn(self) -> None:
        try:
            self._workers.run(self._run, self._lost)
        except ResourceExhausted as error:
            self._call.scope.stop(error)
            self._run()  # on this thread: the call is stopped, so it only passes its slot on to the next call

    def _run(self) -> None:
        try:
            value = self._context.run(self._call.run, None, self._ticket)
        except BaseException as error:
            self._ended_ns = perf_counter_ns()
            self._ticket.forget()
            self._future.set_exception(error)
            del self  # the error's traceback has this frame, and the future the error
        else:
            self._ended_ns = perf_counter_ns()
            self._future.set_result(value)

    def _lost(self, error: BaseException) -> None:
        """The thread ended before the call: give back its slot, and end every wait for it."""
        self._ended_ns = self._ended_ns or perf_counter_ns()
        self._call.abandon()
        ended = ResourceExhausted(f"The thread of {self._call.scope.where} was ended from outside: {_said(error)}.")
        ended.__cause__ = error
        with contextlib.suppress(InvalidStateError):  # it has just ended by itself
            self._future.set_exception(ended)

    def _wait(self, timeout: float | None) -> bool:
        """Wait for the end, and look now and then whether the call's thread is still there."""
        until = float("inf") if timeout is None else monotonic() + timeout
        if not self._ticket.granted and not self._future.done():
            self._wait_for_its_turn(until)
        while not interrupts.wait_until(self._is_over, min(LOOK_SECONDS, max(0.0, until - monotonic()))):
            if monotonic() >= until:
                return False
            self._workers.check()
        return True

    def _is_over(self, seconds: float | None) -> bool:
        return not wait([self._future], seconds).not_done

    def _wait_for_its_turn(self, until: float) -> None:
        """Wait for an instance; if that takes long, say what the call waits for."""
        with self._call.target.instances.telling(self._call.scope) as look:
            while not self._ticket.woken.wait(max(0.0, min(until - monotonic(), LOOK_SECONDS))):
                self._workers.check()
                look()
                if monotonic() >= until:
                    return

    @property
    def plugin(self) -> str:
        return self._call.scope.plugin

    @property
    def function(self) -> str:
        return self._call.scope.function

    @property
    def call(self) -> Call:
        """The call it stands for; for displays of its progress."""
        return self._call

    @property
    def elapsed(self) -> float:
        """Seconds since it was submitted, until it ended."""
        return ((self._ended_ns or perf_counter_ns()) - self._submitted_ns) / 1e9

    @property
    def record(self) -> CallRecord | None:
        """Its row, once it has ended."""
        return self._call.record if self._future.done() else None

    @property
    def held_by(self) -> str:
        """The calls that have the instances it may be waiting for, in words; empty where there is none."""
        return self._call.target.instances.held_by

    def cancel(self) -> bool:
        """End the call, whether it waits or runs: it raises `Cancelled`. Returns whether there was a call to end."""
        if self._future.done():
            return False
        self._call.scope.cancel("by its handle")
        return True

    def done(self) -> bool:
        """Whether the call has ended, in any way."""
        return self._future.done()

    def running(self) -> bool:
        """Whether the call is inside the plugin now, and waits no longer."""
        return self._ticket.granted and not self._future.done()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; the call itself goes on.

        Raises
        ------
        TimeoutError
            It has not ended yet.
        CallError
            What `Plugin.call` would have raised.
        """
        try:
            if not self._wait(timeout):
                raise TimeoutError
            return self._future.result(0)
        except KeyboardInterrupt as error:
            raise interrupted(
                error, f"The wait for {self.plugin}.{self.function} was interrupted; the call goes on."
            ) from None
        finally:
            del self  # the error's traceback has this frame, and the future the error

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end; the error it ended with, if any.

        Raises
        ------
        TimeoutError
            It has not ended yet.
        """
        if not self._wait(timeout):
            raise TimeoutError
        return self._future.exception(0)

    def add_done_callback(self, callback: Callable[[CallHandle], object]) -> None:
        """Have `callback(handle)` called when it has ended, on the thread that ran it. What it raises is logged."""

        def called(_: object) -> None:
            try:
                callback(self)
            except Exception as error:
                callback_failed("A callback for the end of a call", callback, error)

        self._future.add_done_callback(called)

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self._future).__await__()

    def __repr__(self) -> str:
        state = "ended" if self.done() else "running" if self.running() else "waiting"
        return f"<CallHandle {self.plugin}.{printable(self.function, 160)} {state}, {self.elapsed:.3g} s>"


def _said(error: BaseException) -> str:
    return describe(error)[0].rstrip(".") if isinstance(error, JudiciaError) else type(error).__name__


def in_background(call: Call, workers: Workers) -> CallHandle:
    """Submit a call.

    Ctrl-C may not leave the call half-way into the queue, or a worker half-way awake. So it cancels the call, and is
    raised once the call has its place.

    Raises
    ------
    PluginNotReady, ResourceExhausted
    """
    if current_way() == "panel" and call.target.instances.observer is None:
        call.origin = "panel"
    on_main = interrupts.enter(call.scope)
    try:
        handle = CallHandle(call, workers)
    finally:
        if on_main:
            interrupts.leave(call.scope)
    if call.scope.interrupted is not None:
        raise interrupted(call.scope.interrupted, f"{call.scope.where} was interrupted before it began.")
    return handle
