"""The parts of a runtime that its plugins use: one value, handed from the runtime to plugins and from them to calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from judicia_notebook.engine import wire
from judicia_notebook.engine.core_rows import HostCallRows, call_rows
from judicia_notebook.engine.samples import SampleTable
from judicia_notebook.engine.startup import describe_engines
from judicia_notebook.records.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.policy.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Platform:
    """The parts of a runtime that its plugins use; `clock` is the kind of ``judicia:clock``."""

    dispatcher: Dispatcher
    recorder: Recorder
    samples: SampleTable
    pool: MemoryPool
    bounds: Bounds
    cache_folder: Path | None
    workers: Workers
    clock: str = "real"


def make_recorder() -> Recorder:
    """The records of a runtime: the core writes calls, host calls and samples by itself."""
    return Recorder(
        read_json=wire.reread,
        make_samples=SampleTable,
        make_calls=call_rows,
        make_host_calls=HostCallRows,
        describe_engines=describe_engines,
    )
