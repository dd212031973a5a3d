"""The place where cells are measured: a runtime for each plugin of the sweep, used by one batch at a time.

An executor runs `measure`, in this process or in another process, also on another machine. `measure` takes a free
laboratory or makes a new one, so a process has as many as batches run at once: two threads have two, each with its own
runtimes and instances. All of them share the process's engine.

- Warm-up: with fresh instances, `warmup` calls before the first cell of each plugin in each laboratory, with that
  cell's payload. With kept instances each configuration begins with new ones, and `warmup` calls in them.
- A call that fails is a row. A plugin that cannot be loaded, or a quota that cannot be set, raises.
- A few free laboratories stay for the next batch; those of earlier sweeps go first.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any, NamedTuple

import msgspec

from judicia_notebook.context import via
from judicia_notebook.errors import CallError, JudiciaError, describe
from judicia_notebook.experiments.sweep import contents
from judicia_notebook.experiments.sweep.grid import Cell, Configuration, Unit, Variant
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.quotas import Quota, check_within, overlay
from judicia_notebook.records.record import CALLS, CallRecord
from judicia_notebook.runtime.runtime import Runtime

MOST_FREE = 16
MOST_ROWS = 100_000
NOT_BEGUN, LOST = "not_begun", "worker_lost"


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts that all batches of one sweep share. `key` is the sweep's own."""

    key: str
    function: str
    variants: tuple[Variant, ...]
    instances: Any
    warmup: int
    database: str | None


class Batch(NamedTuple):
    """Some units to measure in one go, and bytes that were missing the last time."""

    plan: Plan
    units: tuple[Unit, ...]
    contents: Mapping[str, bytes]

    def needs(self) -> set[str]:
        """The digests of the bytes that its measurement needs."""
        used = [cell.configuration for unit in self.units for cell in unit]
        return {configuration.payload for configuration in used} | {
            self.plan.variants[configuration.variant].digest for configuration in used
        }


class Row(NamedTuple):
    """A cell that was measured: its number and its call, as JSON."""

    cell: int
    call: bytes


class Measured(NamedTuple):
    """The result of a batch."""

    worker: str
    rows: tuple[Row, ...]
    seconds: float


class Missing(NamedTuple):
    """A batch that was not begun, since this process lacks the bytes of these digests."""

    digests: frozenset[str]


def measure(batch: Batch) -> Measured | Missing:
    """Measure a batch. If the sweep is stopped meanwhile, only the units that are complete have rows.

    Raises
    ------
    LoadError, PolicyError
    """
    contents.keep(batch.contents)
    needed = batch.needs()
    found = contents.find(needed)
    if len(found) < len(needed):
        return Missing(frozenset(needed - found.keys()))
    laboratory = _take(batch.plan)
    began = time.perf_counter()
    try:
        rows = tuple(laboratory.measure(batch.units, found))
    except BaseException:
        laboratory.close()
        raise
    finally:
        _leave(laboratory)
    return Measured(laboratory.name, rows, time.perf_counter() - began)


# One laboratory -------------------------------------------------------------------------------------------------


class Laboratory:
    """Runtimes with one plugin each, for the variants of one sweep."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = f"{platform.node()} {os.getpid()} {next(_numbers)}"
        self.stopped = False
        self._benches: dict[int, _Bench] = {}

    def measure(self, units: tuple[Unit, ...], found: Mapping[str, bytes]) -> Iterator[Row]:
        """The rows of these units."""
        with via("sweep"):
            for unit in units:
                rows: list[Row] = []
                if self.stopped:
                    return
                for configuration, cells in groupby(unit, key=lambda cell: cell.configuration):
                    bench = self._bench(configuration.variant, found)
                    rows += bench.measure(configuration, list(cells), found[configuration.payload])
                if self.stopped:  # a cancelled call is among these rows: the unit is not complete
                    return
                yield from rows

    def _bench(self, variant: int, found: Mapping[str, bytes]) -> _Bench:
        bench = self._benches.get(variant)
        if bench is not None and bench.worn:
            bench.close()
            bench = None
        if bench is None:
            chosen = self.plan.variants[variant]
            bench = self._benches[variant] = _Bench(self.plan, chosen, found[chosen.digest])
        return bench

    def load(self, found: Mapping[str, bytes]) -> None:
        """Load every plugin, so that a plugin that cannot be loaded raises before the first call."""
        for variant in range(len(self.plan.variants)):
            self._bench(variant, found)

    def stop(self) -> None:
        """End the running call, from any thread; the rest of the batch is not measured."""
        self.stopped = True
        for bench in tuple(self._benches.values()):
            bench.plugin.cancel_calls("the sweep was stopped")

    def close(self) -> None:
        """Close its runtimes."""
        while self._benches:
            self._benches.popitem()[1].close()


class _Bench:
    """One plugin in a runtime of its own."""

    def __init__(self, plan: Plan, variant: Variant, wasm: bytes) -> None:
        options: dict[str, Any] = {} if plan.database is None else {"database": plan.database}
        self._plan = plan
        self._runtime = Runtime(**options)
        try:
            self.plugin = self._runtime.load(
                wasm,
                name=variant.name,
                manifest=variant.manifest,
                config=variant.config,
                grant=variant.granted,
                quota=variant.quota,
                instances=plan.instances,
                on_denied=variant.on_denied,
                abi=variant.abi,
            )
        except BaseException:
            self._runtime.close()
            raise
        self._base = self.plugin.policy.snapshot()
        self._payloads: dict[str, Any] = {}
        self._warm = False
        self._used = False

    @property
    def worn(self) -> bool:
        """Whether its records have become many."""
        recorder = self._runtime._recorder
        tables: tuple[Sized, ...] = (recorder.calls, recorder.host_calls, recorder.samples, recorder.audit)
        return max(map(len, tables)) > MOST_ROWS

    def measure(self, configuration: Configuration, cells: list[Cell], data: bytes) -> list[Row]:
        """The rows of some cells of one configuration, one after the other."""
        if self._plan.instances != "fresh":
            if self._used:
                self._runtime.reload(self.plugin.name)
            self._used, self._warm = True, False
        self._arrange(configuration)
        payload = self._payload(configuration.payload, data)
        if not self._warm:
            for _ in range(self._plan.warmup):
                self._call(payload)
            self._warm = True
        return [Row(cell.number, self._call(payload)) for cell in cells]

    def _arrange(self, configuration: Configuration) -> None:
        base = self._base
        granted = base.granted if configuration.granted is None else configuration.granted
        quota = Quota(**configuration.quota)
        check_within(self.plugin.policy.ceiling, quota)  # the ceiling of the worker's machine may be lower
        wanted = Snapshot(granted, overlay(base.quota, quota.given()), base.on_denied)
        if wanted != self.plugin.policy.snapshot():
            self.plugin.policy.restore(wanted)

    def _payload(self, digest: str, data: bytes) -> Any:
        if digest not in self._payloads:
            self._payloads[digest] = msgspec.json.decode(data) if data else None
        return self._payloads[digest]

    def _call(self, payload: Any) -> bytes:
        try:
            outcome = self.plugin.attempt(self._plan.function, payload)
        except JudiciaError as error:
            record = self._not_begun(error)
        else:
            record = outcome.record or self._not_begun(outcome.error)
        return msgspec.json.encode(record)

    def _not_begun(self, error: JudiciaError | None) -> CallRecord:
        text = f"{type(error).__name__}: {describe(error)[0]}" if error is not None else ""
        plugin, function = self.plugin, self._plan.function
        outcome = error.outcome if isinstance(error, CallError) else NOT_BEGUN
        return without_a_call(outcome, text, plugin.name, plugin.digest, function, plugin.abi)

    def close(self) -> None:
        self._runtime.close()


def without_a_call(outcome: str, error: str, plugin: str, digest: str, function: str, abi: str) -> CallRecord:
    """The row of a cell for which no call could be made: costs are not known, counts are 0."""
    nothing: dict[str, Any] = {name: _NOTHING.get(dtype) for name, dtype in CALLS.dtypes.items()}
    known: dict[str, Any] = {
        "plugin": plugin, "digest": digest, "function": function, "abi": abi, "origin": "sweep", "label": None,
        "thread": threading.current_thread().name, "started": datetime.now(UTC), "outcome": outcome, "error": error,
    }  # fmt: skip
    return CallRecord(**nothing | known)


_NOTHING = {"float64": float("nan"), "int64": 0, "category": ""}
"""What a column of a dtype has where there was no call; None where the dtype has NA."""

# All of this process --------------------------------------------------------------------------------------------

_numbers = count(1)
_lock = threading.Lock()
_free: list[Laboratory] = []
_busy: list[Laboratory] = []
_stopped: set[str] = set()  # for good: no later sweep has the same key


def prepare(plan: Plan, found: Mapping[str, bytes]) -> None:
    """Load every plugin of a sweep in this process, so that the cache has the compiled modules.

    Raises
    ------
    LoadError, PolicyError
    """
    laboratory = _take(plan)
    try:
        laboratory.load(found)
    finally:
        _leave(laboratory)


def _take(plan: Plan) -> Laboratory:
    with _lock:
        mine = next((laboratory for laboratory in reversed(_free) if laboratory.plan.key == plan.key), None)
        if mine is not None:
            _free.remove(mine)
        else:
            mine = Laboratory(plan)
        mine.stopped = mine.stopped or plan.key in _stopped
        _busy.append(mine)
        return mine


def _leave(laboratory: Laboratory) -> None:
    with _lock:
        _busy.remove(laboratory)
        _free.append(laboratory)
        over = [_free.pop(0) for _ in range(len(_free) - MOST_FREE)]
    for surplus in over:
        surplus.close()


def stop(key: str) -> None:
    """End this process's measurements for a sweep, and begin no more."""
    with _lock:
        _stopped.add(key)
        busy = [laboratory for laboratory in _busy if laboratory.plan.key == key]
    for laboratory in busy:
        laboratory.stop()


def close(key: str) -> None:
    """Close the free laboratories of a sweep that is over."""
    with _lock:
        over = [laboratory for laboratory in _free if laboratory.plan.key == key]
        _free[:] = [laboratory for laboratory in _free if laboratory.plan.key != key]
    for laboratory in over:
        laboratory.close()


def is_at_work(key: str) -> bool:
    """Whether this process measures something for a sweep now."""
    with _lock:
        return any(laboratory.plan.key == key for laboratory in _busy)
