"""The flame graph as a figure."""

from __future__ import annotations

import io

import matplotlib as mpl
import matplotlib.style
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import Frame, Sample


def boxes(figure: Figure) -> list[tuple[float, float, float]]:
    """Left, row and width of what is drawn, without stripes."""
    patches = [one for one in figure.axes[0].patches if isinstance(one, Rectangle) and not one.get_hatch()]
    return sorted((one.get_x(), one.get_y(), one.get_width()) for one in patches)


def test_widths_are_times_and_rows_are_calls(profile: Profile) -> None:
    figure = profile.figure()
    assert boxes(figure) == [(0, 0, 10), (0, 1, 10), (0, 2, 9), (0, 3, 4), (0, 4, 2), (4, 3, 2)]
    assert figure.axes[0].get_xlabel() == "time of all calls, ms"


def test_host_functions_are_striped(profile: Profile) -> None:
    striped = [one for one in profile.figure().axes[0].patches if one.get_hatch()]
    assert len(striped) == 1


def test_inlined_functions_have_a_dotted_edge_and_boxes_their_lines(with_lines: Profile) -> None:
    axes = with_lines.figure().axes[0]
    dotted = [one for one in axes.patches if isinstance(one, Rectangle) and one.get_linestyle() == ":"]
    assert [(one.get_y(), one.get_width()) for one in dotted] == [(2, 7), (3, 6)]
    assert {"main (a.c:9)", "leaf (b/<i>.h:2, inlined)"} <= {text.get_text() for text in axes.texts}


def test_a_plugins_names_are_no_formulas() -> None:
    frame = Frame(r"$\frac{", "p")
    profile = Profile(r"$\frac{", "f", "", 1, (Sample(0.0, (frame,), 1.0),), 1.0, 0.0)
    profile.figure().savefig(io.BytesIO())


def test_it_is_drawn_into_given_axes_also_dark_ones(profile: Profile) -> None:
    with mpl.style.context("dark_background"):
        figure = Figure()
        axes = figure.subplots(1, 2)
        assert profile.figure(axes[0]) is axes[0]
        figure.savefig(io.BytesIO())
    assert axes[0].patches
    assert mpl.colors.to_hex(axes[0].xaxis.label.get_color()) > "#808080"


@pytest.mark.parametrize("samples", [0, 1, 200_000])
def test_it_is_drawn_of_any_number_of_samples(samples: int) -> None:
    frames = [Frame(f"f{number}", "p") for number in range(50)]
    taken = tuple(Sample(float(n), (frames[0], frames[n % 50]), 1.0) for n in range(samples))
    figure = Profile("p", "f", "", 1, taken, float(samples), 0.0).figure()
    figure.savefig(io.BytesIO())
    assert bool(figure.axes[0].patches) == bool(samples)
