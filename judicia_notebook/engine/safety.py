"""What must hold before a thread may enter a guest. Each check stands for a way to lose the kernel.

- *Fork*: a forked child has the engine but not its threads; the first compile would hang for ever.
- *Stack*: guests may use 512 KiB of native stack; on a thread with less than a megabyte that is a segfault.
- *Recursion*: a host function entered without a frame to spare dies before its ``try``. The core stops the guest then;
  but settling the call takes frames, too. So a few are asked for before the guest is entered.
- *Signals*: Wasmtime turns SIGSEGV and its kin into traps. ``faulthandler.enable()`` or ``disable()`` after the
  engine was built replaces its handlers, and the next out-of-bounds access ends the process. So the handler is looked
  at before each entry, and put back.
- *Unraisable errors*: where a host function dies at its entry, the core knows that it did, and `sys.unraisablehook`
  what it died of: the call raises that.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import ResourceExhausted

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_STACK = 1 << 20
"""Bytes of native stack a thread should have at least."""

ORDINARY_STACK = 7 << 20
"""With this much and Python's own recursion limit, Python cannot use up what a guest needs. A little less than the
usual 8 MiB, of which the system may report some KiB fewer."""

STACK_PER_GUEST = 768 << 10
"""Bytes of native stack for each guest a thread is inside of: what Wasmtime gives it, and our callbacks on top."""

THREAD_STACK = 4 << 20
"""Bytes of native stack our own threads get."""

_HEADROOM = 12
_ORDINARY_RECURSION = 3000  # completion libraries raise Python's 1000 to this
_STACK_POINTER = {"x86_64": 160, "aarch64": 432}  # where glibc's ucontext_t has it, in bytes

_forked = False
_checked = threading.local()
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


def check_thread(levels: int = 0) -> None:
    """Refuse to enter a guest where a callback or a trap could not be handled.

    Parameters
    ----------
    levels : int
        How many guests this thread is inside of already; each may use its own stretch of the stack.

    Raises
    ------
    ResourceExhausted
        Forked child, or a thread with too small a stack.
    RecursionError
        Too few Python frames are left.
    """
    if _forked:
        check_process()
    size = getattr(_checked, "stack", 0)
    if not size:
        size = _checked.stack = _stack_size() or MIN_STACK * 8
    if (levels + 1) * STACK_PER_GUEST > size:
        raise _small_stack(size, f" {levels} plugins deep" if levels else "")
    if (size < ORDINARY_STACK or sys.getrecursionlimit() > _ORDINARY_RECURSION) and _stack_left() < STACK_PER_GUEST:
        raise _small_stack(size, ", this deep inside Python,")
    if _handlers:
        _sigaction(_SEGV, None, _now)
        if _now_handler.value != _wasmtimes_handler.value:
            restore_signal_handlers()
    if sys.unraisablehook is not _unraisable:
        keep_hook()
    check_headroom(_HEADROOM)


def _stack_size() -> int | None:
    """Bytes of this thread's native stack; None where the system does not say."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_void_p
    attributes = ctypes.create_string_buffer(256)
    if libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attributes):
        return None
    size, low = ctypes.c_size_t(), ctypes.c_void_p()
    libc.pthread_attr_getstack(attributes, ctypes.byref(low), ctypes.byref(size))
    libc.pthread_attr_destroy(attributes)
    _checked.stack_low = low.value or 0
    return size.value


def _stack_left() -> int:
    """Bytes of native stack below where this thread stands; what is ordinary where the system does not say."""
    pointer = _STACK_POINTER.get(platform.machine()) if sys.platform == "linux" else None
    if pointer is None or _libc is None:
        return ORDINARY_STACK
    context = ctypes.create_string_buffer(_UCONTEXT_ROOM)
    if _libc.getcontext(context):
        return ORDINARY_STACK
    return ctypes.c_uint64.from_buffer(context, pointer).value - int(_checked.stack_low)


def _small_stack(size: int, where: str) -> ResourceExhausted:
    needed = f"each takes {STACK_PER_GUEST >> 10} KiB"
    return ResourceExhausted(
        f"This thread's stack of {size >> 10} KiB is too small to call a plugin{where}: {needed}.",
        hint="Set threading.stack_size(4 << 20) before starting the thread.",
    )


# Signals ------------------------------------------------------------------------------------------------------

_handlers: dict[int, Any] = {}
_SEGV = ctypes.c_int(signal.SIGSEGV)
_now = ctypes.create_string_buffer(_SIGACTION_ROOM)
_now_handler = ctypes.c_void_p.from_buffer(_now)  # on every system we know the handler comes first
_wasmtimes_handler = ctypes.c_void_p()
_libc: Any = ctypes.CDLL(None) if _CAUGHT else None
_UCONTEXT_ROOM = 8192
_sigaction: Any = ctypes.CDLL(None)["sigaction"] if _CAUGHT else None


def remember_signal_handlers() -> None:
    """Note the handlers Wasmtime has just installed, as opaque structures."""
    for number in _CAUGHT:
        _handlers[number] = ctypes.create_string_buffer(_SIGACTION_ROOM)
        _sigaction(ctypes.c_int(number), None, _handlers[number])
    if _handlers:
        _wasmtimes_handler.value = ctypes.c_void_p.from_buffer(_handlers[signal.SIGSEGV]).value


def restore_signal_handlers() -> None:
    """Put Wasmtime's handlers back on top after other code, faulthandler for one, has set its own."""
    for number, action in _handlers.items():
        _sigaction(ctypes.c_int(number), action, None)


# Unraisable errors --------------------------------------------------------------------------------------------

_ours: set[Any] = set()
_on_lost: Callable[[BaseException, FunctionType], None] | None = None
_previous_hook: Callable[[Any], Any] | None = None
_in_hook = threading.local()


def _unraisable(unraisable: Any) -> None:
    if isinstance(unraisable.object, FunctionType) and unraisable.object in _ours and _on_lost is not None:
        _on_lost(unraisable.exc_value or RuntimeError("a callback died at its entry"), unraisable.object)
    elif _previous_hook is not None and not getattr(_in_hook, "running", False):
        _in_hook.running = True  # a hook that was put over ours may call us back
        try:
            _previous_hook(unraisable)
        finally:
            _in_hook.running = False


def guard_callbacks(functions: set[Any], on_lost: Callable[[BaseException, FunctionType], None]) -> None:
    """Have `on_lost(error, function)` called when one of these functions, called by C, dies before its own ``try``."""
    global _on_lost
    _ours.update(functions)
    _on_lost = on_lost
    keep_hook()


def keep_hook() -> None:
    """Make sure our hook is in front: other code replaces `sys.unraisablehook`, too."""
    global _previous_hook
    if sys.unraisablehook is not _unraisable:
        _previous_hook = sys.unraisablehook
        sys.unraisablehook = _unraisable
