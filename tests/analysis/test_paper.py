"""Figures for a paper: their width, the user's settings of matplotlib, what may be left out, and the fonts in files."""

from __future__ import annotations

import io
import itertools
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from cycler import cycler
from fontTools.ttLib import TTFont
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import judicia_notebook as jn
from judicia_notebook.analysis import plots, style
from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import Frame, Sample

COLUMN = 3.33
Draw = Callable[..., Any]


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """Frames of real calls: two plugins, failures, denials, labels, several threads' worth of time."""
    with jn.Runtime() as runtime:
        checker = runtime.load("example:checker")
        specimen = runtime.load("example:specimen", grant=["wall_clock"], quota={"memory": "4MiB"})
        for n in range(40):
            text = "word " * (1 + n * n)
            checker.call("check", {"output": text, "answer": text, "mode": "exact"})
            with jn.label(variant="AB"[n % 2]):
                specimen.call("call_host", {"service": ("clock", "random", "log")[n % 3], "n": 3})
            quota = {"memory": f"{2 + n % 3}MiB"}
            specimen.attempt("grow", {"bytes": (1 + n % 3) << 20, "step": 1 << 18}, quota=quota)
        return {name: getattr(runtime, name) for name in ("calls", "host_calls", "samples")}


def all_kinds(frames: dict[str, pd.DataFrame]) -> dict[str, Draw]:
    """Each figure of the package, as a function of its options."""

    def of(kind: str) -> Draw:
        return lambda **how: getattr(plots, kind)(*(frames[name] for name in plots.FRAMES[kind]), **how)

    calls = frames["calls"]
    one, other = (calls[calls["label"] == f"variant={name}"] for name in "AB")
    inner = [Frame(f"checker::a_long_name_{number}", "p") for number in range(8)]
    taken = tuple(Sample(float(n), tuple(inner[: 1 + n % 8]), 1.0) for n in range(80))
    profile = Profile("checker", "check", "", 1, taken, 80.0, 0.0)
    kinds = {kind: of(kind) for kind in plots.FRAMES}
    kinds["against"] = lambda **how: plots.against(calls, "bytes_in", "wall_ms", **how)
    kinds["compare"] = lambda **how: jn.compare(one, other, by="function").plot(**how)
    kinds["profile"] = profile.figure
    return kinds


KINDS = (*plots.FRAMES, "against", "compare", "profile")


@pytest.fixture
def draw(request: pytest.FixtureRequest, frames: dict[str, pd.DataFrame]) -> Draw:
    return all_kinds(frames)[request.param]


each_kind = pytest.mark.parametrize("draw", KINDS, indirect=True)


def axes_of(figure: Figure) -> list[Axes]:
    found = [axes for whole in figure.axes for axes in (whole, *whole.child_axes)]
    return [axes for axes in found if isinstance(axes, Axes)]


def boxes_of(labels: list[Text]) -> list[Any]:
    return [label.get_window_extent() for label in labels if label.get_visible() and label.get_text().strip()]


def check_nothing_is_cut(figure: Figure) -> None:
    """Everything is on the figure, tick labels stand apart, and no legend lies on the drawing."""
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn is not None
    assert min(drawn.x0, drawn.y0) >= -0.005
    assert drawn.x1 <= width + 0.005
    assert drawn.y1 <= height + 0.005
    for axes in axes_of(figure):
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            for one, other in itertools.combinations(boxes_of(labels), 2):
                assert not one.padded(-0.5).overlaps(other.padded(-0.5))
        legend = axes.get_legend()
        assert legend is None or not legend.get_window_extent().overlaps(axes.get_window_extent())
        inside = boxes_of([*axes.texts, axes.xaxis.label])
        for one, other in itertools.combinations(inside, 2):
            assert not one.padded(-1).overlaps(other.padded(-1))


# --- width -----------------------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize(("ground", "size"), [("default", 10), ("dark_background", 7)])
def test_at_the_width_of_a_column_nothing_is_cut_and_ticks_stand_apart(draw: Draw, ground: str, size: float) -> None:
    with mpl.style.context(ground), mpl.rc_context({"font.size": size}):
        figure = draw(width=COLUMN)
        assert figure.get_figwidth() == pytest.approx(COLUMN)
        check_nothing_is_cut(figure)


@each_kind
def test_at_the_usual_width_nothing_is_cut(draw: Draw) -> None:
    figure = draw()
    assert figure.get_figwidth() == pytest.approx(style.WIDTH)
    check_nothing_is_cut(figure)


@each_kind
def test_a_figure_can_be_resized_and_its_ticks_still_stand_apart(draw: Draw) -> None:
    figure = draw(title=None, table=False, legend=False)
    figure.set_figwidth(4.0)
    figure.draw_without_rendering()
    for axes in axes_of(figure):
        for one, other in itertools.combinations(boxes_of(axes.get_xticklabels()), 2):
            assert not one.padded(-0.5).overlaps(other.padded(-0.5))


def test_a_width_that_is_none_is_refused_and_so_are_axes_with_a_width(frames: dict[str, pd.DataFrame]) -> None:
    for width in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="inches"):
            plots.latency(frames["calls"], width=width)
    with pytest.raises(ValueError, match="leave out ax or width"):
        plots.latency(frames["calls"], Figure().subplots(), width=3)


# --- matplotlib's settings -------------------------------------------------------------------------------------


@each_kind
def test_texts_have_the_sizes_of_the_users_settings(draw: Draw) -> None:
    sizes: Any = {
        "axes.titlesize": 5.25,
        "axes.labelsize": 5.5,
        "xtick.labelsize": 5.75,
        "ytick.labelsize": 6.25,
        "legend.fontsize": 6.5,
    }
    with mpl.rc_context(sizes):
        figure = draw()
    figure.draw_without_rendering()
    found = {float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text().strip()}
    assert found
    assert found <= set(sizes.values())
    with mpl.rc_context({"font.size": 6.0}):
        label = draw().axes[0].xaxis.label
    assert label.get_fontsize() == 6.0


def test_lines_colours_resolution_and_size_are_the_users_where_they_are_set(frames: dict[str, pd.DataFrame]) -> None:
    usual = plots.latency(frames["calls"])
    wide = usual.axes[0].get_lines()[0].get_linewidth()
    cycle = cycler(color=["#123456", "#654321"])
    with mpl.rc_context(
        {"lines.linewidth": 3.0, "axes.prop_cycle": cycle, "figure.dpi": 60, "figure.figsize": (4.5, 1)}
    ):
        figure = plots.latency(frames["calls"], by=["function", "label"])
    lines = [line for line in figure.axes[0].get_lines() if line.get_drawstyle() == "steps-post"]
    assert lines[0].get_linewidth() == pytest.approx(2 * wide)
    looks = {(to_hex(line.get_color()), line.get_linestyle()) for line in lines}
    assert looks == {("#123456", "-"), ("#654321", "-"), ("#123456", "--")}
    assert (figure.dpi, figure.get_figwidth()) == (60, 4.5)
    assert (usual.dpi, usual.get_figwidth()) == (110, style.WIDTH)


# --- what may be left out --------------------------------------------------------------------------------------


@each_kind
def test_title_table_and_legend_can_be_left_out(draw: Draw) -> None:
    whole, bare = draw(), draw(title=None, table=False, legend=False)
    assert whole.axes[0].get_title(loc="left")
    assert not any(axes.get_title(loc="left") for axes in axes_of(bare))
    assert all(axes.get_legend() is None for axes in axes_of(bare))
    assert bare.get_figheight() < whole.get_figheight()
    assert draw(title="of one's own").axes[0].get_title(loc="left") == "of one's own"


@pytest.mark.parametrize("draw", ["latency", "memory", "success", "growth", "against"], indirect=True)
def test_without_its_table_a_figure_names_its_lines_and_a_place_puts_the_names_inside(draw: Draw) -> None:
    with_numbers, names = (
        [text.get_text() for text in draw(**how).axes[0].get_legend().get_texts()] for how in ({}, {"table": False})
    )
    assert [text.split("  ")[0] for text in with_numbers] == names
    inside = draw(legend="upper left")
    inside.draw_without_rendering()
    [axes] = inside.axes
    legend = axes.get_legend()
    assert axes.bbox.containsx(legend.get_window_extent().x0)
    assert axes.bbox.containsy(legend.get_window_extent().y1)
    assert [text.get_text() for text in legend.get_texts()] == names


@pytest.mark.parametrize("draw", ["breakdown", "capabilities", "cold_warm"], indirect=True)
def test_without_their_table_rows_have_no_numbers_beside_them(draw: Draw) -> None:
    assert any("call" in text.get_text() or text.get_text().isdigit() for text in draw().axes[0].texts)
    assert not any("call" in text.get_text() or text.get_text().isdigit() for text in draw(table=False).axes[0].texts)


# --- fonts in files --------------------------------------------------------------------------------------------


def fonts_in(pdf: bytes) -> dict[str, tuple[str, set[int]]]:
    """Each font of a PDF that matplotlib wrote: its kind, and the glyphs of the program that is embedded.

    Raises
    ------
    AssertionError
        A font has no program in the file.
    """
    objects = {int(number): body for number, body in re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", pdf, re.DOTALL)}
    found = {}
    for body in objects.values():
        kind = re.search(rb"/Type /Font .*?/Subtype /(\w+)|/Subtype /(\w+).*?/Type /Font\b(?!D)", body, re.DOTALL)
        if kind is None:
            continue
        name = re.search(rb"/BaseFont /(\S+)", body)
        described = re.search(rb"/FontDescriptor (\d+) 0 R", body)
        if name is None or described is None:
            continue  # Type0: its descendant has the program
        program = re.search(rb"/FontFile2 (\d+) 0 R", objects[int(described[1])])
        assert program is not None, f"{name[1]!r} is not in the file"
        stream = re.search(rb"stream\r?\n(.*)\r?\nendstream", objects[int(program[1])], re.DOTALL)
        assert stream is not None
        font = TTFont(io.BytesIO(zlib.decompress(stream[1])))
        found[name[1].decode()] = (
            (kind[1] or kind[2]).decode(),
            set(font.getBestCmap() or {}) | set(range(font["maxp"].numGlyphs)),
        )
    return found


@each_kind
def test_a_pdf_has_all_its_fonts_as_truetype(draw: Draw, tmp_path: Path) -> None:
    path = tmp_path / "figure.pdf"
    draw(width=COLUMN).savefig(path)
    pdf = path.read_bytes()
    assert b"/Type3" not in pdf
    assert b"/Subtype /Type3" not in pdf
    found = fonts_in(pdf)
    assert found
    assert {kind for kind, _ in found.values()} == {"CIDFontType2"}
    assert all(len(glyphs) > 5 for _, glyphs in found.values())


def test_a_kind_of_font_that_the_user_has_set_is_kept_and_the_setting_stays(frames: dict[str, pd.DataFrame]) -> None:
    file = io.BytesIO()
    before = mpl.rcParams["pdf.fonttype"]
    plots.latency(frames["calls"]).savefig(file, format="pdf")
    assert mpl.rcParams["pdf.fonttype"] == before == 3
    postscript = io.BytesIO()
    plots.latency(frames["calls"]).savefig(postscript, format="ps")
    assert b"/FontType 42" in postscript.getvalue()


@each_kind
def test_an_svg_needs_no_font_of_the_reader(draw: Draw) -> None:
    file = io.BytesIO()
    draw(width=COLUMN).savefig(file, format="svg")
    svg = file.getvalue().decode()
    assert "<text" not in svg
    assert "font-family" not in svg
    used = set(re.findall(r'<use [^>]*xlink:href="#([^"]+)"', svg))
    assert used <= set(re.findall(r'id="([^"]+)"', svg))


@pytest.mark.parametrize("family", ["serif", "DejaVu Serif", "cmr10", "STIXGeneral"])
def test_no_sign_is_missing_whatever_the_font(family: str, frames: dict[str, pd.DataFrame]) -> None:
    with mpl.rc_context({"font.family": family, "axes.formatter.use_mathtext": True}):
        for kind in ("latency", "usage", "cold_warm"):
            figure = all_kinds(frames)[kind](width=COLUMN)
            figure.savefig(io.BytesIO(), format="pdf")  # a warning of a missing glyph is an error here
            assert figure.axes[0].xaxis.label.get_fontfamily()[0] == family


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("kind", ["latency", "breakdown", "timeline", "memory", "cold_warm", "capabilities", "success"])
def test_long_names_are_not_cut_by_the_edge_of_a_narrow_figure(
    kind: str, table: bool, frames: dict[str, pd.DataFrame]
) -> None:
    long = {name: f"{name}-$\\frac{{$-{'and the rest of a long name ' * 3}" for name in ("checker", "specimen")}
    named = {
        name: frame.assign(plugin=frame["plugin"].astype(object).map(long)) if "plugin" in frame else frame
        for name, frame in frames.items()
    }
    if kind == "timeline":
        named["calls"] = named["calls"].assign(thread=named["calls"]["plugin"])
    check_nothing_is_cut(all_kinds(named)[kind](width=COLUMN, table=table))


@pytest.mark.parametrize("longest", [0.1363, 0.345, 0.6924])  # ms
def test_a_label_at_the_edge_is_left_out_where_room_for_it_would_move_it(longest: float) -> None:
    """Without the label the drawing is wider, and has the tick; with it, it is narrower, and has other ticks."""
    times = np.linspace(longest / 20, longest, 30)
    calls = pd.DataFrame({"plugin": "specimen", "function": "call_host", "wall_ms": times, "outcome": "ok"})
    check_nothing_is_cut(plots.latency(calls, width=COLUMN, table=False))
