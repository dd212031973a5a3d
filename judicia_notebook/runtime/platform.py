"""The parts of a runtime that its plugins use: one value, handed from the runtime to plugins and from them to calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.samples import SampleTable
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Platform:
    """The parts of a runtime that its plugins use."""

    dispatcher: Dispatcher
    recorder: Recorder
    samples: SampleTable
    pool: MemoryPool
    ceiling: Quota
    cache_folder: Path | None
    workers: Workers
