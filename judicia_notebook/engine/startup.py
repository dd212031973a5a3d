"""The one engine of this process, started and checked at its first use.

There is one, because an engine reserves address space, because the epoch that stops runaway guests is engine-wide, and
because compiled modules can be shared only inside an engine. It is never closed: it lives as long as the process.
"""

from __future__ import annotations

import functools
import threading

from judicia_notebook.engine import memory, safety, selfcheck
from judicia_notebook.engine.engine import Engine
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.reporting import notices

_lock = threading.Lock()


@functools.cache
def _make() -> Engine:
    """The engine, not checked yet. It is never freed, so after a failed check the next try takes the same engine."""
    return Engine()


@functools.cache
def _start() -> Engine:
    safety.check_thread()  # an engine that cannot be checked from here would be made in vain
    engine = _make()
    selfcheck.run(engine)
    return engine


def get_engine() -> Engine:
    """The engine of this process, started and checked at first use.

    Raises
    ------
    ResourceExhausted
        Address space is too small, or this is a forked child: the engine's threads did not survive the fork.
    """
    safety.check_process()
    with deferred(), _lock:
        engine = _start()
    if not memory.AVAILABLE:
        notices.fallback("memory", "This system has no own linear memories: quotas hold for each memory by itself.")
    elif engine.checks_each_access:
        notices.fallback(
            "reservation",
            f"There is little address space ({engine.reservation >> 20} MiB for each memory; see ulimit -v), so that "
            "each access is checked, which is slower.",
        )
    return engine
