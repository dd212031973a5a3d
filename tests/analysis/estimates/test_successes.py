"""The share of inputs that end ok: an input counts once, and an interval is only for what can differ."""

from __future__ import annotations

from math import isnan
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis import plots
from judicia_notebook.analysis.estimates import shares

INPUTS, REPEATS = 7, 8


def repeated(good: int = 4, quota: str = "memory", **columns: Any) -> pd.DataFrame:
    """Eight calls of each of seven inputs, of which so many always end ok."""
    rows = [
        {"param_payload": f"input {number}", "outcome": "ok" if number < good else f"quota_{quota}"}
        for number in range(INPUTS)
        for _ in range(REPEATS)
    ]
    limits = {"limit_memory_bytes": 1 << 20, "limit_cpu_ms": 50.0}
    return pd.DataFrame(rows).assign(plugin="p", function="f", **(limits | columns))


def title_of(figure: Any) -> str:
    return " · ".join(figure.axes[0].get_title(loc="left").splitlines())  # a long one has several


def test_repeats_of_seven_inputs_are_seven_and_exact() -> None:
    [row] = jn.success(repeated(), quota="memory").itertuples()
    assert (row.inputs, row.calls, row.fewest) == (7, 56, 8)
    assert row.share == pytest.approx(4 / 7)
    assert not row.differing
    assert isnan(row.low)
    assert isnan(row.high)


def test_the_figure_has_no_band_and_says_why() -> None:
    figure = plots.success(repeated(), quota="memory")
    assert title_of(figure) == "56 calls of 7 inputs · not ok: 24 quota_memory · no band: repeats cannot differ"
    assert not figure.axes[0].collections
    assert figure.axes[0].get_ylabel() == "inputs that ended ok"


def test_under_a_quota_of_time_there_is_an_interval_over_the_repeats() -> None:
    [row] = jn.success(repeated(quota="cpu"), quota="cpu").itertuples()
    assert (row.low, row.high) == shares.wilson(32, 56, 0.95)[1:]
    figure = plots.success(repeated(quota="cpu"), quota="cpu")
    assert "band: 95 %, of repeats" in title_of(figure)
    assert figure.axes[0].collections


def test_an_input_counts_once_however_often_it_was_called() -> None:
    """One that never ends ok, called a hundred times, beside three that do, called twice: three of four."""
    often = pd.DataFrame({"param_payload": ["bad"] * 100, "outcome": "quota_cpu"})
    rest = pd.DataFrame({"param_payload": ["a", "b", "c"] * 2, "outcome": "ok"})
    calls = pd.concat([often, rest]).assign(plugin="p", function="f", limit_cpu_ms=50.0)
    [row] = jn.success(calls).itertuples()
    assert (row.inputs, row.calls, row.fewest, row.share) == (4, 106, 2, 0.75)
    assert (row.low, row.high) == shares.wilson(6, 8, 0.95)[1:]


def test_repeats_that_did_differ_have_an_interval_whatever_the_quota() -> None:
    calls = repeated()
    calls.loc[0, "outcome"] = "trap"
    [row] = jn.success(calls, quota="memory").itertuples()
    assert row.differing
    assert row.share == pytest.approx((3 + 7 / 8) / 7)
    assert row.low < row.share < row.high


def test_each_series_has_a_band_or_none_of_its_own() -> None:
    calls = pd.concat([repeated(), repeated().assign(function="g")], ignore_index=True)
    calls.loc[0, "outcome"] = "trap"
    figure = plots.success(calls, quota="memory")
    assert "band: only where repeats can differ" in title_of(figure)
    assert len(figure.axes[0].collections) == 2  # a band, and a line where it has no width; of one series


def test_what_nothing_tells_apart_counts_by_calls_and_claims_nothing() -> None:
    calls = repeated().drop(columns="param_payload")
    [row] = jn.success(calls, quota="memory").itertuples()
    assert pd.isna(row.inputs)
    assert (row.calls, row.fewest, row.differing) == (56, 1, False)
    assert row.share == pytest.approx(32 / 56)
    assert title_of(plots.success(calls, quota="memory")).endswith("no band: inputs= is not said")


def test_inputs_are_told_by_columns_or_labels() -> None:
    calls = repeated().rename(columns={"param_payload": "case"})
    assert jn.success(calls, quota="memory", inputs="case")["inputs"].tolist() == [7]
    labelled = calls.assign(label="case", label_case=calls["case"])
    by_label = jn.success(labelled.drop(columns="case"), quota="memory", inputs="case", by="function")
    assert by_label["inputs"].tolist() == [7]
    with pytest.raises(ValueError, match="no column and no label 'chase'"):
        jn.success(calls, quota="memory", inputs="chase")


def test_a_limit_that_no_cold_call_meets_is_judged_by_warm_ones() -> None:
    """A cold call makes its instance, and takes more."""
    calls = repeated(7, instance_call=2)
    cold = calls[calls["param_payload"] == "input 0"].head(1).assign(instance_call=1, outcome="quota_memory")
    found = jn.success(pd.concat([calls, cold]), quota="memory")
    assert (found["share"].tolist(), found.attrs["left_out"]) == ([1.0], {"cold": 1})
    only = jn.success(pd.concat([calls[calls["param_payload"] != "input 0"], cold]), quota="memory")
    assert only["share"].tolist() == [pytest.approx(6 / 7)]


def test_a_sweeps_payloads_are_its_inputs() -> None:
    frame = jn.sweep("example:specimen", "grow", [{"bytes": n << 20} for n in (1, 2, 5)],
                     quotas=[{"memory": f"{n}MiB"} for n in (2, 4, 8)], repeats=2, progress=False)  # fmt: skip
    found = jn.success(frame, quota="memory")
    assert found["limit_memory_bytes"].tolist() == [2 << 20, 4 << 20, 8 << 20]
    assert found["share"].tolist() == pytest.approx([0, 2 / 3, 1])
    assert found["inputs"].tolist() == [3, 3, 3]
    assert found["calls"].tolist() == [6, 6, 6]
    assert not found["differing"].any()


def test_very_many_limits_are_drawn_at_thirty_places_and_all_told() -> None:
    calls = pd.DataFrame({"param_payload": "a", "outcome": "ok", "limit_fuel": range(1, 101)})
    calls = calls.assign(plugin="p", function="f")
    assert len(jn.success(calls)) == 100
    [line] = [line for line in plots.success(calls).axes[0].get_lines() if line.get_marker() == "o"]
    assert len(line.get_xdata()) == 30


def test_a_series_of_cold_calls_keeps_them_where_another_has_warm_ones() -> None:
    calls = pd.DataFrame({
        "plugin": "p", "function": "f", "outcome": "ok", "limit_memory_bytes": 1 << 20, "param_payload": "a",
        "instance_call": [1, 2, 3], "label_v": ["A", "B", "B"],
    })  # fmt: skip
    found = jn.success(calls, by="label_v")
    assert found[["series", "inputs", "calls"]].to_numpy().tolist() == [["B", 1, 2], ["A", 1, 1]]


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_what_is_no_level_is_refused(level: float) -> None:
    calls = pd.DataFrame({"plugin": "p", "function": "f", "outcome": "ok", "limit_memory_bytes": [1], "bytes_in": 1,
                          "fuel": 1, "wall_ms": 1.0, "instance_call": 2})  # fmt: skip
    for estimate in (jn.success, jn.growth, jn.percentiles, jn.cold_warm):
        with pytest.raises(ValueError, match="level is between 0 and 1"):
            estimate(calls, level=level)
