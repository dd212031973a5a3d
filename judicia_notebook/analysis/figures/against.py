"""Any column against any parameter: the median at each value, with its interval, a line for each variant.

Rows that share a value of the parameter are repeats of one measurement. Their median and its interval assume nothing of
their distribution (`intervals`), and what lies between two values is not measured: the line only leads the eye.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.tables import Column
from judicia_notebook.analysis.intervals import LEVEL, Estimate, median_interval
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_MARKS = ("o", "s", "D", "^", "v", "P", "X", "h")  # so that lines are told apart without colour as well
_MOST_PLACES = 50
_APART = 0.5  # of the room of a name on the x axis, shared by the variants
_HEAD = 14  # letters of a name in the table's head
_KNOWN = {
    "cpu_ms": "CPU time",
    "memory_peak_bytes": "peak memory",
    "bytes_in": "input, bytes",
    "bytes_out": "answer, bytes",
}
_NEAR = 0.5  # of the smallest to the largest: below it a linear axis begins at 0


class _Curve(NamedTuple):
    of: series.Series
    places: Array  # on the x axis, rising
    medians: list[Estimate]


@series.figure_of_frames
def against(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: series.By = None,
    ax: Axes | None = None,
    width: float | None = None,
    *,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """A column against a parameter: median and 95 % interval at each of its values, one line a variant.

    Parameters
    ----------
    frame : DataFrame
        A sweep's, `Runtime.calls`, or any other. Where it has the column ``outcome``, only rows that are ``ok`` count,
        and neither calls to warm up nor profiled ones, nor the first call of an instance in a line that has later ones.
    x : str
        The parameter: a column, or a key of `jn.label`. Its values may be numbers or names.
    y : str
        What was measured: a column of numbers. ``_ms`` and ``_bytes`` at the end of its name are its unit.
    by : str or sequence of str, optional
        What to tell apart: columns, or keys of `jn.label`; otherwise functions.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Below stand how many rows each line and each of its points has, and the medians at its ends. A hollow mark is a
        median of fewer than six numbers, for which there is no 95 % interval. Of more than fifty numbers on the x axis
        neighbours are put together, at their median.

    Raises
    ------
    ValueError
        There is no such column, y is no number, or the calls were metered in several ways that neither x nor by tells
        apart.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"param_n": [10, 20] * 6, "guest_ms": range(12), "plugin": "sorter"})
    >>> figure = against(frame, "param_n", "guest_ms", by="plugin")
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('n', 'guest time, median, ms')
    """
    import numpy as np

    chosen = selection.good(frame) if "outcome" in frame else selection.Selection(frame)
    good = chosen.rows
    series.refuse_mixed(good, (x, by) if isinstance(by, str) else (x, *(by or ())))
    numbers, parameter = _numbers(good, y), series.column(good, x)
    known = ~(np.isnan(numbers) | parameter.isna().to_numpy(bool))
    numbers, parameter, rows = numbers[known], parameter[known], good[known]
    layout = Layout(ax, width, title, table=table, legend=legend)
    chosen.leave_out(f"without {x} or {y}", int((~known).sum()))
    chosen.rows = rows
    groups = [group._replace(rows=chosen.warm(group.rows)) for group in _groups(rows, by, y)] if len(rows) else []
    left_out = chosen.words()
    if not groups:
        return layout.message(f"Nothing can be drawn: {left_out}." if left_out else "There are no rows.")
    places, names = _places(parameter, _quantity(x).unit)
    curves = [_curve(group, places, numbers) for group in groups]
    _draw(layout, curves, _quantity(x), _quantity(y), names)
    few = any(found.low is None for curve in curves for found in curve.medians)
    drawn = sum(len(group.rows) for group in groups)
    parts = [series.plural(drawn, "call" if "outcome" in frame else "row"),
             f"medians with {LEVEL * 100:.4g} % intervals", "hollow: too few for one" if few else "",
             f"not drawn: {left_out}" if left_out else ""]  # fmt: skip
    layout.title(" · ".join(part for part in parts if part))
    return layout.done()


# What is drawn -------------------------------------------------------------------------------------------------


def _numbers(rows: pd.DataFrame, name: str) -> Array:
    """A column in its base unit: seconds, bytes, or what it counts."""
    import numpy as np
    import pandas as pd

    try:
        numbers: Array = pd.to_numeric(series.column(rows, name)).to_numpy("f8", na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise ValueError(f"a median is of numbers, and {name!r} is not always one: {error}") from None
    return numbers / 1e3 if _quantity(name).unit == "s" else numbers


def _groups(rows: pd.DataFrame, by: series.By, y: str) -> list[series.Series]:
    import numpy as np

    names = [name for name in ("plugin", "function") if name in rows]
    if by is None and not names:
        return [series.Series(y, np.arange(len(rows)), 0)]
    what, join = ("functions", ".") if by is None else ("series", ", ")
    return series.split(rows, by or names, what=what, join=join)


def _places(parameter: pd.Series[Any], unit: str) -> tuple[Array, list[str]]:
    """Where on the x axis each row is, and the names of the places where these are no numbers."""
    import numpy as np
    import pandas as pd

    try:
        numbers = pd.to_numeric(parameter).to_numpy("f8")
    except (ValueError, TypeError):
        codes, found = pd.factorize(parameter, sort=isinstance(parameter.dtype, pd.CategoricalDtype))
        return codes.astype("f8"), [str(name) for name in found]
    if unit == "s":
        numbers = numbers / 1e3
    at, which = np.unique(numbers, return_inverse=True)
    if len(at) > _MOST_PLACES:
        group = (np.arange(len(at)) * _MOST_PLACES) // len(at)
        at = np.array([np.median(at[group == number]) for number in range(_MOST_PLACES)])
        which = group[which]
    return at[which], []


def _curve(of: series.Series, places: Array, numbers: Array) -> _Curve:
    import numpy as np

    at, which = np.unique(places[of.rows], return_inverse=True)
    order = np.argsort(which, kind="stable")
    parts = np.split(numbers[of.rows][order], np.searchsorted(which[order], np.arange(1, len(at))))
    return _Curve(of, at, [median_interval(part.tolist()) for part in parts])


# How it is drawn -----------------------------------------------------------------------------------------------


def _draw(layout: Layout, curves: list[_Curve], x: _Quantity, y: _Quantity, names: list[str]) -> None:
    axes = layout.axes
    style.dress(axes)
    apart = _APART / max(len(curves), 1) if names else 0.0
    lines = [
        _draw_curve(axes, curve, apart * (number - (len(curves) - 1) / 2), joined=not names)
        for number, curve in enumerate(curves)
    ]
    if names:
        layout.columns(names)
        style.label(axes, x=x.name)
    else:
        x.scale(axes, "x", x.name, [place for curve in curves for place in curve.places])
    ends = [found for curve in curves for found in curve.medians]
    values = [value for found in ends for value in (found.median, found.low, found.high) if value is not None]
    y.scale(axes, "y", f"{y.name}, median", values)
    layout.table(lines, [curve.of.name for curve in curves], _numbers_of(curves, x, y, names))


def _draw_curve(axes: Axes, curve: _Curve, shift: float, *, joined: bool) -> Artist:
    import numpy as np

    look = style.look_of(axes)
    colour, dashes = curve.of.line(look)
    mark, places = _MARKS[curve.of.number % len(_MARKS)], curve.places + shift
    medians = np.array([found.median for found in curve.medians])
    few = np.array([found.low is None for found in curve.medians])
    low, high = (
        np.array([getattr(found, end) for found in curve.medians])[~few].astype("f8") for end in ("low", "high")
    )
    wide, size = rc.line_width(1.4), rc.mark_size(4.5)
    axes.vlines(places[~few], low, high, color=colour, linewidth=wide)
    for end in (low, high):
        axes.plot(places[~few], end, "_", color=colour, ms=size, mew=wide)
    how: dict[str, Any] = {"marker": mark, "color": colour, "linewidth": wide, "ms": size, "zorder": 3}
    [line] = axes.plot(places, medians, linestyle=dashes if joined else "none", **how)
    axes.plot(places[few], medians[few], mark, color=look.ground, mec=colour, mew=wide, ms=size, zorder=4)
    return line


def _numbers_of(curves: list[_Curve], x: _Quantity, y: _Quantity, names: list[str]) -> list[Column]:
    """How many rows there are, in all and a point, and the medians where the lines begin and end."""
    counts = [[found.count for found in curve.medians] for curve in curves]
    columns = [
        Column("n", [format_count(sum(count)) for count in counts]),
        Column("a point", [_range(min(count), max(count)) for count in counts]),
    ]
    ends = sorted({place for curve in curves for place in curve.places})
    for place in dict.fromkeys([ends[0], ends[-1]]):
        at = [dict(zip(curve.places, curve.medians, strict=True)).get(place) for curve in curves]
        cells = ["–" if found is None or found.median is None else y.text(found.median) for found in at]
        head = series.cut(names[int(place)], _HEAD) if names else x.text(place)
        columns.append(Column(f"at {head}", cells))
    return columns


def _range(least: int, most: int) -> str:
    return format_count(least) if least == most else f"{format_count(least)}–{format_count(most)}"


# What a column measures ----------------------------------------------------------------------------------------


class _Quantity(NamedTuple):
    """What a column measures: its name for people, its unit (``s``, ``bytes`` or none), and a number of it as text."""

    name: str
    unit: str
    text: Callable[[float], str]

    def scale(self, axes: Axes, which: scales.Which, label: str, values: Sequence[float]) -> None:
        """Make the axis: logarithmic where values are far apart, and otherwise from 0 where that is near."""
        smallest, largest = min(values), max(values)
        log = smallest > 0 and largest / smallest > scales.LOG_SPREAD
        limit = axes.set_xlim if which == "x" else axes.set_ylim
        if log:
            limit(*scales.room(smallest, largest))
        elif which == "y" and 0 <= smallest < _NEAR * largest:
            limit(0, largest * 1.06)
        if self.unit == "s":
            scales.time_axis(axes, which, label, smallest, largest, log=log)
        elif self.unit == "bytes":
            scales.bytes_axis(axes, which, label, smallest, largest, log=log)
        else:
            scales.number_axis(
                axes, which, label, smallest, largest, log=log, at=sorted(set(values)) if which == "x" else ()
            )


def _quantity(column: str) -> _Quantity:
    plain = column.removeprefix("param_").removeprefix("label_")
    for ending, unit, text, noun in (("_ms", "s", format_time, "time"), ("_bytes", "bytes", format_size, "")):
        if f"_{plain}".endswith(ending):
            words = f"_{plain}".removesuffix(ending).replace("_", " ")
            return _Quantity(_KNOWN.get(column) or f"{words} {noun}".strip() or "size", unit, text)
    return _Quantity(_KNOWN.get(column) or plain.replace("_", " "), "", scales.short_count)
