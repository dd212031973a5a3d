"""Two sets of calls compared: how much, how often, how sure.

- Only calls that ended ok are compared. A remark says how many did not, with the interval of the difference.
- Calls to warm up and profiled ones are left out, and in each group cold ones, where there are warm ones.
- `matching` puts rows into groups, such as the inputs of a sweep, so that like is compared with like.
- The effects are a ratio and a difference of medians, and the share of pairs in which the second side's call costs
  less. Over all groups it is the geometric mean of the ratios, the only mean that does not depend on which side is
  the first (Fleming and Wallace, Communications of the ACM 29, 1986).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import exp, isnan, log, nan
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.estimates.extra import need_scipy
from judicia_notebook.analysis.intervals import check_level
from judicia_notebook.analysis.runs import bootstrap, pairs, remarks
from judicia_notebook.analysis.runs.bootstrap import FEWEST, Interval
from judicia_notebook.analysis.runs.effect import Effect
from judicia_notebook.analysis.runs.matching import (
    ALL,
    groups_of,
    keys_of,
    match,
    names_of,
    of_one_temperature,
    refuse_mixed,
    why_not,
)
from judicia_notebook.analysis.runs.run import Run
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.text import did_you_mean, with_plugin_text
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.figures.layout import Title

    Array = np.ndarray[Any, Any]

MEASURES = ("wall_ms", "cpu_ms", "fuel", "memory_peak_bytes")
LEVEL, RESAMPLES = 0.95, 9_999
_MOST_SHOWN = 24  # groups in a table for people


class Called(Protocol):
    """An object that has calls: a run, a runtime, a plugin, a measurement, a bench or a side of it."""

    @property
    def calls(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides of calls, and how they differ.

    Attributes
    ----------
    a, b : str
        The names of the sides.
    effects : tuple of Effect
        For each column each group; with several groups also the mean over all.
    remarks : tuple of str
        Further remarks: calls that did not end ok, groups without a counterpart, two machines.
    level : float
        Of the intervals.
    """

    a: str
    b: str
    effects: tuple[Effect, ...]
    remarks: tuple[str, ...]
    level: float

    @property
    def summary(self) -> pd.DataFrame:
        """One row for each group and column, with the fields of `Effect`."""
        import pandas as pd

        names = [field.name for field in fields(Effect)]
        rows = [[getattr(effect, name) for name in names] for effect in self.effects]
        kinds = {"group": "str", "column": "str", "count_a": "int64", "count_b": "int64"}
        dtypes = {name: kinds.get(name, "float64") for name in names}
        return with_plugin_text(pd.DataFrame(rows, columns=names).astype(dtypes))

    def effect(self, column: str, group: str | None = None) -> Effect:
        """The effect on a column in a group; without one, over all groups.

        Raises
        ------
        ValueError
            There is no such effect.
        """
        of_column = [effect for effect in self.effects if effect.column == column]
        wanted = group if group is not None else of_column[0].group if len(of_column) == 1 else ALL
        for effect in of_column:
            if effect.group == wanted:
                return effect
        known = {effect.group for effect in of_column} if of_column else {effect.column for effect in self.effects}
        name = wanted if of_column else column
        raise ValueError(f"nothing was compared of {name!r}.{did_you_mean(name, sorted(known))}")

    def plot(
        self,
        ax: Axes | None = None,
        *,
        column: str | None = None,
        width: float | None = None,
        title: Title = True,
        table: bool = True,
        legend: bool | str = True,
    ) -> Any:
        """The ratios with their intervals, a line for each group, a mark for each column (or only for one).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.
        column : str, optional
            The one column to draw.
        width, title, table, legend
            The size, and what is written: see `jn.plots`.
        """
        from judicia_notebook.analysis.figures.layout import Layout
        from judicia_notebook.analysis.portable import without_tex
        from judicia_notebook.analysis.runs import forest

        with without_tex():
            layout = Layout(ax, width, title, table=table, legend=legend)
            return forest.draw(self.effects, (self.a, self.b), self.level, layout, column)

    def title(self) -> tuple[str, str]:
        """The two sides, and the way of the comparison, for people."""
        return f"{self.b} against {self.a}", f"medians · ratio with its {self.level * 100:.4g} % bootstrap interval"

    def grid(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """The numbers for people: the heads of the columns, and the rows."""
        groups = list(dict.fromkeys(effect.group for effect in self.effects))
        shown = set(groups if len(groups) <= _MOST_SHOWN else [*groups[: _MOST_SHOWN - 1], ALL])
        named = len(groups) > 1 or groups not in ([], [ALL])
        names = dict(zip(shown, series.cut_apart(list(shown)), strict=True)) if named else {}
        rows = tuple(_row(effect, names.get(effect.group)) for effect in self.effects if effect.group in shown)
        heads = ("column", "calls", self.a, self.b, "ratio", "from", "to", f"{self.b} less in")
        return ("group", *heads) if named else heads, rows

    def notes(self) -> tuple[str, ...]:
        """The remarks, and how many groups the grid leaves out."""
        groups = {effect.group for effect in self.effects}
        if len(groups) <= _MOST_SHOWN:
            return self.remarks
        return (*self.remarks, f"{len(groups) - _MOST_SHOWN} more groups are in .summary.")

    def __str__(self) -> str:
        heads, rows = self.grid()
        table = [heads, *rows]
        widths = [max(len(row[place]) for row in table) for place in range(len(heads))]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([" · ".join(self.title()), *(f"  {line}".rstrip() for line in lines), *self.notes()])

    def __repr__(self) -> str:
        columns = dict.fromkeys(effect.column for effect in self.effects)
        texts = [f"{column} ×{_ratio(self.effect(column).ratio)}" for column in columns]
        return f"<Comparison {self.b} against {self.a}: {', '.join(texts) or 'nothing'}>"


@tells_interrupts("The comparison was interrupted.")
def compare(
    a: Called | pd.DataFrame,
    b: Called | pd.DataFrame,
    columns: str | Sequence[str] | None = None,
    *,
    by: series.By = None,
    names: tuple[str, str] | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """How much two sets of calls differ, with bootstrap intervals.

    Needs SciPy: ``python -m pip install 'judicia-notebook[stats]'``.

    Parameters
    ----------
    a, b : DataFrame, or any object with ``.calls``
        Rows of `Runtime.calls` or of what `sweep` gave; runs of `read_run`, plugins, measurements, what `Plugin.bench`
        gave, or its two sides. Calls that did not end ``ok`` are counted, and left out otherwise; so are calls to warm
        up, profiled ones, and in a group that has warm calls the cold ones.
    columns : str or sequence of str, optional
        What to compare, by default wall time, CPU time, fuel and peak memory.
    by : str or sequence of str, optional
        Which rows to compare with which: columns or keys of `jn.label` that have the same value. By default those
        that vary and have values in common: of a sweep its ``param_*`` columns, otherwise plugin, function, label and
        a bench's side. ``()``: all with all.
    names : pair of str, optional
        The names of the sides.
    level : float
        Of the intervals.
    resamples : int
        How often the samples are drawn again.
    seed : int
        The same seed gives the same intervals.

    Returns
    -------
    Comparison
        ``.summary`` as a frame, ``.plot()`` as a figure, ``.effect("wall_ms")`` as numbers. An interval needs five
        calls on either side, and is a good one from about twenty on.

    Raises
    ------
    JudiciaError
        SciPy is not installed.
    ValueError
        There is no such column, there are no two rows to compare, or the calls were metered in several ways: one
        metering can be compared with another where all else is the same.

    Examples
    --------
    >>> import pandas as pd, judicia_notebook as jn
    >>> before = pd.DataFrame({"plugin": "v1", "function": "solve", "outcome": "ok", "fuel": [200.0] * 10})
    >>> found = jn.compare(before, before.assign(plugin="v2", fuel=150.0))
    >>> found
    <Comparison v2 against v1: fuel ×0.75>
    >>> found.effect("fuel").less
    1.0
    """
    import numpy as np

    need_scipy("Comparing")
    check_level(level)
    if resamples < 1:
        raise ValueError(f"resamples is at least 1, not {resamples!r}")
    whole = (_calls_of(a), _calls_of(b))
    sides = [selection.comparable(side)[0] for side in whole]
    keys, apart = keys_of(sides, by)
    refuse_mixed(sides, keys, apart)
    groups = [groups_of(side, keys) for side in sides]
    matched = match(groups)
    if not matched.pairs:
        raise ValueError("nothing can be compared: " + why_not(groups))
    compared, temperatures = of_one_temperature(sides, matched.pairs)
    measured = _measured(sides, columns)
    rng = np.random.default_rng(seed)
    effects = [
        effect
        for column in measured
        for effect in _effects(column, [_numbers(side, column) for side in sides], compared, level, resamples, rng)
    ]
    called = names or names_of(sides, apart)
    said = [
        *remarks.about_both(apart),
        *remarks.about_origins(whole, called),
        *remarks.about_temperatures(temperatures, called),
        *remarks.about_outcomes(sides, called, level),
        *matched.remarks(called),
        *remarks.about_size(effects),
    ]
    if isinstance(a, Run) and isinstance(b, Run):
        said += remarks.about_circumstances(a.meta, b.meta)
    return Comparison(*called, tuple(effects), tuple(said), level)


def _calls_of(side: Called | pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return side if isinstance(side, pd.DataFrame) else side.calls


# Numbers -------------------------------------------------------------------------------------------------------


def _measured(sides: Sequence[pd.DataFrame], columns: str | Sequence[str] | None) -> list[str]:
    import pandas as pd

    if columns is None:
        return [name for name in MEASURES if all(name in side and side[name].notna().any() for side in sides)]
    wanted = [columns] if isinstance(columns, str) else list(columns)
    for name in wanted:
        for which, side in zip("ab", sides, strict=True):
            if name not in side or not pd.api.types.is_numeric_dtype(side[name]):
                numbers = side.select_dtypes("number").columns
                close = did_you_mean(name, map(str, numbers))
                raise ValueError(f"in {which} there is no column of numbers {name!r}.{close}")
    return wanted


def _numbers(side: pd.DataFrame, column: str) -> Array:
    """A column, NaN where the call did not end ok."""
    import numpy as np

    values = side[column].to_numpy("f8", na_value=np.nan)
    good = (side["outcome"] == "ok").to_numpy(bool, na_value=False) if "outcome" in side else True
    found: Array = np.where(good, values, np.nan)
    return found


def _effects(
    column: str,
    numbers: Sequence[Array],
    groups: Mapping[str, tuple[Array, Array]],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> list[Effect]:
    import numpy as np

    found = []
    logs = []
    for group, rows in groups.items():
        a, b = (side[here][~np.isnan(side[here])] for side, here in zip(numbers, rows, strict=True))
        if not len(a) or not len(b):
            continue
        effect, drawn = _effect(group, column, a, b, level, resamples, rng)
        found.append(effect)
        logs.append(drawn)
    if len(found) > 1:
        found.append(_over_all(column, found, logs, level))
    return found


def _effect(
    group: str, column: str, a: Array, b: Array, level: float, resamples: int, rng: np.random.Generator
) -> tuple[Effect, Array]:
    """The effect in one group, and the logarithms of the ratios that were drawn."""
    import numpy as np

    median_a, median_b = float(np.median(a)), float(np.median(b))
    enough = min(len(a), len(b)) >= FEWEST
    drawn_a, drawn_b = (bootstrap.drawn_medians(side, resamples if enough else 0, rng) for side in (a, b))
    difference = bootstrap.percentiles(median_b - median_a, drawn_b - drawn_a, level)
    less = pairs.share_less_interval(a, b, level)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(drawn_b) - np.log(drawn_a)
    logs = np.where(np.isfinite(logs), logs, np.nan)  # a median of 0 has no ratio
    whole = log(median_b / median_a) if median_a > 0 and median_b > 0 else nan
    ratio = _risen(bootstrap.percentiles(whole, logs, level))
    return Effect(group, column, len(a), len(b), median_a, median_b, *ratio, *difference, *less), logs


def _over_all(column: str, found: Sequence[Effect], logs: Sequence[Array], level: float) -> Effect:
    import numpy as np

    ratios = [effect.ratio for effect in found]
    known = all(ratio > 0 for ratio in ratios)
    mean = float(np.mean(np.log(ratios))) if known else nan
    drawn = np.mean(logs, axis=0) if known and all(len(values) for values in logs) else np.empty(0)
    ratio = _risen(bootstrap.percentiles(mean, drawn, level))
    counts = (sum(effect.count_a for effect in found), sum(effect.count_b for effect in found))
    return Effect(ALL, column, *counts, nan, nan, *ratio)


def _risen(logs: Interval) -> Interval:
    return Interval(*(exp(value) for value in logs))


# Texts ---------------------------------------------------------------------------------------------------------


def _row(effect: Effect, name: str | None) -> tuple[str, ...]:
    cells = (
        effect.column,
        _counts(effect),
        _value(effect.column, effect.median_a),
        _value(effect.column, effect.median_b),
        _ratio(effect.ratio),
        _ratio(effect.ratio_low),
        _ratio(effect.ratio_high),
        "—" if isnan(effect.less) else f"{effect.less * 100:.0f} %",
    )
    return (name, *cells) if name is not None else cells


def _counts(effect: Effect) -> str:
    a, b = format_count(effect.count_a), format_count(effect.count_b)
    return a if a == b else f"{a} / {b}"


def _ratio(value: float) -> str:
    return "—" if isnan(value) else f"{value:.4g}"


def _value(column: str, value: float) -> str:
    if isnan(value):
        return "—"
    if column.endswith("_ms"):
        return format_time(value / 1e3)
    if column.endswith("_bytes") or column.startswith("bytes_"):
        return format_size(round(value))
    return format_count(value)
