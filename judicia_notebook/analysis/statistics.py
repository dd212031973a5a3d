"""The cost of calls, a row for each function: the table of ``%plugin stats``.

Knows only the columns of `Runtime.calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

_BY = ["plugin", "function"]
_METERING = "metering"


def summarize(calls: pd.DataFrame) -> pd.DataFrame:
    """One row for each function that was called, by plugin and function; by metering, too, where there are several.

    Returns
    -------
    DataFrame
        calls, failed (outcome other than ok) and denied (host calls) are counts of all calls, cpu_ms is the sum of
        their CPU time, and memory_peak_bytes their highest. measured is the count of those that the others are of:
        calls that ended ok, not to warm up, profiled or monitored, and warm, where there are warm ones (`selection`).
        wall_ms_median and wall_ms_p95 are milliseconds without the queue, fuel_median is fuel; NA where it is never
        known. wall_ms_p95 is NA for fewer than 20.
    """
    import numpy as np

    by = [*_BY, _METERING] if len(series.meterings(calls)) > 1 else _BY
    frame = calls.assign(failed=calls["outcome"].astype(str) != "ok")
    made = frame.groupby(by, observed=True).agg(
        calls=("call_id", "size"), failed=("failed", "sum"), denied=("denied", "sum"),
        cpu_ms=("cpu_ms", "sum"), memory_peak_bytes=("memory_peak_bytes", "max"),
    )  # fmt: skip
    chosen = selection.good(calls)
    rows = [chosen.warm(rows) for rows in chosen.rows.groupby(by, observed=True).indices.values()]
    measured = chosen.rows.iloc[np.concatenate(rows) if rows else []].groupby(by, observed=True)
    costs = measured.agg(
        measured=("call_id", "size"),
        wall_ms_median=("wall_ms", "median"),
        wall_ms_p95=("wall_ms", lambda times: times.quantile(0.95) if len(times) >= _FEWEST_FOR_P95 else np.nan),
        fuel_median=("fuel", "median"),
    )
    made = made.join(costs)
    made["measured"] = made["measured"].fillna(0).astype("int64")
    return with_plugin_text(made[_COLUMNS])


_FEWEST_FOR_P95 = 20
_COLUMNS = [
    "calls", "failed", "denied", "measured", "wall_ms_median", "wall_ms_p95", "cpu_ms", "fuel_median",
    "memory_peak_bytes",
]  # fmt: skip
