"""How fuel grows with the size of the input, and with which exponent.

The curve is ``fuel = c + a * size ** k`` with c and a not negative. Without c, the fixed cost of a call would bend the
straight line through the logarithms, and make every exponent too small. `fit` in `power_law` fits the curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures import scales, series
from judicia_notebook.analysis.figures.power_law import PowerLaw, fit
from judicia_notebook.analysis.figures.tables import Column, write_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_MOST_SIZES = 200  # of a series, that are fitted and drawn as they are
_DOTS = 1000


class _Curve(NamedTuple):
    of: series.Series
    sizes: Array  # rising, distinct
    fuel: Array  # the median of each size
    dots: tuple[Array, Array]
    law: PowerLaw | None


@series.names_columns
def growth(calls: pd.DataFrame, ax: Axes | None = None, *, size: str = "bytes_in", by: series.By = None) -> Any:
    """Fuel against input size on logarithmic axes, with the fitted exponent of each function.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label``, ``fuel``, ``outcome`` and the size are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    size : str
        What the size of an input is: a column of numbers, or a key of `jn.label`.
    by : str or sequence of str, optional
        What to tell apart instead of functions: columns, or keys of `jn.label`. Labels tell series apart only when
        named here, since they may be the sizes.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        The exponent k of ``fuel = c + a * size ** k`` and its 95 % interval stand below; a function whose inputs have
        fewer than five sizes has none. Only calls that ended ok and whose fuel is known. The first call of an instance
        pays for what is made once, so those are left out of a series that has later ones too.

    Raises
    ------
    ValueError
        The size is neither a column nor a label, or no number.

    Examples
    --------
    >>> import pandas as pd
    >>> sizes = [10, 100, 1000, 10_000, 100_000, 1_000_000]
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "outcome": "ok", "bytes_in": sizes})
    >>> figure = growth(calls.assign(fuel=[500 + 3 * n for n in sizes]))
    >>> figure.axes[0].get_legend().get_texts()[0].get_text().split()[-4:]
    ['6', '1.000', '1.000–1.000', '500']
    """
    good, failed = series.good(calls)
    curves, unknown, cold = _curves(good, size, by) if len(good) else ([], 0, 0)
    axes = style.new_axes(3.4 + 0.17 * len(curves) if curves else 1.2) if ax is None else ax
    others = (f"{number} {what}" for number, what in ((unknown, "without fuel or size"), (cold, "cold")) if number)
    left_out = ", ".join(part for part in (failed, *others) if part)
    if not curves:
        style.message(axes, f"Nothing can be drawn: {left_out}." if left_out else "No calls yet.")
        return style.drawn(axes, ax)
    style.dress(axes)
    lines = [_draw(axes, curve) for curve in curves]
    _scale(axes, curves, size)
    _write(axes, lines, curves)
    drawn = series.plural(len(good) - unknown - cold, "call")
    style.title(axes, drawn + (f" · not drawn: {left_out}" if left_out else ""))
    return style.drawn(axes, ax)


def _curves(good: pd.DataFrame, size: str, by: series.By) -> tuple[list[_Curve], int, int]:
    import numpy as np

    sizes, fuel = _numbers(good, size), good["fuel"].to_numpy("f8", na_value=np.nan)
    known = (sizes > 0) & (fuel > 0)  # NA is neither
    rows, sizes, fuel = good[known], sizes[known], fuel[known]
    turn = rows["instance_call"].to_numpy("f8", na_value=np.nan) if "instance_call" in rows else np.full(len(rows), 1.0)
    curves, cold = [], 0
    what, join = ("functions", ".") if by is None else ("series", ", ")
    for group in series.split(rows, by or ["plugin", "function"], what=what, join=join):
        warm = group.rows[turn[group.rows] > 1]
        chosen = warm if len(warm) else group.rows
        cold += len(group.rows) - len(chosen)
        at, medians = _medians(sizes[chosen], fuel[chosen])
        some = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _DOTS)).round().astype(np.intp)]
        curves.append(_Curve(group, at, medians, (sizes[some], fuel[some]), fit(at, medians)))
    return curves, int((~known).sum()), cold


def _numbers(good: pd.DataFrame, size: str) -> Array:
    import pandas as pd

    found = series.column(good, size)
    try:
        numbers: Array = pd.to_numeric(found).to_numpy("f8", na_value=float("nan"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"a size is a number, and {size!r} is not always one: {error}") from None
    return numbers


def _medians(sizes: Array, fuel: Array) -> tuple[Array, Array]:
    """Each size once with the median of its fuel; of very many sizes, neighbours together at their geometric mean."""
    import numpy as np

    order = np.argsort(sizes, kind="stable")
    sizes, fuel = sizes[order], fuel[order]
    at, first = np.unique(sizes, return_index=True)
    if len(at) > _MOST_SIZES:
        edges = np.geomspace(at[0], at[-1], _MOST_SIZES + 1)[:-1]
        first = np.unique(np.searchsorted(sizes, edges))
    ends = [*first[1:], len(sizes)]
    groups = [slice(begin, end) for begin, end in zip(first, ends, strict=True)]
    return (
        np.array([np.exp(np.log(sizes[group]).mean()) for group in groups]),
        np.array([np.median(fuel[group]) for group in groups]),
    )


def _draw(axes: Axes, curve: _Curve) -> Artist:
    import numpy as np

    colour, dashes = curve.of.line(style.look_of(axes))
    axes.plot(*curve.dots, ".", color=colour, ms=3, mew=0, alpha=0.35)
    if curve.law is None:
        [line] = axes.plot(curve.sizes, curve.fuel, "o", color=colour, ms=4.5)
        return line
    axes.plot(curve.sizes, curve.fuel, "o", color=colour, ms=3.5)
    at = np.geomspace(curve.sizes[0], curve.sizes[-1], 200)
    [line] = axes.plot(at, curve.law(at), dashes, color=colour, linewidth=1.6, zorder=3)
    return line


def _scale(axes: Axes, curves: list[_Curve], size: str) -> None:
    sizes = [end for curve in curves for end in (curve.sizes[0], curve.sizes[-1])]
    label = "input" if size == "bytes_in" else size
    axes.set_xlim(*scales.room(min(sizes), max(sizes)))
    fuel = [end for curve in curves for end in (curve.dots[1].min(), curve.dots[1].max(), curve.fuel.max())]
    axes.set_ylim(*scales.room(min(fuel), max(fuel)))
    label = f"{label}, bytes" if size.startswith("bytes") else label
    scales.count_axis(axes, "x", label, min(sizes), max(sizes), log=True)
    scales.count_axis(axes, "y", "fuel", min(fuel), max(fuel), log=True)


def _write(axes: Axes, lines: list[Artist], curves: list[_Curve]) -> None:
    laws = [curve.law for curve in curves]
    columns = [
        Column("sizes", 8, [f"{len(curve.sizes)}" for curve in curves]),
        Column("exponent", 11, ["–" if law is None else f"{law.exponent:.3f}" for law in laws]),
        Column("95 %", 14, ["–" if law is None else f"{law.low:.3f}–{law.high:.3f}" for law in laws]),
        Column("fixed fuel", 12, ["–" if law is None else scales.short_count(round(law.fixed)) for law in laws]),
    ]
    write_table(axes, lines, [curve.of.name for curve in curves], columns)
