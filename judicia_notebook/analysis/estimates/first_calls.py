"""An instance's first calls beside its later ones: two distributions for each function.

Cold is the first call of an instance, with the instance made for it; warm are all later ones. Where every call has a
fresh instance, all are cold. Calls to warm up, and calls that a profiler slowed, are neither.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.estimates.quantiles import quantile
from judicia_notebook.analysis.intervals import LEVEL, check_level
from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

SPREAD = (5, 25, 75, 95)
"""The percentiles beside the median."""


class State(NamedTuple):
    """The cold calls of a series, or the warm ones: their wall times in milliseconds, sorted."""

    series: str
    cold: bool
    wall_ms: Array


@series.names_columns
def cold_warm(calls: pd.DataFrame, *, by: series.By = None, level: float = LEVEL) -> pd.DataFrame:
    """The wall time of an instance's first calls and of its later ones: a row for each function and state.

    What `jn.plots.cold_warm` draws.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label``, ``instance_call``, ``wall_ms`` and ``outcome`` are
        used, and ``origin`` where it is there.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.
    level : float
        Of the interval.

    Returns
    -------
    DataFrame
        ``series`` is a name, ``state`` is ``cold`` or ``warm``, ``calls`` a count. ``median`` with its interval
        ``low`` and ``high`` (by order statistics), and the percentiles ``p5``, ``p25``, ``p75`` and ``p95`` (linear
        interpolation) are milliseconds. NaN: an interval needs six calls. ``attrs["left_out"]`` counts the calls that
        were not used, by reason.

    Examples
    --------
    >>> import pandas as pd, judicia_notebook as jn
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [3.0, 0.4, 0.5], "outcome": "ok",
    ...                       "instance_call": [1, 2, 3]})
    >>> jn.cold_warm(calls)[["state", "calls", "median"]].values.tolist()
    [['cold', 1, 3.0], ['warm', 2, 0.45]]
    """
    import numpy as np
    import pandas as pd

    check_level(level)
    states, chosen = states_of(calls, by, len(calls))
    rows = [
        (state.series, "cold" if state.cold else "warm", len(state.wall_ms), *quantile(state.wall_ms, 50, level),
         *np.percentile(state.wall_ms, SPREAD))
        for state in states
    ]  # fmt: skip
    dtypes = {"series": "str", "state": "str", "calls": "int64"}
    dtypes |= dict.fromkeys(("median", "low", "high", *(f"p{percentile}" for percentile in SPREAD)), "float64")
    frame = pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)
    frame.attrs["left_out"] = dict(chosen.left_out)
    return with_plugin_text(frame)


def states_of(calls: pd.DataFrame, by: series.By, most: int) -> tuple[list[State], selection.Selection]:
    """The states of at most so many series and one of the rest, cold before warm, and what was left out."""
    import numpy as np

    series.refuse_mixed(calls, by)
    chosen = selection.good(calls)
    wall_ms = chosen.rows["wall_ms"].to_numpy("f8", na_value=nan)
    turn = chosen.rows["instance_call"].to_numpy("f8", na_value=nan)
    chosen.leave_out("without wall_ms or instance_call", int((np.isnan(wall_ms) | np.isnan(turn)).sum()))
    found = []
    for group in series.split(chosen.rows, by, most) if len(wall_ms) else ():
        for cold in (True, False):
            mine = group.rows[(turn[group.rows] == 1) if cold else (turn[group.rows] > 1)]
            times = np.sort(wall_ms[mine][~np.isnan(wall_ms[mine])])
            if len(times):
                found.append(State(group.name, cold, times))
    return found, chosen
