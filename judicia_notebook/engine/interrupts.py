"""Ctrl-C and the stop button during a call on the main thread.

Python runs signal handlers at the first bytecode it gets, and during a call that is the first bytecode of a callback,
*before* any ``try`` in it: a KeyboardInterrupt raised there is printed by ctypes and lost. So while a call runs on the
main thread our handler raises nothing: it marks the call, the next tick stops the guest, and the caller raises
KeyboardInterrupt once everything is recorded.

The handler stays in place between calls (setting one costs more than a call) and then does what the one before it
did. ipykernel installs its own around every cell; ours goes back on top at the next call.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal.getsignal makes an enumeration member of its answer, which costs as much as a bare call
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation

_MAIN = threading.main_thread().ident
_SIGINT = int(signal.SIGINT)
_running: list[Invocation] = []  # on the main thread, outermost first
_previous: Any = None


def _on_signal(number: int, frame: Any) -> None:
    if _running:
        for invocation in tuple(_running):
            invocation.interrupt()
    elif callable(_previous):
        _previous(number, frame)


def enter(invocation: Invocation) -> bool:
    """Route interrupts to this call if it is on the main thread; whether `leave` is due."""
    global _previous
    if threading.get_ident() != _MAIN:
        return False
    current = _signal.getsignal(_SIGINT)
    if current is not _on_signal and callable(current):
        _previous = current
        signal.signal(signal.SIGINT, _on_signal)
    _running.append(invocation)
    return True


def leave(invocation: Invocation) -> None:
    """Interrupts go where they went before this call."""
    _running.remove(invocation)
