"""What must hold before a thread may enter a guest. Each check stands for a way to lose the kernel.

- *Fork*: a forked child has the engine but not its threads; the first compile would hang for ever.
- *Stack*: guests may use 512 KiB of native stack; on a thread that has less left that is a segfault.
- *Recursion*: a host function entered without a frame to spare raises, and the core stops the guest; but settling the
  call takes frames, too. So a few are asked for before the guest is entered.
- *Signals*: Wasmtime turns SIGSEGV and its kin into traps. ``faulthandler.enable()`` or ``disable()`` after the
  engine was built replaces its handlers, and the next out-of-bounds access ends the process. So the handler is looked
  at before each entry, and put back.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

from judicia_notebook.engine.core import functions
from judicia_notebook.errors import ResourceExhausted

STACK_PER_GUEST = 768 << 10
"""Bytes of native stack for each guest a thread is inside of: what Wasmtime gives it, and host functions on top."""

THREAD_STACK = 4 << 20
"""Bytes of native stack our own threads get."""

_HEADROOM = 12

_forked = False
_SIGACTION_ROOM = 256
_CAUGHT = () if sys.platform == "win32" else (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_process() -> None:
    """Refuse to work in a forked child.

    Raises
    ------
    ResourceExhausted
    """
    if _forked:
        raise ResourceExhausted(
            "This process was forked from one that uses judicia_notebook; the sandbox engine does not survive that.",
            hint='Start children with multiprocessing.get_context("spawn").',
        )


def check_headroom(frames: int) -> None:
    """Ask for so many Python frames.

    Raises
    ------
    RecursionError
        They are not left.
    """
    if frames:
        check_headroom(frames - 1)


def check_thread() -> None:
    """Refuse to enter a guest where a host function or a trap could not be handled.

    Raises
    ------
    ResourceExhausted
        Forked child, or a thread with too little stack left.
    RecursionError
        Too few Python frames are left.
    """
    if _forked:
        check_process()
    left = functions.stack_left()
    if 0 <= left < STACK_PER_GUEST:
        raise _small_stack(left)
    if _handlers:
        _sigaction(_SEGV, None, _now)
        if _now_handler.value != _wasmtimes_handler.value:
            restore_signal_handlers()
    check_headroom(_HEADROOM)


def _small_stack(left: int) -> ResourceExhausted:
    return ResourceExhausted(
        f"This thread has {left >> 10} KiB of stack left, too little to call a plugin: each takes "
        f"{STACK_PER_GUEST >> 10} KiB.",
        hint="Set threading.stack_size(4 << 20) before starting the thread.",
    )


# Signals ------------------------------------------------------------------------------------------------------

_handlers: dict[int, Any] = {}
_SEGV = ctypes.c_int(signal.SIGSEGV)
_now = ctypes.create_string_buffer(_SIGACTION_ROOM)
_now_handler = ctypes.c_void_p.from_buffer(_now)  # on every system we know the handler comes first
_wasmtimes_handler = ctypes.c_void_p()
_sigaction: Any = ctypes.CDLL(None)["sigaction"] if _CAUGHT else None


def remember_signal_handlers() -> None:
    """Note the handlers that Wasmtime has installed with the process's first engine, as opaque structures.

    At a later engine it installs none, so those that stand then may be another's.
    """
    if _handlers:
        return
    for number in _CAUGHT:
        _handlers[number] = ctypes.create_string_buffer(_SIGACTION_ROOM)
        _sigaction(ctypes.c_int(number), None, _handlers[number])
    if _handlers:
        _wasmtimes_handler.value = ctypes.c_void_p.from_buffer(_handlers[signal.SIGSEGV]).value
        functions.traps_handled_by(_wasmtimes_handler)


def restore_signal_handlers() -> None:
    """Put Wasmtime's handlers back on top after other code, faulthandler for one, has set its own."""
    for number, action in _handlers.items():
        _sigaction(ctypes.c_int(number), action, None)
