"""How a cost grows with the size of the input: a power law a function, fitted by `power_law`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.estimates.extra import need_scipy
from judicia_notebook.analysis.estimates.power_law import LEVEL, PowerLaw, fit
from judicia_notebook.analysis.intervals import check_level
from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

UNKNOWN = "without fuel or size"
_MOST_SIZES = 200  # of a series, that are fitted and drawn as they are


class Curve(NamedTuple):
    """One series of calls, and the law that was fitted to it.

    Attributes
    ----------
    of : Series
        Its rows are positions in the calls that have a size and a cost.
    all_sizes, all_costs : array
        Of each call.
    sizes, costs : array
        Each size once, rising, with the median of its costs.
    law : PowerLaw or None
        None where there are too few sizes, or where the cost does not grow.
    """

    of: series.Series
    all_sizes: Array
    all_costs: Array
    sizes: Array
    costs: Array
    law: PowerLaw | None


@series.names_columns
def growth(
    calls: pd.DataFrame,
    *,
    size: str = "bytes_in",
    column: str = "fuel",
    by: series.By = None,
    linear: bool = True,
    level: float = LEVEL,
) -> pd.DataFrame:
    """How a cost grows with the size of the input: the exponent of a power law, a row a function.

    The law is ``c + d * size + a * size ** k``: a fixed cost, a cost that is linear in the size, such as reading the
    input, and the power. What `jn.plots.growth` draws. Needs SciPy:
    ``python -m pip install 'judicia-notebook[stats]'``.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls` or of a sweep; ``plugin``, ``function``, ``outcome``, the size and the cost are used,
        and ``instance_call`` and ``origin`` where they are there.
    size : str
        What the size of an input is: a column of numbers, or a key of `jn.label`.
    column : str
        The cost: a column of numbers. Fuel does not depend on the machine.
    by : str or sequence of str, optional
        What to tell apart instead of functions: columns, or keys of `jn.label`.
    linear : bool
        False where there is certainly no cost that is linear in the size: the interval is then narrower.
    level : float
        Of the interval.

    Returns
    -------
    DataFrame
        One row a series, the one with the most calls first. ``series`` is its name; ``calls`` and ``sizes`` are counts
        of what was used; ``smallest`` and ``largest`` are sizes, in the unit of the size. ``model`` is ``c + d n + a
        n^k``, or ``c + a n^k`` where a straight line is not refuted. ``exponent`` is k, ``exponent_low`` and
        ``exponent_high`` its interval; ``fixed``, ``linear`` and ``factor`` are c, d and a, in the unit of the cost.
        ``misfit`` is the largest relative deviation from the curve. Where the points do not have this form,
        ``rejected`` is True, and there is no interval. NaN and NA, where there are fewer than five sizes or the cost
        does not grow. ``attrs["left_out"]`` counts the calls that were not used, by reason.

    Raises
    ------
    JudiciaError
        SciPy is not installed.
    ValueError
        The size or the cost is neither a column nor a label, or no number.

    Examples
    --------
    >>> import pandas as pd, judicia_notebook as jn
    >>> sizes = [10, 100, 1000, 10_000, 100_000, 1_000_000]
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "outcome": "ok", "bytes_in": sizes})
    >>> found = jn.growth(calls.assign(fuel=[500 + 3 * n + 2 * n**2 for n in sizes]))
    >>> found[["series", "model", "exponent"]].round(3).values.tolist()
    [['checker.check', 'c + d n + a n^k', 2.0]]
    """
    import pandas as pd

    check_level(level)
    curves, chosen = curves_of(calls, size, by, column=column, linear=linear, level=level, most=len(calls))
    frame = pd.DataFrame([_row(curve) for curve in curves], columns=list(_DTYPES)).astype(_DTYPES)
    frame.attrs["left_out"] = dict(chosen.left_out)
    return with_plugin_text(frame)


_DTYPES = {
    "series": "str",
    "calls": "int64",
    "sizes": "int64",
    "smallest": "float64",
    "largest": "float64",
    "model": "str",
    "exponent": "float64",
    "exponent_low": "float64",
    "exponent_high": "float64",
    "fixed": "float64",
    "linear": "float64",
    "factor": "float64",
    "misfit": "float64",
    "rejected": "boolean",
}


def _row(curve: Curve) -> tuple[Any, ...]:
    law = curve.law
    counts = (curve.of.name, len(curve.all_sizes), len(curve.sizes), curve.sizes[0], curve.sizes[-1])
    if law is None:
        return (*counts, None, *[None] * 7, None)
    numbers = (law.exponent, law.low, law.high, law.fixed, law.linear, law.factor, law.misfit)
    return (*counts, law.terms, *numbers, law.rejected)


def curves_of(
    calls: pd.DataFrame,
    size: str,
    by: series.By,
    *,
    most: int,
    column: str = "fuel",
    linear: bool = True,
    level: float = LEVEL,
) -> tuple[list[Curve], selection.Selection]:
    """The curves of at most so many series and one of the rest, and what was left out."""
    need_scipy("Fitting a growth")
    series.refuse_mixed(calls, by)
    chosen = selection.good(calls)
    if chosen.rows.empty:
        return [], chosen
    sizes, costs = _numbers(chosen.rows, size), _numbers(chosen.rows, column)
    known = (sizes > 0) & (costs > 0)  # NA is neither
    chosen.leave_out(UNKNOWN if column == "fuel" else f"without {column} or size", int((~known).sum()))
    chosen.rows, sizes, costs = chosen.rows[known], sizes[known], costs[known]
    curves = []
    what, join = ("functions", ".") if by is None else ("series", ", ")
    for group in series.split(chosen.rows, by or ["plugin", "function"], most, what=what, join=join):
        rows = chosen.warm(group.rows)
        at, medians = _medians(sizes[rows], costs[rows])
        law = fit(at, medians, linear=linear, level=level)
        curves.append(Curve(group, sizes[rows], costs[rows], at, medians, law))
    return curves, chosen


def _numbers(good: pd.DataFrame, name: str) -> Array:
    import pandas as pd

    found = series.column(good, name)
    try:
        numbers: Array = pd.to_numeric(found).to_numpy("f8", na_value=float("nan"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"a size is a number, and {name!r} is not always one: {error}") from None
    return numbers


def _medians(sizes: Array, costs: Array) -> tuple[Array, Array]:
    """Each size once with the median of its costs; of very many sizes, neighbours together at their geometric mean."""
    import numpy as np

    order = np.argsort(sizes, kind="stable")
    sizes, costs = sizes[order], costs[order]
    at, first = np.unique(sizes, return_index=True)
    if len(at) > _MOST_SIZES:
        edges = np.geomspace(at[0], at[-1], _MOST_SIZES + 1)[:-1]
        first = np.unique(np.searchsorted(sizes, edges))
    ends = [*first[1:], len(sizes)]
    groups = [slice(begin, end) for begin, end in zip(first, ends, strict=True)]
    return (
        np.array([np.exp(np.log(sizes[group]).mean()) for group in groups]),
        np.array([np.median(costs[group]) for group in groups]),
    )
