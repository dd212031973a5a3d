"""The place where cells are measured: a runtime for each plugin of the sweep, used by one batch at a time.

An executor runs `measure`, in this process or in another process, also on another machine. `measure` takes a free
laboratory or makes a new one, so a process has as many as batches run at once: two threads have two, each with its own
runtimes and instances. All of them share the process's engine.

- Warm-up: with fresh instances, `warmup` calls before the first cell of each plugin in each laboratory, with that
  cell's payload. With kept instances each configuration begins with new ones, and `warmup` calls in them.
- Cells without metering are measured in child processes (`judicia_notebook.experiments.unmetered`). A laboratory has
  children for all its plugins together. What a function answers there is compared once with what it answers here.
- Cells with monitors are measured as `Plugin.monitor` does it, each in an instance of its own, without warm-up. The
  frames of the monitors are made here, since here the module is, and travel as JSON (`counts`).
- A call that fails is a row. A plugin that cannot be loaded, or a quota that cannot be set, raises.
- A few free laboratories stay for the next batch; those of earlier sweeps go first.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from judicia_notebook.context import via
from judicia_notebook.engine.settings import NONE
from judicia_notebook.errors import CallError, JudiciaError, describe
from judicia_notebook.experiments.monitoring.run import Prepared, monitor_once, prepare_monitor
from judicia_notebook.experiments.sweep import contents, counts
from judicia_notebook.experiments.sweep.grid import Cell, Configuration, Unit, Variant
from judicia_notebook.experiments.unmetered.answers import Comparison
from judicia_notebook.experiments.unmetered.cells import Unmetered
from judicia_notebook.experiments.unmetered.children import Children
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.quotas import Quota, check_within, overlay
from judicia_notebook.records.record import CALLS, CallRecord
from judicia_notebook.runtime.instance import Making
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.runtime.pool import InstancePool
from judicia_notebook.runtime.request import KINDS, Request
from judicia_notebook.runtime.runtime import Runtime

MOST_FREE = 16
MOST_ROWS = 100_000
NOT_BEGUN, LOST = "not_begun", "worker_lost"


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts that all batches of one sweep share. `key` is the sweep's own, `kind` that of its requests."""

    key: str
    kind: str
    function: str
    variants: tuple[Variant, ...]
    instances: Any
    warmup: int
    database: str | None
    monitors: tuple[str, ...] = ()

    @property
    def monitored(self) -> str | None:
        """The monitors, as the column of that name has them."""
        return ", ".join(sorted(text.partition("=")[0].strip() for text in self.monitors)) or None


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
    """A cell that was measured: its number, its call as JSON, and what its monitors counted (`counts.Counted`)."""

    cell: int
    call: bytes
    counts: bytes = b""


class Measured(NamedTuple):
    """The result of a batch; `columns` has those that the counts of its rows name."""

    worker: str
    rows: tuple[Row, ...]
    seconds: float
    columns: Mapping[str, bytes] = {}


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
        columns = laboratory.take_columns()
    except BaseException:
        laboratory.close()
        raise
    finally:
        _leave(laboratory)
    return Measured(laboratory.name, rows, time.perf_counter() - began, columns)


# One laboratory -------------------------------------------------------------------------------------------------


class Laboratory:
    """Runtimes with one plugin each, for the variants of one sweep."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = secrets.token_hex(4)  # no host and no process: the file of a sweep is handed on
        self.stopped = False
        self._benches: dict[int, _Bench] = {}
        self._children = Children()

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
            self._children.discard()  # it would keep what it has loaded
            bench = None
        if bench is None:
            chosen = self.plan.variants[variant]
            if self._children.stopped and not self.stopped:  # this laboratory was closed, and is used again
                self._children = Children()
            bench = self._benches[variant] = _Bench(self.plan, chosen, found[chosen.digest], self._children)
        return bench

    def take_columns(self) -> dict[str, bytes]:
        """The columns of what was counted since this was asked the last time."""
        found: dict[str, bytes] = {}
        for bench in self._benches.values():
            found |= bench.columns
            bench.columns = {}
        return found

    def load(self, found: Mapping[str, bytes]) -> None:
        """Load every plugin, so that a plugin that cannot be loaded raises before the first call."""
        for variant in range(len(self.plan.variants)):
            self._bench(variant, found)

    def stop(self) -> None:
        """End the running call, from any thread; the rest of the batch is not measured."""
        self.stopped = True
        for bench in tuple(self._benches.values()):
            bench.plugin.cancel_calls("the sweep was stopped")
        self._children.stop("the sweep was stopped")

    def close(self) -> None:
        """Close its runtimes, and end its child processes."""
        self._children.close()
        while self._benches:
            self._benches.popitem()[1].close()


class _Bench:
    """One plugin in a runtime of its own, or beside it in a child, without metering."""

    def __init__(self, plan: Plan, variant: Variant, wasm: bytes, children: Children) -> None:
        options: dict[str, Any] = {} if plan.database is None else {"database": plan.database}
        bare = variant.metering == NONE.metering
        self._plan = plan
        self._metering = variant.metering
        self._runtime = Runtime(**options)
        self._prepared: dict[bool, Prepared] = {}
        self.columns: dict[str, bytes] = {}
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
                metering=None if bare else variant.metering,
                features=variant.features,
            )
            self._unmetered = Unmetered(self.plugin, children) if bare else None
            if plan.monitors:
                self._prepare()  # so that a module that cannot be rewritten raises before the first call
        except BaseException:
            self._runtime.close()
            raise
        self._base = self.plugin.policy.snapshot()
        self._requests: dict[str, Request] = {}
        self._compared: set[str] = set()
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
        request = self._request(configuration.payload, data)
        self._renew = True
        payload = configuration.payload
        if self._unmetered is not None and payload not in self._compared and self._compare(request, self._unmetered):
            self._compared.add(payload)
        if not self._warm and not self._plan.monitors:  # counts are the same in any weather
            for _ in range(self._plan.warmup):
                self._call(request)
            self._warm = True
        return [Row(cell.number, *self._call(request)) for cell in cells]

    def _arrange(self, configuration: Configuration) -> None:
        base = self._base
        granted = base.granted if configuration.granted is None else configuration.granted
        quota = Quota(**configuration.quota)
        check_within(self.plugin.policy.ceiling, quota)  # the ceiling of the worker's machine may be lower
        wanted = Snapshot(granted, overlay(base.quota, quota.given()), base.on_denied)
        if wanted != self.plugin.policy.snapshot():
            self.plugin.policy.restore(wanted)

    def _request(self, digest: str, data: bytes) -> Request:
        if digest not in self._requests:
            self._requests[digest] = KINDS[self._plan.kind].unpack(self._plan.function, data)
        return self._requests[digest]

    def _prepare(self) -> Prepared:
        """The code with counters; with a limit of fuel it is another one, which counts its fuel."""
        meters = self.plugin.policy.limits.fuel is not None
        if meters not in self._prepared:
            self._prepared[meters] = prepare_monitor(self.plugin, self._plan.monitors)
        return self._prepared[meters]

    def _monitor(self, request: Request) -> tuple[Outcome, bytes]:
        """A call in an instance of its own, and what the monitors counted in it."""
        found = monitor_once(self.plugin, request, self._plan.monitors, self._prepare())
        assert found.outcome is not None  # noqa: S101  # of one call
        counted = counts.encode(found.frames())
        self.columns |= counted.columns
        return found.outcome, counted.referred

    def _attempt(self, request: Request) -> Outcome:
        if self._unmetered is None:
            return request.attempt(self.plugin)
        renew, self._renew = self._renew, False
        return self._unmetered.attempt(request, fresh=self._plan.instances == "fresh", renew=renew)

    def _compare(self, request: Request, unmetered: Unmetered) -> bool:
        """Refuse a function that answers otherwise without metering: twice here, twice there, in new instances.

        False where that could not be seen, since a call did not come to an answer: that will be a row.

        Raises
        ------
        JudiciaError
        """
        plugin, answers = self.plugin, Comparison(f"{self.plugin.name}.{request.function}")
        instances = InstancePool(plugin.name, Making(plugin._code, plugin.config), "fresh", plugin.policy)
        with plugin._on(instances) as here:
            for _ in range(2):
                try:
                    outcomes = {plugin.metering: request.attempt(here), self._metering: unmetered.attempt(request)}
                except JudiciaError:
                    return False
                for metering, outcome in outcomes.items():
                    if outcome.error is not None:
                        return False
                    answers.add(metering, outcome.value)
        answers.check()
        return True

    def _call(self, request: Request) -> tuple[bytes, bytes]:
        """A call's row, and what was counted in it."""
        counted = b""
        try:
            if self._plan.monitors:
                outcome, counted = self._monitor(request)
            else:
                outcome = self._attempt(request)
        except JudiciaError as error:
            record = (error.record if isinstance(error, CallError) else None) or self._not_begun(error)
        else:
            record = outcome.record or self._not_begun(outcome.error)
        return msgspec.json.encode(msgspec.structs.replace(record, thread=_placeless(record.thread))), counted

    def _not_begun(self, error: JudiciaError | None) -> CallRecord:
        text = f"{type(error).__name__}: {describe(error)[0]}" if error is not None else ""
        plugin, function = self.plugin, self._plan.function
        outcome = error.outcome if isinstance(error, CallError) else NOT_BEGUN
        return without_a_call(
            outcome, text, plugin.name, plugin.digest, function, plugin.abi, self._metering, self._plan.monitored
        )

    def close(self) -> None:
        self._runtime.close()


def _placeless(thread: str) -> str:
    """A thread's name without the number of its process, which Dask puts there."""
    number = str(os.getpid())
    return re.sub(rf"(?<!\d){number}(?!\d)", "pid", thread) if len(number) >= _LEAST_DIGITS else thread


_LEAST_DIGITS = 3  # a smaller one tells nothing, and may be the thread's own


def without_a_call(
    outcome: str, error: str, plugin: str, digest: str, function: str, abi: str, metering: str, monitored: str | None
) -> CallRecord:
    """The row of a cell for which no call could be made: costs are not known, counts are 0."""
    nothing: dict[str, Any] = {name: _NOTHING.get(dtype) for name, dtype in CALLS.dtypes.items()}
    known: dict[str, Any] = {
        "plugin": plugin, "digest": digest, "function": function, "abi": abi, "metering": metering,
        "origin": "sweep" if monitored is None else "monitor",
        "label": None, "labels": {}, "thread": threading.current_thread().name, "started": datetime.now(UTC),
        "outcome": outcome, "error": error, "monitored": monitored,
    }  # fmt: skip
    return CallRecord(**nothing | known)


_NOTHING = {"float64": float("nan"), "int64": 0, "category": ""}
"""What a column of a dtype has where there was no call; None where the dtype has NA."""

# All of this process --------------------------------------------------------------------------------------------

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
