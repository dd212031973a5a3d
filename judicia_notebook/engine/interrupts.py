"""Signals on the main thread, during a call or a step that is done whole or not: Ctrl-C, the stop button, an alarm.

Python runs a signal handler at the first bytecode it gets. While a guest runs there is none: so the core counts the
signals that Python handles (``core/signals.c``), and a tick that finds the count moved has Python run the handlers
(``core/host.c``). In the steps of a call that is Python's, a handler may come in at any bytecode, and what it raises
there would leave steps undone. So while a call runs on the main thread, what handlers raise is kept: the tick ends the
call, and the exception goes on from there, once everything is recorded.

- The next call wraps each handler that is a Python function in a `_Deferring`. The wrapper stays between calls, since
  setting a handler costs more than a call, and passes signals through. ipykernel sets its own handler around every
  cell; a call in the cell wraps that.
- A handler that a host service sets during a call is wrapped when the next call begins. Until then the core keeps what
  it raises at a tick: `keep`.
- `deferred` holds back what handlers raise for the length of a ``with`` block: the steps that load, unload or free are
  done all or none. A call inside such a block still ends at once; the exception that ended it goes on from there.
- A wrapper keeps the handler it was made for, so that putting an old handler back works in any order.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal.getsignal makes an enumeration member, which costs a call's worth
import functools
import signal
import threading
from collections.abc import Callable
from ctypes import c_int
from time import monotonic
from typing import Any, Protocol

from judicia_notebook.engine.core import functions


class Call(Protocol):
    """A running call, as far as signals are concerned."""

    signals: int
    interrupted: BaseException | None

    @property
    def where(self) -> str: ...

    @property
    def pool(self) -> object: ...

    def interrupt(self, raised: BaseException) -> None:
        """End with what a signal handler raised."""


_MAIN = threading.main_thread().ident
_CAUGHT_BY_WASMTIME = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE"}
_NEVER = {"SIGKILL", "SIGSTOP"}
_HANDLED = tuple(
    int(number) for number in signal.Signals if number.name not in _CAUGHT_BY_WASMTIME | _NEVER and number <= 64
)
_FREE = tuple(getattr(signal, name) for name in ("SIGURG", "SIGWINCH", "SIGCONT", "SIGCHLD") if hasattr(signal, name))
_OFTEN = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF", "SIGBREAK")
    if hasattr(signal, name)
)
"""Each call looks whether these have new handlers. The others are looked at when one of these has, and by loads."""

_seen_often: list[Any] = []
_seen_sigint: Any = None
_seen: list[Any] = []  # the handlers as they were left, in the order of _HANDLED
_running: list[Call] = []  # on the main thread, outermost first
_blocks = 0  # of `deferred`, around what the main thread does now
_held_back: list[BaseException] = []
SLICE = 0.05
"""Seconds that a handler's exception is held back at most while the main thread waits."""


class _Deferring:
    """A signal handler that keeps the exception of the real handler until the calls it interrupts are over."""

    __slots__ = ("_handler",)

    def __init__(self, handler: Callable[[int, Any], Any]) -> None:
        self._handler = handler

    def __call__(self, number: int, frame: Any) -> None:
        if not _running and not _blocks:
            self._handler(number, frame)
            return
        try:
            self._handler(number, frame)
        except BaseException as error:
            keep(error)


def keep(raised: BaseException) -> None:
    """Hold back what a signal's handler raised, and end the calls that it interrupts; on the main thread."""
    if not _running:
        _held_back.append(raised)
    for invocation in tuple(_running):
        invocation.interrupt(raised)


class deferred:  # noqa: N801  # reads as a statement: with deferred()
    """Hold back what signal handlers raise on the main thread; the end of the block raises the first of it.

    Calls into guests left aside, the block may take no longer than a person waits after Ctrl-C.
    """

    __slots__ = ("_on_main",)

    def __enter__(self) -> None:
        global _blocks
        self._on_main = threading.get_ident() == _MAIN
        if not self._on_main:
            return
        if not _blocks and not _running:
            if list(map(_signal.getsignal, _HANDLED)) != _seen:
                _wrap_all()
            _held_back.clear()  # left by a block whose own end was interrupted
        _blocks += 1  # the last line that an interrupt can prevent

    def __exit__(self, *_: object) -> None:
        global _blocks
        if not self._on_main:
            return
        _blocks -= 1
        if _held_back and not _blocks and not _running:
            raise _take_held_back()


def _take_held_back() -> BaseException:
    """The first that was held back. No frame of its traceback may have it in a variable: that would be a cycle."""
    error = _held_back[0]
    _held_back.clear()
    return error


def do_all(*steps: Callable[[], object]) -> None:
    """Take every step, also when one before it was interrupted or failed; the first thing raised goes on at the end."""
    first: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:
            first = first or error
    try:
        if first is not None:
            raise first
    finally:
        del first  # its traceback has this frame, and that the frames of the caller: a cycle would keep them


def wait_until(look: Callable[[float | None], bool], seconds: float | None = None) -> bool:
    """Wait until ``look(seconds)`` answers True. It waits so long at most, with one of Python's own locks.

    A handler that raises while a Condition waits leaves it without its lock, and then the wait ends in a RuntimeError.
    So on the main thread the wait is cut into slices, and what handlers raise comes between two of them.
    """
    if threading.get_ident() != _MAIN:
        return look(seconds)
    until = None if seconds is None else monotonic() + seconds
    while True:
        left = SLICE if until is None else min(SLICE, max(0.0, until - monotonic()))
        with deferred():
            over = look(left)
        if over or (until is not None and monotonic() >= until):
            return over


class Changed(type(threading.RLock())):  # type: ignore[misc]  # the class has no public name
    """A Condition that may be held on the main thread. Its ``with`` is the lock's own, which no signal can come into.

    The ``with`` of a Condition is a function in Python: where a handler raises in it, the lock is held for ever.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(self)
        self.notify = self._condition.notify
        self.notify_all = self._condition.notify_all

    def wait(self, seconds: float | None = None) -> bool:
        """Wait to be notified, with the lock held; on threads that no signal comes to."""
        return self._condition.wait(seconds)

    def wait_for(self, predicate: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until `predicate` holds, with the lock held; on threads that no signal comes to."""
        return self._condition.wait_for(predicate, seconds)

    def wait_until(self, predicate: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until `predicate` holds, without the lock; on any thread."""

        def look(seconds: float | None) -> bool:
            with self:
                return self.wait_for(predicate, seconds)

        return wait_until(look, seconds)


def enter(invocation: Call) -> bool:
    """Keep signals' exceptions out of this call's steps, if it is on the main thread; whether `leave` is due."""
    if threading.get_ident() != _MAIN:
        return False
    if list(map(_signal.getsignal, _OFTEN)) != _seen_often:
        _wrap_all()
    invocation.signals = functions.signals_seen()
    _running.append(invocation)
    return True


class Owner(Protocol):
    """What makes calls through the core."""

    where: str

    @property
    def pool(self) -> object: ...


class Passing:
    """A call that the core makes alone on the main thread, as far as signals are concerned; see `enter_passing`."""

    signals = 0
    interrupted: BaseException | None = None
    half: Call | None = None
    """Python's half of the call, once there is one."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    @property
    def where(self) -> str:
        """``plugin.function``"""
        return self.owner.where

    @property
    def pool(self) -> object:
        """The instances of which it has one."""
        return self.owner.pool

    def interrupt(self, raised: BaseException) -> None:
        """Keep what a signal handler raised, and end the call."""
        if self.interrupted is None:
            self.interrupted = raised
        if self.half is not None:
            self.half.interrupt(raised)

    def take(self) -> BaseException:
        """What it was interrupted with, which it forgets: the traceback of that holds the frame that holds this."""
        raised, self.interrupted = self.interrupted, None
        return KeyboardInterrupt() if raised is None else raised  # an exception of the user's may be false


def enter_passing(passing: Passing) -> None:
    """`enter`, for a call that the core makes alone. On the main thread; `leave_passing` is due, come what may."""
    if _signal.getsignal(_signal.SIGINT) is not _seen_sigint:
        _wrap_all()
    _running.append(passing)


def note_half(half: Call) -> None:
    """Let interrupts reach Python's half of the innermost call, if this is the main thread and it has one now."""
    if _running and threading.get_ident() == _MAIN and isinstance(_running[-1], Passing):
        _running[-1].half = half


def leave_passing(passing: Passing) -> None:
    """Let signals go where they went before that call, if it was entered: another thread may send an exception."""
    if _running and _running[-1] is passing:
        _running.pop()


def is_within(pool: object, call: Call) -> bool:
    """Whether this is the main thread, and has another call with this pool, which a signal's handler interrupts."""
    return threading.get_ident() == _MAIN and any(other.pool is pool for other in tuple(_running) if other is not call)


def is_interrupted() -> bool:
    """Whether the innermost call of the main thread is to end for what a signal handler raised."""
    return bool(_running) and _running[-1].interrupted is not None


def _wrap_all() -> None:
    global _seen_sigint
    _learn_pythons_handler()
    found: list[Any] = []
    for number in _HANDLED:
        handler = _signal.getsignal(number)
        if handler.__class__ is not _Deferring and handler is not None and callable(handler):
            handler = _Deferring(handler)
            functions.signals_keep(number)
            try:
                signal.signal(number, handler)
            finally:
                functions.signals_put_back()
        found.append(handler)  # not read back: what a handler sets meanwhile has to look new to the next call
    _seen[:] = found
    _seen_sigint = found[_HANDLED.index(signal.SIGINT)]
    _seen_often[:] = map(dict(zip(_HANDLED, found, strict=True)).__getitem__, _OFTEN)
    handled = (number for number, handler in zip(_HANDLED, found, strict=True) if handler.__class__ is _Deferring)
    functions.signals_handled(sum(1 << (number - 1) for number in handled))
    functions.signals_stand()


@functools.cache
def _learn_pythons_handler() -> None:
    """Tell the core what to count, and the C function that Python installs for a signal, by a signal that is free."""
    for number in _FREE:
        if _signal.getsignal(number) is _signal.SIG_DFL:
            signal.signal(number, _nothing)
            functions.signals_learn(number)
            signal.signal(number, signal.SIG_DFL)
            functions.signals_watch((c_int * len(_HANDLED))(*_HANDLED), len(_HANDLED))
            return


def _nothing(_number: int, _frame: object) -> None:
    """Handle a signal that the system ignores unless a program asks for it."""


def leave(invocation: Call) -> None:
    """Let signals go where they went before this call."""
    _running.remove(invocation)


def in_foreground() -> Call | None:
    """The call that the main thread is inside of, the innermost one; from any thread."""
    running = tuple(_running)
    return running[-1] if running else None
