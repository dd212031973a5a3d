"""The sentences below a comparison: what was left out, and what the sides do not have in common. Knows frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection, shares
from judicia_notebook.analysis.runs.bootstrap import FEWEST
from judicia_notebook.analysis.runs.effect import Effect
from judicia_notebook.analysis.runs.matching import Temperatures
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd


def about_both(apart: Sequence[str]) -> list[str]:
    """The columns in which the sides have no value in common, where there are several."""
    return [f"The sides have no value in common of {', '.join(apart)}."] if len(apart) > 1 else []


def about_origins(sides: Sequence[pd.DataFrame], called: tuple[str, str]) -> list[str]:
    """How many calls were made for something other than to be measured."""
    return [
        f"{selection.in_words(apart.items())} of {name} are left out."
        for side, name in zip(sides, called, strict=True)
        if (apart := selection.comparable(side)[1])
    ]


def about_temperatures(found: Temperatures, called: tuple[str, str]) -> list[str]:
    """How many cold calls were left out, and where a side has no others."""
    lines = [
        f"{series.plural(number, 'cold call')} of {name} left out: there are warm ones like "
        f"{'it' if number == 1 else 'them'}."
        for number, name in zip(found.cold, called, strict=True)
        if number
    ]
    for side, number in found.unlike.items():
        if number:
            lines.append(f"In {series.plural(number, 'group')} all calls of {called[side]} are cold, and those of "
                         f"{called[1 - side]} warm.")  # fmt: skip
    return lines


def about_outcomes(sides: Sequence[pd.DataFrame], called: tuple[str, str], level: float) -> list[str]:
    """How many calls ended ok, and how much the shares differ."""
    if any("outcome" not in side for side in sides):
        return []
    lines = []
    counts = []
    for side, name in zip(sides, called, strict=True):
        ended = side["outcome"]
        well = (ended == "ok").to_numpy(bool, na_value=False)
        counts.append((int(well.sum()), len(side)))
        if bad := selection.in_words(ended[~well].value_counts().items()):
            lines.append(f"{format_count(int((~well).sum()))} of {series.plural(len(side), 'call')} of {name} did "
                        f"not end ok ({bad}) and are left out.")  # fmt: skip
    if lines:
        difference = shares.difference(counts[0], counts[1], level)
        ended_ok = [
            f"{good / number * 100:.1f} % of {name}" for (good, number), name in zip(counts, called, strict=True)
        ]
        points, low, high = (f"{part * 100:+.1f}" for part in difference)
        lines.append(f"The share of calls that ended ok is {ended_ok[0]} and {ended_ok[1]}: {points} points "
                    f"({level * 100:.4g} %: {low} to {high}).")  # fmt: skip
    return lines


def about_size(effects: Sequence[Effect]) -> list[str]:
    few = {effect.group for effect in effects if min(effect.count_a, effect.count_b) < FEWEST}
    said = f"Without an interval, for fewer than {FEWEST} calls on a side: {series.plural(len(few), 'group')}."
    return [said] if few else []


def about_circumstances(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The machines and packages of the runs, where they differ."""
    lines = []
    for what in ("machine", "packages", "clocks"):
        first, second = (meta.get(what, {}) for meta in (a, b))
        if isinstance(first, dict) and isinstance(second, dict):
            differing = sorted(key for key in {*first, *second} if first.get(key) != second.get(key))
            if differing:
                lines.append(f"The runs differ in their {what}: {', '.join(differing)}.")
    return lines
