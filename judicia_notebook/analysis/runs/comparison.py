"""Two sets of calls compared: how much, how often, how sure.

- Only calls that ended ok are compared. A remark says how many did not, with the interval of the difference.
- `matching` puts rows into groups, such as the inputs of a sweep, so that like is compared with like.
- The effects are a ratio and a difference of medians, and the share of pairs in which the second side's call costs
  less. Over all groups it is the geometric mean of the ratios, the only mean that does not depend on which side is
  the first (Fleming and Wallace, Communications of the ACM 29, 1986).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import exp, isnan, log, nan
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.analysis.figures import series
from judicia_notebook.analysis.figures.success import wilson
from judicia_notebook.analysis.runs import bootstrap
from judicia_notebook.analysis.runs.bootstrap import FEWEST, Interval
from judicia_notebook.analysis.runs.effect import Effect
from judicia_notebook.analysis.runs.matching import ALL, groups_of, keys_of, match, names_of, why_not
from judicia_notebook.analysis.runs.run import Run
from judicia_notebook.errors import JudiciaError
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.text import did_you_mean, with_plugin_text
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

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

    def plot(self, ax: Axes | None = None, *, column: str | None = None) -> Any:
        """The ratios with their intervals, a line for each group, a mark for each column (or only for one)."""
        from judicia_notebook.analysis.runs import forest

        return forest.draw(self.effects, (self.a, self.b), self.level, ax, column)

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
        gave, or its two sides. Calls that did not end ``ok`` are counted, and left out otherwise.
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
        There is no such column, or there are no two rows to compare.

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

    if importlib.util.find_spec("scipy") is None:
        raise JudiciaError(
            "Comparing needs SciPy, which is not installed.",
            hint="python -m pip install 'judicia-notebook[stats]'",
        )
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is between 0 and 1 and resamples at least 1, not {level!r} and {resamples!r}")
    sides = (_calls_of(a), _calls_of(b))
    keys, apart = keys_of(sides, by)
    groups = [groups_of(side, keys) for side in sides]
    matched = match(groups)
    if not matched.pairs:
        raise ValueError("nothing can be compared: " + why_not(groups))
    measured = _measured(sides, columns)
    rng = np.random.default_rng(seed)
    effects = [
        effect
        for column in measured
        for effect in _effects(column, [_numbers(side, column) for side in sides], matched.pairs, level, resamples, rng)
    ]
    called = names or names_of(sides, apart)
    remarks = [
        *_about_both(apart),
        *_about_outcomes(sides, called, level),
        *matched.remarks(called),
        *_about_size(effects),
    ]
    if isinstance(a, Run) and isinstance(b, Run):
        remarks += _about_circumstances(a.meta, b.meta)
    return Comparison(*called, tuple(effects), tuple(remarks), level)


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
    pairs: Mapping[str, tuple[Array, Array]],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> list[Effect]:
    import numpy as np

    found = []
    logs = []
    for group, rows in pairs.items():
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
    less = bootstrap.share_less_interval(a, b, level, resamples, rng)
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


# Remarks -------------------------------------------------------------------------------------------------------


def _about_both(apart: Sequence[str]) -> list[str]:
    """The columns in which the sides have no value in common, where there are several."""
    return [f"The sides have no value in common of {', '.join(apart)}."] if len(apart) > 1 else []


def _about_outcomes(sides: Sequence[pd.DataFrame], called: tuple[str, str], level: float) -> list[str]:
    """How many calls ended ok, and how much the shares differ."""
    if any("outcome" not in side for side in sides):
        return []
    lines = []
    counts = []
    for side, name in zip(sides, called, strict=True):
        well, bad = series.good(side)
        counts.append((len(well), len(side)))
        if bad:
            lines.append(f"{format_count(len(side) - len(well))} of {series.plural(len(side), 'call')} of {name} did "
                        f"not end ok ({bad}) and are left out.")  # fmt: skip
    if lines:
        difference = _difference_of_shares(counts[0], counts[1], level)
        shares = [f"{good / number * 100:.1f} % of {name}" for (good, number), name in zip(counts, called, strict=True)]
        points, low, high = (f"{part * 100:+.1f}" for part in difference)
        lines.append(f"The share of calls that ended ok is {shares[0]} and {shares[1]}: {points} points "
                    f"({level * 100:.4g} %: {low} to {high}).")  # fmt: skip
    return lines


def _difference_of_shares(a: tuple[int, int], b: tuple[int, int], level: float) -> Interval:
    """With the interval of R. G. Newcombe (Statistics in Medicine 17, 1998, method 10)."""
    import numpy as np
    from scipy import stats

    z = float(stats.norm.ppf((1 + level) / 2))
    shares = [good / number for good, number in (a, b)]
    (low_a, high_a), (low_b, high_b) = (
        [float(end[0]) for end in wilson(np.array([good]), np.array([number]), z)] for good, number in (a, b)
    )
    share = shares[1] - shares[0]
    low = share - float(np.hypot(shares[1] - low_b, high_a - shares[0]))
    high = share + float(np.hypot(high_b - shares[1], shares[0] - low_a))
    return Interval(share, low, high)


def _about_size(effects: Sequence[Effect]) -> list[str]:
    few = {effect.group for effect in effects if min(effect.count_a, effect.count_b) < FEWEST}
    said = f"Without an interval, for fewer than {FEWEST} calls on a side: {series.plural(len(few), 'group')}."
    return [said] if few else []


def _about_circumstances(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The machines and packages of the runs, where they differ."""
    lines = []
    for what in ("machine", "packages", "clocks"):
        first, second = (meta.get(what, {}) for meta in (a, b))
        if isinstance(first, dict) and isinstance(second, dict):
            differing = sorted(key for key in {*first, *second} if first.get(key) != second.get(key))
            if differing:
                lines.append(f"The runs differ in their {what}: {', '.join(differing)}.")
    return lines


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
