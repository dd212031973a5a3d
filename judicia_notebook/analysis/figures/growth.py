"""How fuel grows with the size of the input, and with which exponent. `exponents` fits the curves."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.estimates import exponents
from judicia_notebook.analysis.estimates.exponents import Curve
from judicia_notebook.analysis.estimates.power_law import PowerLaw
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.tables import Column

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_DOTS = 1000  # of a series; evenly out of its calls where there are more


@series.figure_of_frames
def growth(
    calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    size: str = "bytes_in",
    by: series.By = None,
    linear: bool = True,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Fuel against input size on logarithmic axes, with the fitted exponent of each function.

    `jn.growth` gives the numbers. Needs SciPy: ``python -m pip install 'judicia-notebook[stats]'``.

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
    linear : bool
        False where there is certainly no cost that is linear in the size, as for `jn.growth`.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        The exponent k of ``fuel = c + d * size + a * size ** k`` and its 95 % interval stand below, ``rejected`` where
        fuel does not have this form. A function whose inputs have fewer than five sizes has none. Only calls that ended
        ok and whose fuel is known, and neither those to warm up nor profiled ones. The first call of an instance pays
        for what is made once, so those are left out of a series that has later ones too.

    Raises
    ------
    JudiciaError
        SciPy is not installed.
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
    curves, chosen = exponents.curves_of(calls, size, by, most=style.NAMED, linear=linear)
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    left_out = chosen.words()
    if not curves:
        return layout.message(f"Nothing can be drawn: {left_out}." if left_out else "No calls yet.")
    style.dress(axes)
    lines = [_draw(axes, curve) for curve in curves]
    _scale(axes, curves, size)
    _write(layout, lines, curves)
    drawn = series.plural(sum(len(curve.all_sizes) for curve in curves), "call")
    layout.title(drawn + (f" · not drawn: {left_out}" if left_out else ""))
    return layout.done()


def _draw(axes: Axes, curve: Curve) -> Artist:
    import numpy as np

    colour, dashes = curve.of.line(style.look_of(axes))
    some = np.linspace(0, len(curve.all_sizes) - 1, min(len(curve.all_sizes), _DOTS)).round().astype(np.intp)
    axes.plot(curve.all_sizes[some], curve.all_costs[some], ".", color=colour, ms=rc.mark_size(3), mew=0, alpha=0.35)
    if curve.law is None:
        [line] = axes.plot(curve.sizes, curve.costs, "o", color=colour, ms=rc.mark_size(4.5))
        return line
    axes.plot(curve.sizes, curve.costs, "o", color=colour, ms=rc.mark_size(3.5))
    at = np.geomspace(curve.sizes[0], curve.sizes[-1], 200)
    [line] = axes.plot(at, curve.law(at), dashes, color=colour, linewidth=rc.line_width(1.6), zorder=3)
    return line


def _scale(axes: Axes, curves: list[Curve], size: str) -> None:
    sizes = [end for curve in curves for end in (curve.sizes[0], curve.sizes[-1])]
    label = "input" if size == "bytes_in" else size
    axes.set_xlim(*scales.room(min(sizes), max(sizes)))
    fuel = [end for curve in curves for end in (curve.all_costs.min(), curve.all_costs.max())]
    axes.set_ylim(*scales.room(min(fuel), max(fuel)))
    label = f"{label}, bytes" if size.startswith("bytes") else label
    scales.count_axis(axes, "x", label, min(sizes), max(sizes), log=True)
    scales.count_axis(axes, "y", "fuel", min(fuel), max(fuel), log=True)


def _write(layout: Layout, lines: list[Artist], curves: list[Curve]) -> None:
    laws = [curve.law for curve in curves]
    columns = [
        Column("sizes", [f"{len(curve.sizes)}" for curve in curves]),
        Column("exponent", ["–" if law is None else f"{law.exponent:.3f}" for law in laws]),
        Column("95 %", [_interval(law) for law in laws]),
        Column("fixed fuel", ["–" if law is None else scales.short_count(round(law.fixed)) for law in laws]),
    ]
    layout.table(lines, [curve.of.name for curve in curves], columns)


def _interval(law: PowerLaw | None) -> str:
    if law is None:
        return "–"
    return "rejected" if isnan(law.low) else f"{law.low:.3f}–{law.high:.3f}"
