"""The engine's figures in the recorder's form: samples of a call while it runs, and the limits in its row.

The engine knows no rows, and the records know no `Limits`: this file is where both meet.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.records.record import LimitsInForce

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.limits import Limits
    from judicia_notebook.engine.sandbox import Observer
    from judicia_notebook.records.recorder import Recorder


def observer(recorder: Recorder) -> Observer:
    """The function that a sandbox calls at each enter, exit, tick and grow: it adds a sample."""

    def observe(scope: Invocation, event: str, cpu_ns: int, used: int) -> None:
        recorder.add_sample(scope.call_id, event, perf_counter_ns() - recorder.began_ns, cpu_ns, used)

    return observe


class _Converted(NamedTuple):
    limits: Limits
    in_force: LimitsInForce


_last: _Converted | None = None


def limits_in_force(limits: Limits) -> LimitsInForce:
    """The limits as the row wants them; most calls in a row have the same."""
    global _last
    last = _last
    if last is not None and last.limits is limits:
        return last.in_force

    def seconds(nanoseconds: int | None) -> float | None:
        return None if nanoseconds is None else nanoseconds / 1e9

    made = LimitsInForce(seconds(limits.cpu_ns), seconds(limits.wall_ns), limits.memory_bytes, limits.fuel)
    _last = _Converted(limits, made)
    return made
