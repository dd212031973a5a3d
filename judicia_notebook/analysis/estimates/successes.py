"""The share of inputs that end ok under each limit.

- An input counts once, however often it was called: its share of calls that ended ok goes into the mean over inputs.
  Of a deterministic guest eight calls of each of seven inputs are seven facts, and not 56.
- The shares are those of these inputs. Nothing is said of inputs that were not called.
- So there is only something uncertain where repeats of one input under one limit can differ: under a quota of time,
  or where they did differ. Then there is an interval; its trials are as many as if each input had been called as often
  as the input that was called least. That is never too narrow: differences between inputs only take from the variance.
- A sweep says which calls are of one input. Elsewhere nothing does, unless `inputs` names columns or labels. Without
  that each call counts once.
- Cold calls are left out where there are warm ones of the same input under the same limit, and so are calls to warm up
  and profiled ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.estimates.extra import need_scipy
from judicia_notebook.analysis.estimates.shares import Share, wilson
from judicia_notebook.analysis.intervals import LEVEL, check_level
from judicia_notebook.text import did_you_mean, with_plugin_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

QUOTAS = {"memory": "limit_memory_bytes", "cpu": "limit_cpu_ms", "wall": "limit_wall_ms", "fuel": "limit_fuel"}
"""The quotas that calls are recorded with, and the column of each limit."""
_OF_TIME = frozenset({"cpu", "wall"})  # which a repeat of the same call may exceed or not
_PARAM, _CONFIGURED = "param_", ("param_quota", "param_plugin", "param_metering")
_SAME_CODE = ("plugin", "digest", "function")


class Curve(NamedTuple):
    """The shares of one series, a place for each limit or, of very many, for neighbouring ones.

    Attributes
    ----------
    limits : array
        In the unit of the limit's column; the geometric mean where a place has several.
    inputs, calls, fewest : array
        At each place: inputs, their calls, and the calls of the input with the fewest.
    shares, low, high : array
        NaN where there is no interval.
    differing : bool
        Whether repeats of one input under one limit can differ.
    total : int
        How many inputs there are in all.
    """

    of: series.Series
    limits: Array
    inputs: Array
    calls: Array
    fewest: Array
    shares: Array
    low: Array
    high: Array
    differing: bool
    total: int


class Shares(NamedTuple):
    """All curves, and what they are about."""

    quota: str
    curves: list[Curve]
    total: int  # of inputs; several curves may be of the same ones
    named: bool  # whether anything says which calls are of one input
    not_ok: dict[str, int]  # of the calls that have such a limit
    left_out: dict[str, int]


@series.names_columns
def success(
    calls: pd.DataFrame,
    *,
    quota: str | None = None,
    by: series.By = None,
    inputs: series.By = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """The share of inputs that end ok under each limit: a row for each function and limit.

    What `jn.plots.success` draws. Intervals need SciPy: ``python -m pip install 'judicia-notebook[stats]'``.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls` or of a sweep; ``plugin``, ``function``, ``label``, ``outcome`` and ``limit_*`` are
        used, and ``instance_call``, ``origin`` and ``digest`` where they are there.
    quota : {"memory", "cpu", "wall", "fuel"}, optional
        By default the one that takes the most values.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.
    inputs : str or sequence of str, optional
        What has the same values in calls of the same input: columns, or keys of `jn.label`. By default the
        ``param_*`` columns of a sweep, but for those of plugins, quotas and metering; elsewhere each call counts once.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        ``series`` is a name. The limit's own column, such as ``limit_memory_bytes``, is in its unit. ``inputs``,
        ``calls`` and ``fewest`` are counts: inputs, their calls, and the calls of the input with the fewest;
        ``inputs`` is NA where nothing tells them apart. ``share`` is the mean over inputs. ``low`` and ``high`` are
        Wilson's score interval of it, for the repeats of these inputs; NaN where repeats cannot differ
        (``differing`` is False): the share is then exact. ``attrs["left_out"]`` counts the calls that were not used,
        by reason.

    Raises
    ------
    JudiciaError
        An interval is needed, and SciPy is not installed.
    ValueError
        There is no such quota, column or label.

    Examples
    --------
    >>> import pandas as pd, judicia_notebook as jn
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "param_payload": ["a", "b"] * 8,
    ...                       "outcome": ["ok", "quota_memory"] * 8, "limit_memory_bytes": 1 << 20})
    >>> jn.success(calls)[["inputs", "calls", "share", "low"]].values.tolist()
    [[2, 16, 0.5, nan]]
    """
    import pandas as pd

    check_level(level)
    found = shares_of(calls, quota, by, inputs, most=len(calls), most_limits=len(calls), level=level)
    limit = QUOTAS[found.quota]
    dtypes = {"series": "str", limit: "float64", "inputs": "Int64", "calls": "int64", "fewest": "int64"}
    dtypes |= {**dict.fromkeys(("share", "low", "high"), "float64"), "differing": "bool"}
    rows = [
        (curve.of.name, at, number if found.named else None, *numbers, curve.differing)
        for curve in found.curves
        for at, number, *numbers in zip(
            curve.limits, curve.inputs, curve.calls, curve.fewest, curve.shares, curve.low, curve.high, strict=True
        )
    ]
    frame = pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)
    frame.attrs["left_out"] = found.left_out
    return with_plugin_text(frame)


def shares_of(
    calls: pd.DataFrame,
    quota: str | None,
    by: series.By,
    inputs: series.By,
    *,
    most: int,
    most_limits: int,
    level: float = LEVEL,
) -> Shares:
    """The curves of at most so many series and one of the rest, each with at most so many places."""
    import numpy as np

    series.refuse_mixed(calls, by)
    kind = _chosen(calls, quota)
    comparable, apart = selection.comparable(calls)
    all_limits = comparable[QUOTAS[kind]].to_numpy("f8", na_value=np.nan)
    known = all_limits > 0  # NA is not
    rows, limits = comparable[known], all_limits[known]
    names = _names(rows, inputs)
    codes = _codes(rows, names)
    cells = _numbered([codes, limits])  # one for each input under each limit
    warm, kept = selection.is_warm(rows), np.zeros(len(rows), bool)
    counted = codes if names else np.arange(len(rows))
    good = (rows["outcome"] == "ok").to_numpy(bool, na_value=False)
    curves = []
    for group in series.split(rows, by, most):
        # Warm calls of another series say nothing of the cold ones of this.
        mine = group.rows[_without_cold(cells[group.rows], warm[group.rows])]
        kept[mine] = True
        differing = kind in _OF_TIME or (bool(names) and _differ(cells[mine], good[mine]))
        if differing:
            need_scipy("An interval of a share")
        curves.append(_curve(group, limits[mine], counted[mine], good[mine], most_limits, level if differing else None))
    ended_badly = rows["outcome"][kept & ~good].value_counts()
    not_ok = {str(outcome): int(number) for outcome, number in ended_badly.items() if number}
    more = {selection.COLD: int((~kept).sum()), f"without a {kind} quota": int((~known).sum())}
    left_out = {reason: number for reason, number in {**apart, **more}.items() if number}
    return Shares(kind, curves, len(np.unique(codes[kept])), bool(names), not_ok, left_out)


def _chosen(calls: pd.DataFrame, quota: str | None) -> str:
    if quota is None:
        there = [name for name, column in QUOTAS.items() if column in calls]
        return max(there, key=lambda name: calls[QUOTAS[name]].nunique(), default="memory")
    if quota not in QUOTAS:
        raise ValueError(f"{quota!r} is no quota that calls are recorded with.{did_you_mean(quota, QUOTAS)}")
    return quota


def _names(rows: pd.DataFrame, inputs: series.By) -> Sequence[str]:
    """The columns and labels that tell inputs apart; none where nothing does."""
    if inputs is not None:
        return [inputs] if isinstance(inputs, str) else list(inputs)
    return [str(name) for name in rows if str(name).startswith(_PARAM) and not str(name).startswith(_CONFIGURED)]


def _codes(rows: pd.DataFrame, names: Sequence[str]) -> Array:
    """A number for each call, the same for calls of one input, or with no names of one module's function."""
    columns = [rows[name] for name in _SAME_CODE if name in rows] + [series.column(rows, name) for name in names]
    # As texts: the fields of a sweep's payloads may be lists, and an input may lack one.
    return _numbered([column.astype("object").map(repr).to_numpy() for column in columns], len(rows))


def _numbered(columns: Sequence[Array], count: int = 0) -> Array:
    """The number of each row's combination of values among the different ones."""
    import numpy as np
    import pandas as pd

    whole = np.zeros(len(columns[0]) if columns else count, np.int64)
    for column in columns:
        codes, found = pd.factorize(column)
        whole = pd.factorize(whole * len(found) + codes)[0]
    return whole


def _without_cold(cells: Array, warm: Array) -> Array:
    """Which calls count: of an input under a limit the warm ones, or all, where none is."""
    import numpy as np

    _, here = np.unique(cells, return_inverse=True)
    has_warm = np.bincount(here, warm, minlength=1) > 0
    found: Array = warm | ~has_warm[here]
    return found


def _differ(cells: Array, good: Array) -> bool:
    """Whether an input ended ok under a limit, and once more not."""
    import numpy as np

    number, well = np.bincount(cells), np.bincount(cells, good)
    return bool(((well > 0) & (well < number)).any())


def _curve(
    group: series.Series, limits: Array, codes: Array, good: Array, most_limits: int, level: float | None
) -> Curve:
    import numpy as np

    at, which = _places(limits, most_limits)
    numbers: list[tuple[int, int, int, Share]] = []
    for place in range(len(at)):
        here = which == place
        _, inputs = np.unique(codes[here], return_inverse=True)
        number = np.bincount(inputs)
        share = float((np.bincount(inputs, good[here]) / number).mean())
        trials = int(number.min()) * len(number)
        found = Share(share, nan, nan) if level is None else wilson(share * trials, trials, level)
        numbers.append((len(number), int(number.sum()), int(number.min()), found))
    inputs_, calls, fewest, found_ = zip(*numbers, strict=True)
    shares, low, high = np.array(found_).T
    total = len(np.unique(codes))
    counts = (np.array(inputs_), np.array(calls), np.array(fewest))
    return Curve(group, at, *counts, shares, low, high, level is not None, total)


def _places(limits: Array, most: int) -> tuple[Array, Array]:
    """The places of points on the axis, and the place that each call belongs to."""
    import numpy as np

    at, which = np.unique(limits, return_inverse=True)
    which = which.reshape(-1)
    if len(at) <= most:
        return at, which
    group = (np.arange(len(at)) * most) // len(at)
    means = np.exp(np.bincount(group, np.log(at)) / np.bincount(group))
    return means, group[which]
