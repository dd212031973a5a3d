"""The frames of the live charts: a plugin's memory and CPU, its host calls and outcomes, since the frame before.

A frame covers the whole time since the frame before, so that nothing is lost however fast the plugin is. Its memory and
CPU are the largest of all calls that ran or ended meanwhile, and its counts are of every call.

Reading costs a fraction of a millisecond: rows are counted by position with NumPy (see
`judicia_notebook.notebook.live.readings`), and of the calls that ended only the last few are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from judicia_notebook.notebook.live.activity import calls_waiting, memory_of, running_calls
from judicia_notebook.notebook.live.readings import Ticks, tally_host_calls

if TYPE_CHECKING:
    from judicia_notebook.notebook.live.readings import Progress
    from judicia_notebook.records.record import CallKey, LimitsInForce
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.records.table import Rows, Table
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.target import RunningCall

LAST_OUTCOMES = 80
OK, OK_WITH_DENIALS, OVER_QUOTA, CANCELLED, FAILED = "o", "d", "q", "c", "x"


class Use(NamedTuple):
    """What one call used, and the limit it ran under."""

    used: float
    limit: float | None


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened since the frame before. Seconds, bytes; None is: no call, or no limit.

    `at` counts from when the runtime began. `host` has calls and denied ones by capability; one that needs none is "".
    `outcomes` has a letter for each of the last calls that ended, the newest last, and `ended` counts them all.
    """

    at: float
    memory: float | None = None
    memory_limit: float | None = None
    cpu: float | None = None
    cpu_limit: float | None = None
    host: dict[str, tuple[int, int]] = {}
    ended: int = 0
    outcomes: str = ""
    running: int = 0
    waiting: int = 0


class FrameReader:
    """Reads the frames of one plugin, from one runtime's recorder."""

    def __init__(self, recorder: Recorder, plugin: str) -> None:
        self._recorder = recorder
        self._plugin = plugin
        self._calls_at = recorder.calls.end
        self._host_calls = tally_host_calls(recorder)
        self._host_seen = dict(self._host_calls.counts())
        self._ticks = Ticks(recorder)

    def mark(self, plugin: Plugin) -> tuple[object, ...]:
        """A value that changes whenever a new frame may differ; cheap enough to read again and again."""
        recorder, running = self._recorder, running_calls(plugin)
        busy = perf_counter_ns() if running else 0
        return recorder.calls.end, recorder.host_calls.end, plugin.policy.version, plugin.state, busy

    def read(self, plugin: Plugin) -> Frame:
        """The frame since the last reading."""
        running = [call for call in running_calls(plugin) if call.started_ns]
        ticks = self._ticks.of(call.scope.call_id for call in running)
        ended = self._ended()
        limits = plugin.policy.limits
        idle_memory, idle_cpu = limits.memory_bytes, _seconds(limits.cpu_ns)
        memory = _largest(
            [*(Use(memory_of(call), call.scope.budget.limits.memory_bytes) for call in running), *ended.memory]
        )
        cpu = _largest([*(_cpu_use(call, ticks) for call in running), *ended.cpu])
        return Frame(
            at=round((perf_counter_ns() - self._recorder.began_ns) / 1e9, 3),
            memory=memory.used if memory else None,
            memory_limit=memory.limit if memory else idle_memory,
            cpu=round(cpu.used, 6) if cpu else None,
            cpu_limit=cpu.limit if cpu else idle_cpu,
            host=self._host(),
            ended=ended.calls,
            outcomes=ended.letters,
            running=len(running),
            waiting=calls_waiting(plugin),
        )

    def _host(self) -> dict[str, tuple[int, int]]:
        """Host calls since the last time, and the denied among them, by capability."""
        counts = self._host_calls.counts()
        found: dict[str, tuple[int, int]] = {}
        for kind, count in counts.items():
            new = count - self._host_seen.get(kind, 0)
            if new and kind.plugin == self._plugin:
                calls, denied = found.get(kind.capability, (0, 0))
                found[kind.capability] = (calls + new, denied + (new if kind.decision == "denied" else 0))
        self._host_seen = dict(counts)
        return found

    def _ended(self) -> Ended:
        table = self._recorder.calls
        end = table.end
        runs = table.rows(self._calls_at, end) if end != self._calls_at else ()
        self._calls_at = end
        found = Ended()
        for run in runs:
            found = _with_run(found, table, run, self._plugin)
        return found


class Ended(NamedTuple):
    """The calls of a plugin that ended in a stretch of time: how many, the largest uses, the last outcomes."""

    calls: int = 0
    memory: tuple[Use, ...] = ()
    cpu: tuple[Use, ...] = ()
    letters: str = ""


def _with_run(before: Ended, table: Table[CallKey], run: Rows[CallKey], plugin: str) -> Ended:
    import numpy as np

    columns = table.layout.array(run)
    indexes = columns["key"]
    keys = {index: run.keys[index] for index in np.unique(indexes).tolist()}
    wanted = [index for index, key in keys.items() if key.subject.plugin == plugin]
    if not wanted:
        return before
    rows = columns if len(wanted) == len(keys) else columns[np.isin(indexes, wanted)]
    largest, busiest = rows[int(rows["memory_peak_bytes"].argmax())], rows[int(rows["cpu_ns"].argmax())]
    last = rows[-LAST_OUTCOMES:]
    letters = "".join(
        _letter(keys[index], denied)
        for index, denied in zip(last["key"].tolist(), last["denied"].tolist(), strict=True)
    )
    memory = Use(max(int(largest["memory_peak_bytes"]), 0), _limits(keys, largest).memory_bytes)
    cpu = Use(int(busiest["cpu_ns"]) / 1e9, _limits(keys, busiest).cpu_s)
    return Ended(
        before.calls + len(rows),
        (*before.memory, memory),
        (*before.cpu, cpu),
        (before.letters + letters)[-LAST_OUTCOMES:],
    )


def _limits(keys: dict[int, CallKey], row: Any) -> LimitsInForce:
    """The limits that the call of a row ran under."""
    return keys[int(row["key"])].limits


def _letter(key: CallKey, denied: int) -> str:
    outcome = key.outcome
    if outcome == "ok":
        return OK_WITH_DENIALS if denied else OK
    if outcome.startswith("quota_"):
        return OVER_QUOTA
    return CANCELLED if outcome == "cancelled" else FAILED


def last_outcomes(recorder: Recorder, plugin: str) -> str:
    """A letter for each of the last calls of a plugin, the newest last, as far as a look back costs nothing."""
    table = recorder.calls
    end = table.end
    found = Ended()
    for run in table.rows(max(0, end - 4096), end):
        found = _with_run(found, table, run, plugin)
    return found.letters


def _largest(uses: Iterable[Use]) -> Use | None:
    return max(uses, key=lambda use: use.used, default=None)


def _cpu_use(call: RunningCall, ticks: dict[int, Progress]) -> Use:
    seen = ticks.get(call.scope.call_id)
    return Use(seen.cpu_ns / 1e9 if seen else 0.0, _seconds(call.scope.budget.limits.cpu_ns))


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
