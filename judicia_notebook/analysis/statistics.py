"""The cost of calls, a row for each function: the table of ``%plugin stats``.

Knows only the columns of `Runtime.calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import pandas as pd


def summarize(calls: pd.DataFrame) -> pd.DataFrame:
    """One row for each function that was called, by plugin and function.

    Returns
    -------
    DataFrame
        calls, failed (outcome other than ok) and denied (host calls) are counts; wall_ms_median and wall_ms_p95 are of
        all calls, in milliseconds without their queue; cpu_ms is the sum of CPU time; fuel_median is NA where it is
        never known; memory_peak_bytes is the highest of all calls.
    """
    frame = calls.assign(failed=calls["outcome"].astype(str) != "ok")
    groups = frame.groupby(["plugin", "function"], observed=True)
    made = groups.agg(
        calls=("call_id", "size"),
        failed=("failed", "sum"),
        denied=("denied", "sum"),
        wall_ms_median=("wall_ms", "median"),
        wall_ms_p95=("wall_ms", lambda times: times.quantile(0.95)),
        cpu_ms=("cpu_ms", "sum"),
        fuel_median=("fuel", "median"),
        memory_peak_bytes=("memory_peak_bytes", "max"),
    )
    return with_plugin_text(made)
