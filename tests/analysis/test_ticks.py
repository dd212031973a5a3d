"""Ticks: how many there are follows from the width of the axes and of the labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Locator

from judicia_notebook.analysis.figures import ticks
from judicia_notebook.units import format_count, format_size, format_time

Axis = tuple[str, float, float, Callable[[], Sequence[Locator]], Callable[[float], str]]
AXES: dict[str, Axis] = {
    "counts": ("linear", 0, 8_000_000, ticks.linear, format_count),
    "whole": ("linear", 0, 3, lambda: ticks.linear(integer=True), format_count),
    "times": ("log", 1.1e-6, 9.0, lambda: ticks.logarithmic(1e7), format_time),
    "times close together": ("log", 1.1e-5, 9e-4, lambda: ticks.logarithmic(80), format_time),
    "times within a decade": ("log", 2.1e-5, 3e-5, lambda: ticks.logarithmic(1.5), format_time),
    "powers of two": ("log", 1 << 10, 1 << 30, lambda: ticks.logarithmic(2**20, 2), format_size),
    "bytes": ("linear", 0, 9 << 20, ticks.binary, format_size),
    "given": ("log", 90, 1100, lambda: [*ticks.fixed([100, 105, 110, 1000]), *ticks.logarithmic(10)], format_count),
}


def axis(name: str, width: float, height: float = 2.0) -> Axes:
    scale, low, high, locators, text = AXES[name]
    axes = Figure(figsize=(width, height)).add_axes((0.1, 0.3, 0.8, 0.6))
    axes.set_xscale(scale)
    axes.set_xlim(low, high)
    ticks.set_ticks(axes.xaxis, locators(), text)
    return axes


def labels(axes: Axes) -> list[str]:
    """Of the ticks on the axis, once drawn."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    shown = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low * 0.999 <= tick.get_loc() <= high * 1.001]
    for one, other in itertools.combinations([label.get_window_extent() for label in shown], 2):
        assert not one.overlaps(other)
    return [label.get_text() for label in shown]


@pytest.mark.parametrize("name", AXES)
def test_labels_stand_apart_and_are_at_least_two(name: str) -> None:
    found = {width: labels(axis(name, width)) for width in (2.2, 3.3, 7.0)}
    assert all(len(texts) >= 2 for texts in found.values()), found
    assert len(found[2.2]) <= len(found[7.0])
    assert len(found[7.0]) <= 10


def test_the_same_axis_made_wider_shows_more() -> None:
    axes = axis("counts", 2.2)
    narrow = labels(axes)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.set_figwidth(9)
    assert len(labels(axes)) > len(narrow)


def test_given_places_are_the_ticks_where_they_fit() -> None:
    assert labels(axis("given", 60)) == ["100", "105", "110", "1 000"]
    assert "105" not in labels(axis("given", 3.3))
