"""Notices that the package gives unasked, each once: a fallback is in use, or a callback of the user's failed.

- A fallback is a line on stderr, in the cell that met it. `doctor` tells of all of them.
- A callback's failure is an error of the logger ``judicia_notebook``, with its traceback: without a configuration of
  the user's, Python writes that to stderr. The code that called the callback goes on.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import weakref

_lock = threading.Lock()
_fallbacks: set[str] = set()
_failed: dict[int, weakref.ref[object]] = {}
_log = logging.getLogger("judicia_notebook")


def say(line: str) -> None:
    """Write a line to stderr, where there is one."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # none, closed, or its reader is gone
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def fallback(topic: str, text: str) -> None:
    """Say once in this process that a fallback is in use."""
    with _lock:
        if topic in _fallbacks:
            return
        _fallbacks.add(topic)
    say(f"judicia_notebook: {text} (jn.doctor() tells more.)")


def callback_failed(what: str, callback: object, error: BaseException) -> None:
    """Log the exception of a callback. Later exceptions of the same callback are not logged.

    Parameters
    ----------
    what : str
        What kind of callback it is: ``An observer of policies``.
    """
    key = id(callback)
    with _lock:
        known = _failed.get(key)
        if known is not None and known() is callback:
            return
        with contextlib.suppress(TypeError):  # it takes no weak reference: each of its exceptions is logged
            _failed[key] = weakref.ref(callback, lambda gone: _forget(key, gone))
    name = getattr(callback, "__qualname__", type(callback).__qualname__)
    _log.error("%s failed: %s. Its further failures are not told.", what, name, exc_info=error)


def _forget(key: int, gone: weakref.ref[object]) -> None:
    if _failed.get(key) is gone:  # without the lock: a finalizer may come while its thread holds it
        _failed.pop(key, None)
