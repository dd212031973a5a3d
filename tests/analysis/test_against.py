"""Any column against a parameter: which numbers are drawn, with which intervals, and what is said beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import judicia_notebook as jn
from judicia_notebook.analysis import plots, style
from judicia_notebook.analysis.intervals import median_interval


def measured(repeats: int = 12, variants: tuple[str, ...] = ("A", "B")) -> pd.DataFrame:
    """Times that grow with n, other ones for each variant."""
    chosen = np.random.default_rng(4)
    rows = [
        {"param_n": n, "guest_ms": (1 + number) * n * chosen.lognormal(0, 0.1), "plugin": variant, "outcome": "ok"}
        for number, variant in enumerate(variants)
        for n in (10, 20, 50)
        for _ in range(repeats)
    ]
    return pd.DataFrame(rows)


def axes_of(figure: Figure) -> Axes:
    figure.draw_without_rendering()
    [axes] = figure.axes
    return axes


def lines_of(axes: Axes) -> list[Any]:
    """The lines through the medians."""
    return [line for line in axes.get_lines() if line.get_linestyle() not in {"None", ""}]


def intervals_of(axes: Axes) -> Any:
    drawn = [one.get_segments() for one in axes.collections if isinstance(one, LineCollection)]
    return np.concatenate([np.array(segments) for segments in drawn if segments])


def table_of(axes: Axes) -> list[list[str]]:
    legend = axes.get_legend()
    assert legend is not None
    return [[cell.strip() for cell in text.get_text().split("  ") if cell.strip()] for text in legend.get_texts()]


def test_each_variant_is_a_line_of_medians_with_the_interval_of_each() -> None:
    frame = measured()
    axes = axes_of(plots.against(frame, "param_n", "guest_ms", "plugin"))
    wanted = [
        median_interval((frame[(frame["plugin"] == variant) & (frame["param_n"] == n)]["guest_ms"] / 1e3).tolist())
        for variant in "AB"
        for n in (10, 20, 50)
    ]
    lines = lines_of(axes)
    assert len(lines) == 2
    assert np.concatenate([line.get_xdata() for line in lines]).tolist() == [10, 20, 50] * 2
    assert np.concatenate([line.get_ydata() for line in lines]) == pytest.approx([one.median for one in wanted])
    ends = intervals_of(axes)
    assert ends[:, 0, 1] == pytest.approx([one.low for one in wanted])
    assert ends[:, 1, 1] == pytest.approx([one.high for one in wanted])
    assert axes.get_title(loc="left") == "72 calls · medians with 95 % intervals"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("n", "guest time, median, ms")
    assert [row[:3] for row in table_of(axes)] == [["A", "36", "12"], ["B", "36", "12"]]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len({mark for _, mark in looks}) == 2


def test_ticks_are_the_values_that_were_measured() -> None:
    axes = axes_of(plots.against(measured(), "param_n", "guest_ms", by="plugin"))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["10", "20", "50"]


def test_failed_rows_and_unknown_numbers_are_counted_and_not_drawn() -> None:
    frame = measured(variants=("A",))
    frame.loc[0, "outcome"] = "trap"
    frame.loc[1, "guest_ms"] = None
    axes = axes_of(plots.against(frame, "param_n", "guest_ms"))
    assert axes.get_title(loc="left").startswith("34 calls · ")
    assert " ".join(axes.get_title(loc="left").split()).endswith("not drawn: 1 trap, 1 without param_n or guest_ms")
    assert table_of(axes)[0][1:3] == ["34", "10–12"]
    nothing = axes_of(plots.against(frame.assign(outcome="trap"), "param_n", "guest_ms"))
    assert [text.get_text() for text in nothing.texts] == ["Nothing can be drawn: 36 trap."]
    assert [text.get_text() for text in axes_of(plots.against(frame[:0], "param_n", "guest_ms")).texts] == [
        "There are no rows."
    ]


def test_five_repeats_have_a_median_and_no_interval() -> None:
    axes = axes_of(plots.against(measured(5, ("A",)), "param_n", "guest_ms"))
    assert axes.get_title(loc="left") == "15 calls · medians with 95 % intervals · hollow: too few for one"
    hollow = [line for line in axes.get_lines() if to_hex(line.get_markerfacecolor()) == style.GROUND]
    assert [np.size(line.get_xdata()) for line in hollow] == [3]
    assert not any(len(drawn.get_paths()) for drawn in axes.collections)


def test_names_on_the_axis_stand_apart_and_no_line_joins_them() -> None:
    names = ["a short one", "a much longer one", "$\\frac{$", "the last of all payloads"]
    frame = pd.DataFrame({"param_payload": names * 6, "wall_ms": np.arange(24.0), "plugin": "p"})
    for width in (3.33, 7.2):
        axes = axes_of(plots.against(frame, "param_payload", "wall_ms", width=width))
        assert [" ".join(text.get_text().split()) for text in axes.get_xticklabels()] == names
        assert not lines_of(axes)


def test_a_label_may_be_the_parameter_and_the_variant_in_frames_of_real_calls() -> None:
    with jn.Runtime() as runtime:
        specimen = runtime.load("example:specimen")
        for variant in ("A", "B"):
            for n in (1, 100):
                for _ in range(6):
                    with jn.label(variant=variant, n=n):
                        specimen.call("echo", "x" * n)
        axes = axes_of(plots.against(runtime.calls, "n", "fuel", by="variant"))
    assert axes.get_xscale() == "log"
    assert [row[:3] for row in table_of(axes)] == [["A", "11", "5–6"], ["B", "12", "6"]]  # without the cold one


def test_many_numbers_are_few_points() -> None:
    chosen = np.random.default_rng(2)
    frame = pd.DataFrame({"size": chosen.integers(1, 10**6, 100_000), "value": chosen.normal(size=100_000)})
    axes = axes_of(plots.against(frame, "size", "value"))
    [line] = lines_of(axes)
    assert len(line.get_xdata()) == 50
    assert table_of(axes)[0][0] == "value"


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ("param_m", "guest_ms", "Did you mean 'param_n'"),
        ("param_n", "plugin", "not always one"),
        ("param_n", "guest", "no column"),
    ],
)
def test_what_is_no_column_or_no_number_is_said(x: str, y: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plots.against(measured(), x, y)


def test_meterings_are_told_apart_or_refused() -> None:
    frame = measured().assign(metering=lambda rows: np.where(rows.index % 2, "full", "none"))
    with pytest.raises(ValueError, match="metered in several ways"):
        plots.against(frame, "param_n", "guest_ms", by="plugin")
    for by in ("metering", ["plugin", "metering"]):
        plots.against(frame, "param_n", "guest_ms", by=by)
    plots.against(frame, "metering", "guest_ms")
