"""Where the core enters Python: the sandboxes by the keys of their boxes, and the answer to an import.

Of a call that the core makes alone Python has nothing, until its guest asks for a service. Then Python's half of the
call is made, and first that of its box: who makes them says so with `make_halves`.
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.context import current_call
from judicia_notebook.engine import capi
from judicia_notebook.engine.core import CORE, functions, structs
from judicia_notebook.engine.core.builtin import host_call_key
from judicia_notebook.engine.interrupts import is_interrupted

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation

_EXIT_SECONDS = 1.0


class Entered(Protocol):
    """A sandbox, as far as host calls need it to know."""

    invocation: Invocation | None

    @property
    def inside_now(self) -> Invocation:
        """The call that is inside; for those who know that there is one."""


_makers: dict[int, Callable[[int], Invocation]] = {}
"""What makes Python's half of a call that the core began alone, by the pointer of its ``jc_way``."""

_finders: dict[int, Callable[[int], Entered]] = {}
"""What makes Python's half of a box that the core made for such a call, in the same way."""


class _Sandboxes(dict[int, "weakref.ref[Entered]"]):
    """Sandboxes by the keys of their boxes. That of a box which the core made is made when it is asked for.

    It has no weakref callbacks: what a signal raises in one would be lost.
    """

    def __missing__(self, key: int) -> weakref.ref[Entered]:
        pointer = functions.box_asking(key)
        if not pointer:
            raise KeyError(key)
        call = structs.Box.from_address(pointer).call
        return weakref.ref(_finders[structs.Call.from_address(call).way](pointer))


sandboxes = _Sandboxes()


def enclosing() -> Invocation | None:
    """The call whose host call this thread is in, if it is in any."""
    key = host_call_key()
    sandbox = sandboxes[key]() if key else None
    return None if sandbox is None else sandbox.invocation


def make_halves(way: int, maker: Callable[[int], Invocation], finder: Callable[[int], Entered]) -> None:
    """Say what makes Python's halves of calls that the core makes alone, when a service asks for them.

    Parameters
    ----------
    way : int
        The pointer of the calls' ``jc_way``.
    maker : callable
        Gets the pointer of a ``jc_call``, on its thread.
    finder : callable
        Gets the pointer of a ``jc_box`` that such a call is inside of, and keeps what it gives until the call is over.
    """
    _makers[way], _finders[way] = maker, finder


def forget_way(way: int) -> None:
    """The other half of `make_halves`."""
    _makers.pop(way, None)
    _finders.pop(way, None)


def _answer(entry: Callable[..., Any] | None, box: int, half: Invocation | None, *arguments: Any) -> Any:
    """Answer an import. The core calls this on the thread inside the guest, and takes what it raises.

    `half` is Python's half of a call that the core makes alone: it is inside for as long as the answer takes.
    """
    sandbox = sandboxes[box]()
    if sandbox is None or entry is None:
        raise RuntimeError("a host call outside any call")
    invocation = sandbox.inside_now if half is None else half
    if invocation.ended is not None:  # a cancel or an interrupt came while this thread waited for Python's lock
        invocation.fields.host_calls -= 1  # it does not begin
        raise invocation.ended
    if half is None:
        result = entry(sandbox, invocation, *arguments)
    else:
        sandbox.invocation = half
        token = current_call.set(half.call_id)
        try:
            result = entry(sandbox, half, *arguments)
        finally:
            current_call.reset(token)
            sandbox.invocation = None
    if invocation.failure is not None:
        raise invocation.failure
    return result


def _halve(way: int, call: int, box: int) -> Invocation:
    """Make Python's half of a call that the core makes alone, at its first host call; first that of its box."""
    _ = sandboxes[box]
    return _makers[way](call)


def _at_exit() -> None:
    """Let no thread into Python any more, and stop every guest; wait a moment for those that are in a host function."""
    until = time.monotonic() + _EXIT_SECONDS
    while functions.close_door() and time.monotonic() < until:
        time.sleep(0.005)


functions.bind(capi.library)
for _called in (_answer, _halve, is_interrupted):
    CORE.keep(_called)
if functions.start(_answer, _halve, is_interrupted):
    raise ImportError("the core could not be started: the system has no memory left")
atexit.register(_at_exit)
