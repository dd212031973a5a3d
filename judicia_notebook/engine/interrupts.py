"""Signals during a call on the main thread: Ctrl-C, the stop button, an alarm.

Python runs signal handlers at the first bytecode it gets, and during a call that is the first bytecode of a callback,
*before* any ``try`` in it: what a handler raises there is printed by ctypes and lost, and Wasmtime goes on with what
the callback did not answer; for a new memory that ends the process. So while a call runs on the main thread, handlers
still run at once, but what they raise is kept: the call is ended at the next tick, and the exception goes on from
there, once everything is recorded.

- Each handler that is a Python function is wrapped in a `_Deferring` at the next call, and stays wrapped between calls
  (setting one costs more than a call), where it just passes through. ipykernel sets its own around every cell; a call
  in the cell wraps that one.
- A wrapper keeps the handler it was made for, so that putting an old handler back works in any order.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal.getsignal makes an enumeration member, which costs a call's worth
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation

_MAIN = threading.main_thread().ident
_CAUGHT_BY_WASMTIME = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE"}
_NEVER = {"SIGKILL", "SIGSTOP"}
_HANDLED = tuple(int(one) for one in signal.Signals if one.name not in _CAUGHT_BY_WASMTIME | _NEVER)
_seen: list[Any] = []  # the handlers as they were left, in the order of _HANDLED
_running: list[Invocation] = []  # on the main thread, outermost first


class _Deferring:
    """A signal handler that keeps what the real one raises until the calls it interrupts are over."""

    __slots__ = ("_handler",)

    def __init__(self, handler: Callable[[int, Any], Any]) -> None:
        self._handler = handler

    def __call__(self, number: int, frame: Any) -> None:
        if not _running:
            self._handler(number, frame)
            return
        try:
            self._handler(number, frame)
        except BaseException as error:
            for invocation in tuple(_running):
                invocation.interrupt(error)


def enter(invocation: Invocation) -> bool:
    """Keep what signals raise off this call's callbacks, if it is on the main thread; whether `leave` is due."""
    if threading.get_ident() != _MAIN:
        return False
    if list(map(_signal.getsignal, _HANDLED)) != _seen:
        _wrap_all()
    _running.append(invocation)
    return True


def _wrap_all() -> None:
    found: list[Any] = []
    for number in _HANDLED:
        handler = _signal.getsignal(number)
        if handler.__class__ is not _Deferring and handler is not None and callable(handler):
            handler = _Deferring(handler)
            signal.signal(number, handler)
        found.append(handler)  # not read back: what a handler sets meanwhile has to look new to the next call
    _seen[:] = found


def leave(invocation: Invocation) -> None:
    """Signals go where they went before this call."""
    _running.remove(invocation)


def in_foreground() -> Invocation | None:
    """The call that the main thread is inside of, the innermost one; from any thread."""
    running = tuple(_running)
    return running[-1] if running else None
