"""What a plugin gets from its runtime: one value, handed from the runtime to its plugins and from them to calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Platform:
    """What a plugin gets from its runtime."""

    dispatcher: Dispatcher
    recorder: Recorder
    pool: MemoryPool
    ceiling: Quota
    cache_folder: Path | None
    workers: Workers
