"""The frame of a growth: what it finds, what it rejects, and what it says without SciPy."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis import plots
from judicia_notebook.analysis.estimates.power_law import fit

SIZES = np.geomspace(10, 1e5, 20).round()


def calls_of(fuel: Any, sizes: Any = SIZES) -> pd.DataFrame:
    return pd.DataFrame({"plugin": "p", "function": "f", "outcome": "ok", "bytes_in": sizes, "fuel": fuel})


@pytest.mark.parametrize("scatter", [0, 0.001, 0.01])
def test_the_interval_of_a_quadratic_with_a_fixed_and_a_linear_cost_holds_two(scatter: float) -> None:
    chosen = np.random.default_rng(4)
    fuel = (2000 + 116 * SIZES + 0.05 * SIZES**2) * (1 + scatter * chosen.standard_normal(len(SIZES)))
    [row] = jn.growth(calls_of(fuel)).itertuples()
    assert (row.model, row.rejected) == ("c + d n + a n^k", False)
    assert row.exponent_low <= 2 <= row.exponent_high
    assert row.exponent_high - row.exponent_low < 0.4
    assert row.linear == pytest.approx(116, rel=0.1)


def test_without_the_linear_cost_that_interval_would_not() -> None:
    """Why the model has it: the same numbers, and an interval beside the truth."""
    [row] = jn.growth(calls_of(2000 + 116 * SIZES + 0.05 * SIZES**2), linear=False).itertuples()
    assert row.rejected or not row.exponent_low <= 2 <= row.exponent_high


def test_a_line_has_an_exponent_of_one_although_any_power_of_nothing_fits() -> None:
    [row] = jn.growth(calls_of(500 + 3 * SIZES)).itertuples()
    assert row.model == "c + a n^k"
    assert (row.exponent, row.exponent_low, row.exponent_high) == pytest.approx((1, 1, 1), abs=1e-6)
    assert (row.fixed, row.linear, row.factor) == pytest.approx((500, 0, 3))


@pytest.mark.parametrize("grows", [lambda n: n * np.log2(n), lambda n: n**2 + n**3 / 1e3, lambda n: 300 * np.log(n)])
def test_what_is_no_power_is_rejected_and_has_no_interval(grows: Callable[[Any], Any]) -> None:
    calls = calls_of(500 + grows(SIZES))
    [row] = jn.growth(calls).itertuples()
    assert row.rejected
    assert np.isnan([row.exponent_low, row.exponent_high]).all()
    assert row.exponent > 0
    assert 0.001 < row.misfit < 1
    assert "rejected" in plots.growth(calls).axes[0].get_legend().get_texts()[0].get_text()


def test_points_of_the_right_form_are_rejected_once_in_a_hundred_times() -> None:
    chosen, sets = np.random.default_rng(9), 200
    laws = [
        fit(SIZES, (500 + 40 * SIZES + SIZES**1.7) * (1 + 0.02 * chosen.standard_normal(len(SIZES))))
        for _ in range(sets)
    ]
    assert sum(law is None or law.rejected for law in laws) <= 0.01 * sets + 4 * (0.01 * sets) ** 0.5


def test_a_series_a_row_with_what_was_used_and_what_was_not() -> None:
    calls = pd.concat([calls_of(SIZES), calls_of(SIZES**2).assign(function="g").head(4)])
    calls.loc[calls["bytes_in"] == SIZES[0], "fuel"] = np.nan
    found = jn.growth(calls)
    assert found["series"].tolist() == ["p.f", "p.g"]
    assert found["sizes"].tolist() == [19, 3]
    assert found["exponent"].isna().tolist() == [False, True]
    assert pd.isna(found["rejected"][1])
    assert found.attrs["left_out"] == {"without fuel or size": 2}
    assert jn.growth(calls.head(0)).columns.tolist() == found.columns.tolist()


def test_another_cost_can_grow() -> None:
    calls = calls_of(1.0).assign(wall_ms=2 * SIZES**1.5)
    assert jn.growth(calls, column="wall_ms")["exponent"].tolist() == pytest.approx([1.5])
    with pytest.raises(ValueError, match="no column and no label 'fuel'"):
        plots.growth(calls.drop(columns="fuel"))


@pytest.mark.parametrize(
    "ask",
    [
        jn.growth,
        plots.growth,
        lambda calls: jn.success(calls.assign(limit_cpu_ms=1.0)),
        lambda calls: plots.success(calls.assign(limit_cpu_ms=1.0)),
        lambda calls: jn.compare(calls, calls),
    ],
)
def test_without_scipy_it_says_which_extra_brings_it(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[pd.DataFrame], Any]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "scipy" else found(name))
    with pytest.raises(jn.JudiciaError, match="needs SciPy") as caught:
        ask(calls_of(SIZES))
    assert caught.value.hint == "python -m pip install 'judicia-notebook[stats]'"


def test_what_needs_no_scipy_works_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    calls = calls_of(SIZES).assign(wall_ms=SIZES, instance_call=2, limit_memory_bytes=1)
    assert jn.percentiles(calls)["value"].notna().sum() == 2
    assert jn.cold_warm(calls)["low"].notna().all()
    assert jn.success(calls)["share"].tolist() == [1.0]
