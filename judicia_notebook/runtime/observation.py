"""The engine's figures in the recorder's form: samples of a call while it runs, and the limits in its row.

The engine knows no rows, and the records know no `Limits`: this file is where both meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.records.record import LimitsInForce

if TYPE_CHECKING:
    from judicia_notebook.engine.limits import Limits


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
