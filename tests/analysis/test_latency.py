"""The latency plot: what it draws, writes, groups and leaves out."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from judicia_notebook.analysis import plots
from judicia_notebook.records import frames
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.units import format_time


def calls_of(*parts: tuple[str, str, Any, str]) -> pd.DataFrame:
    """Rows of a calls frame from plugin, function, milliseconds and outcome."""
    columns = ("plugin", "function", "wall_ms", "outcome")
    rows = [
        pd.DataFrame({"wall_ms": np.atleast_1d(ms), "plugin": plugin, "function": function, "outcome": outcome})
        for plugin, function, ms, outcome in parts
    ]
    return pd.concat(rows, ignore_index=True)[[*columns]].astype(dict.fromkeys(columns[:2] + columns[3:], "category"))


def spread(count: int, median_ms: float = 0.4, seed: int = 1) -> Any:
    return np.random.default_rng(seed).lognormal(np.log(median_ms), 0.3, count)


def axes_of(figure: Figure) -> Axes:
    figure.savefig(io.BytesIO())  # what cannot be drawn fails here
    [axes] = figure.axes
    return axes


def table_of(axes: Axes) -> list[list[str]]:
    """The legend's lines, split where its columns are."""
    legend = axes.get_legend()
    assert legend is not None
    return [[cell.strip() for cell in text.get_text().split("  ") if cell.strip()] for text in legend.get_texts()]


def curves_of(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"}


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def tick_labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def test_percentiles_are_written_and_marked_where_numpy_has_them() -> None:
    ms = spread(1000)
    axes = axes_of(plots.latency(calls_of(("checker", "check", ms, "ok"))))
    percentiles = np.percentile(ms, [50, 95, 99])
    assert table_of(axes) == [["checker.check", "1 000", *(format_time(value / 1e3) for value in percentiles)]]
    marks = np.array([line.get_data() for line in axes.get_lines() if line.get_marker() in {"o", "s", "^"}])
    assert marks[:, 0, 0] == pytest.approx(percentiles / 1e3)
    assert marks[:, 1, 0] == pytest.approx([0.5, 0.95, 0.99])


def test_a_curve_is_the_share_of_calls_up_to_each_time() -> None:
    axes = axes_of(plots.latency(calls_of(("checker", "check", [3.0, 1.0, 2.0, 2.0], "ok"))))
    line = curves_of(axes)["checker.check"]
    assert np.asarray(line.get_xdata()) == pytest.approx([1e-3, 1e-3, 2e-3, 2e-3, 3e-3])
    assert np.asarray(line.get_ydata()).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_a_percentile_that_no_call_could_lie_beyond_is_left_out() -> None:
    parts = [("p", f"of{count}", spread(count), "ok") for count in (1, 19, 20, 99, 100)]
    axes = axes_of(plots.latency(calls_of(*parts)))
    missing = {name: cells.count("–") for name, *cells in table_of(axes)}
    assert missing == {"p.of1": 2, "p.of19": 2, "p.of20": 1, "p.of99": 1, "p.of100": 0}


def test_axes_are_labelled_and_functions_named_most_called_first() -> None:
    few, many = ("specimen", "echo", spread(5), "ok"), ("checker", "check", spread(50), "ok")
    axes = axes_of(plots.latency(calls_of(few, many)))
    assert axes.get_xlabel() == "wall time of a call, without its queue, µs"
    assert axes.get_ylabel() == "share of calls"
    assert [row[0] for row in table_of(axes)] == ["checker.check", "specimen.echo"]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_title().get_text().split() == ["calls", "●", "p50", "■", "p95", "▲", "p99"]


@pytest.mark.parametrize(
    ("ms", "unit"), [(0.0004, "ns"), (0.04, "µs"), (0.4, "µs"), (4.0, "ms"), (400.0, "ms"), (4000.0, "s")]
)
def test_a_linear_axis_has_the_unit_that_fits(ms: float, unit: str) -> None:
    axes = axes_of(plots.latency(calls_of(("p", "f", [ms / 2, ms], "ok"))))
    assert axes.get_xscale() == "linear"
    assert axes.get_xlabel().endswith(f", {unit}")
    assert all(float(label) < 1500 for label in tick_labels(axes))


def test_times_far_apart_get_a_logarithmic_axis_whose_ticks_have_units() -> None:
    axes = axes_of(plots.latency(calls_of(("p", "fast", spread(50, 0.02), "ok"), ("p", "slow", spread(50, 20), "ok"))))
    assert axes.get_xscale() == "log"
    assert {"100 µs", "1 ms", "10 ms"} <= set(tick_labels(axes))


def test_calls_that_failed_are_counted_and_not_drawn() -> None:
    parts = [
        ("checker", "check", spread(50), "ok"),
        ("specimen", "spin", [50.0] * 12, "quota_cpu"),
        ("checker", "check", [9.0] * 3, "trap"),
    ]
    axes = axes_of(plots.latency(calls_of(*parts)))
    assert axes.get_title(loc="left") == "50 calls · not drawn: 12 quota_cpu, 3 trap"
    assert [row[:2] for row in table_of(axes)] == [["checker.check", "50"]]


def test_where_nothing_can_be_drawn_a_sentence_says_why() -> None:
    nothing = axes_of(plots.latency(frames.calls(Recorder())))
    assert texts_of(nothing) == ["No calls yet."]
    failed = axes_of(plots.latency(calls_of(("p", "f", [1.0, 2.0], "trap"))))
    assert texts_of(failed) == ["No call ended ok: 2 trap."]


def test_eight_functions_have_a_curve_each_and_of_more_the_rarest_share_one() -> None:
    eight = [("p", f"f{number}", spread(40 + number), "ok") for number in range(8)]
    names = [row[0] for row in table_of(axes_of(plots.latency(calls_of(*eight))))]
    assert names == [f"p.f{number}" for number in reversed(range(8))]
    rare = [("p", "rare1", spread(3, 0.01), "ok"), ("p", "rare2", spread(4, 90.0), "ok")]
    rows = table_of(axes_of(plots.latency(calls_of(*eight, *rare))))
    assert [row[0] for row in rows] == [f"p.f{number}" for number in reversed(range(1, 8))] + ["3 other functions"]
    assert rows[-1][1] == str(40 + 3 + 4)


def test_no_two_curves_look_alike() -> None:
    parts = [("p", f"f{number}", spread(40 + number), "ok") for number in range(12)]
    curves = curves_of(axes_of(plots.latency(calls_of(*parts)))).values()
    assert len({(line.get_color(), line.get_linestyle()) for line in curves}) == len(curves) == 8


def test_a_million_calls_are_drawn_with_few_points_their_ends_among_them() -> None:
    ms = spread(1_000_000)
    line = curves_of(axes_of(plots.latency(calls_of(("p", "f", ms, "ok")))))["p.f"]
    times, shares = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert len(times) <= 2001
    assert (times[0], times[-1]) == pytest.approx((ms.min() / 1e3, ms.max() / 1e3))
    assert shares[-1] == 1
    exact = np.searchsorted(np.sort(ms / 1e3), times[1:], side="right") / len(ms)
    assert shares[1:] == pytest.approx(exact, abs=2e-6)


def test_it_draws_into_axes_it_is_given() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plots.latency(calls_of(("p", "f", spread(40), "ok")), ax=right) is right
    assert not left.get_lines()
    assert set(curves_of(right)) == {"p.f"}


def test_axes_in_a_subfigure_are_drawn_into_and_returned() -> None:
    axes = Figure().add_subfigure(Figure().add_gridspec(1, 2)[0]).subplots()
    assert plots.latency(calls_of(("p", "f", spread(40), "ok")), ax=axes) is axes
    assert set(curves_of(axes)) == {"p.f"}


@pytest.mark.parametrize("name", ["$\\frac{$", "_hidden", "{}%s", "f" * 300])
def test_no_name_a_plugin_chooses_spoils_the_drawing(name: str) -> None:
    axes = axes_of(plots.latency(calls_of((name, name, spread(40), "ok"))))
    [[written, *_]] = table_of(axes)
    assert written == f"{name}.{name}" if len(name) < 20 else "…" in written


def test_pyplot_is_not_touched() -> None:
    code = """
import sys, io, pandas as pd
from judicia_notebook.analysis import plots
calls = pd.DataFrame({"plugin": "p", "function": "f", "wall_ms": [1.0, 2.0], "outcome": "ok"})
plots.latency(calls).savefig(io.BytesIO())
print("matplotlib.pyplot" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ran.stdout.strip(), ran.returncode) == ("False", 0)
