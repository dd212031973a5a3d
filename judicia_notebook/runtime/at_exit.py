"""The end of the interpreter, before which every runtime ends its calls.

No thread may be inside a guest then: its next callback would find no interpreter. Of runtimes this knows no more than
that they have calls to end.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from typing import Protocol


class Runtime(Protocol):
    """The part of a runtime that the end of the interpreter needs."""

    def _end_calls(self) -> None: ...


_runtimes: weakref.WeakSet[Runtime] = weakref.WeakSet()


def end_calls_of(runtime: Runtime) -> None:
    """Have a runtime end its calls before the interpreter ends, if it is still there."""
    _runtimes.add(runtime)


def _end_all_calls() -> None:
    for runtime in tuple(_runtimes):
        runtime._end_calls()


atexit.register(_end_all_calls)
if hasattr(threading, "_register_atexit"):  # private, but the only moment before Python waits for users' own threads
    threading._register_atexit(_end_all_calls)  # noqa: SLF001
