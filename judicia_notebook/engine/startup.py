"""The engines of this process, one for each metering and set of features in use, started and checked at first use.

There is one of each, because the epoch that stops runaway guests is engine-wide, and because compiled modules can be
shared only inside an engine. It is never closed: it lives as long as the process, and the one ticker ticks it.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

from judicia_notebook.engine import memory, safety, selfcheck
from judicia_notebook.engine.engine import CachingCompiler, Engine
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.settings import FULL, EngineSettings
from judicia_notebook.reporting import notices

_lock = threading.Lock()
_usual = FULL
_started: dict[EngineSettings, Engine] = {}


def use(settings: EngineSettings) -> None:
    """Have these settings where none are asked for: for a child process of ours, before anything else.

    Raises
    ------
    RuntimeError
        There is an engine already.
    """
    global _usual  # the one choice of this process
    if _make.cache_info().currsize:
        raise RuntimeError("the engine of this process was started before its settings were chosen")
    _usual = settings


def usual_settings() -> EngineSettings:
    """The settings of this process where none are asked for: full metering, unless `use` was called."""
    return _usual


@functools.cache
def _make(settings: EngineSettings) -> Engine:
    """The engine, not checked yet. It is never freed, so after a failed check the next try takes the same engine."""
    return Engine(settings=settings)


def _start(settings: EngineSettings) -> Engine:
    if settings not in _started:
        safety.check_thread()  # an engine that cannot be checked from here would be made in vain
        engine = _make(settings)
        selfcheck.run(engine)
        _started[settings] = engine
    return _started[settings]


def describe_engines() -> dict[str, Any]:
    """The settings of the engines that were started in this process, by their names, as plain values."""
    return {settings.name: engine.describe() for settings, engine in tuple(_started.items())}


def get_engine(settings: EngineSettings | None = None) -> Engine:
    """The engine of this process with these settings, started and checked at first use.

    Parameters
    ----------
    settings : EngineSettings, optional
        By default those that are usual in this process.

    Raises
    ------
    ResourceExhausted
        Address space is too small, or this is a forked child: the engine's threads did not survive the fork.
    RuntimeError
        Guests of that engine cannot be stopped, and this process did not choose it with `use`.
    """
    safety.check_process()
    settings = settings or _usual
    if not settings.epochs and settings.metering != _usual.metering:
        raise RuntimeError("code that nothing can stop runs in a process of its own, which says so with `use`")
    engine = _started.get(settings)
    if engine is None:
        with deferred(), _lock:
            engine = _start(settings)
    if not memory.AVAILABLE:
        notices.fallback("memory", "This system has no own linear memories: quotas hold for each memory by itself.")
    elif engine.checks_each_access:
        notices.fallback(
            "reservation",
            f"There is little address space ({engine.reservation >> 20} MiB for each memory; see ulimit -v), so that "
            "each access is checked, which is slower.",
        )
    return engine


@functools.cache
def _make_compiler(settings: EngineSettings) -> CachingCompiler:
    return CachingCompiler(get_engine().reservation, settings)


def get_compiler(settings: EngineSettings) -> CachingCompiler:
    """A compiler for the engines of other processes. Guests cannot run in it, whatever its settings are.

    Raises
    ------
    ResourceExhausted
        As `get_engine`.
    """
    get_engine()
    with deferred(), _lock:
        return _make_compiler(settings)
