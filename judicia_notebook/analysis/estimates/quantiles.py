"""Percentiles of a column of calls, with intervals by order statistics: two of the numbers themselves bound each."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.intervals import LEVEL, check_level, interval_ranks
from judicia_notebook.text import did_you_mean, with_plugin_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

PERCENTILES = (50, 95, 99)


class Sample(NamedTuple):
    """One series, and the numbers of its calls, sorted."""

    of: series.Series
    numbers: Array
    cold: bool  # all are first calls of an instance


@series.names_columns
def percentiles(
    calls: pd.DataFrame,
    column: str = "wall_ms",
    *,
    by: series.By = None,
    percentiles: Sequence[float] = PERCENTILES,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Percentiles of a column with their intervals, a row for each function and percentile.

    What `jn.plots.latency` marks, for ``wall_ms``.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls` or of a sweep; ``plugin``, ``function``, ``label``, ``outcome`` and the column are used,
        and ``instance_call`` and ``origin`` where they are there.
    column : str
        A column of numbers.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.
    percentiles : sequence of float
        Each between 0 and 100.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        ``series`` is a name; ``cold`` is whether its calls were the first ones of their instances; ``calls`` is a
        count; ``percentile`` is what was asked for. ``value``, by linear interpolation, ``low`` and ``high`` are in
        the unit of the column. The interval covers the true percentile with a probability of at least `level` where
        calls are independent, whatever their distribution. NaN where there are too few calls: a value needs one that
        could lie beyond it (p95 20, p99 100; the median needs none), an interval of 95 % needs 6 calls for the median,
        72 for p95, 368 for p99. ``attrs["left_out"]`` counts the calls that were not used, by reason.

    Raises
    ------
    ValueError
        There is no such column of numbers, or a percentile is not between 0 and 100.

    Examples
    --------
    >>> import pandas as pd, judicia_notebook as jn
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "outcome": "ok", "wall_ms": range(1, 101)})
    >>> jn.percentiles(calls, percentiles=[50, 95])[["percentile", "value", "low", "high"]].values.tolist()
    [[50.0, 50.5, 40.0, 61.0], [95.0, 95.05, 90.0, 100.0]]
    """
    import pandas as pd

    if not all(0 < percentile < 100 for percentile in percentiles):
        raise ValueError(f"a percentile is between 0 and 100, not {list(percentiles)!r}")
    check_level(level)
    samples, chosen = samples_of(calls, column, by, len(calls))
    rows = [
        (sample.of.name, sample.cold, len(sample.numbers), percentile, *quantile(sample.numbers, percentile, level))
        for sample in samples
        for percentile in percentiles
    ]
    dtypes = {"series": "str", "cold": "bool", "calls": "int64"}
    dtypes |= dict.fromkeys(("percentile", "value", "low", "high"), "float64")
    frame = pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)
    frame.attrs["left_out"] = dict(chosen.left_out)
    return with_plugin_text(frame)


def samples_of(calls: pd.DataFrame, column: str, by: series.By, most: int) -> tuple[list[Sample], selection.Selection]:
    """The numbers of at most so many series and one of the rest, and what was left out."""
    import numpy as np

    series.refuse_mixed(calls, by)
    chosen = selection.good(calls)
    values = _numbers(chosen.rows, column)
    chosen.leave_out(f"without {column}", int(np.isnan(values).sum()))
    chosen.rows, values = chosen.rows[~np.isnan(values)], values[~np.isnan(values)]
    warm = selection.is_warm(chosen.rows)
    found = []
    for group in series.split(chosen.rows, by, most) if len(values) else ():
        rows = chosen.warm(group.rows)
        cold = "instance_call" in calls and not warm[rows].any()
        found.append(Sample(group, np.sort(values[rows]), cold))
    return found, chosen


def _numbers(good: pd.DataFrame, column: str) -> Array:
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    if not is_numeric_dtype(good[column]):
        near = did_you_mean(column, map(str, good.select_dtypes("number").columns))
        raise ValueError(f"{column!r} is no column of numbers.{near}")
    values: Array = good[column].to_numpy("f8", na_value=np.nan)
    return values


def quantile(ordered: Array, percentile: float, level: float = LEVEL) -> tuple[float, float, float]:
    """A percentile of sorted numbers and its interval; NaN where they are too few."""
    import numpy as np

    count = len(ordered)
    enough = percentile == 50 or count * min(percentile, 100 - percentile) >= 100
    value = float(np.percentile(ordered, percentile)) if enough and count else nan
    ranks = interval_ranks(count, percentile / 100, level) if enough else None
    return (value, nan, nan) if ranks is None else (value, float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))
