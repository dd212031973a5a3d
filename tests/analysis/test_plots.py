"""What holds for every kind of plot: frames without rows, with one, with NA, with a million; light and dark; names."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from judicia_notebook.analysis import plots, style
from judicia_notebook.notebook import commands
from judicia_notebook.records import frames
from judicia_notebook.records.record import CallRecord
from judicia_notebook.records.recorder import Recorder

AddCall = Callable[..., int]
DOCS = Path(__file__).resolve().parents[2] / "docs"
KINDS = tuple(plots.FRAMES)
CASES = ("empty", "one", "failed", "unknown", "labelled", "several")
BLINDNESS = {
    # Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def draw(kind: str, recorder: Recorder, **how: Any) -> Figure:
    drawn = getattr(plots, kind)(*(getattr(frames, frame)(recorder) for frame in plots.FRAMES[kind]), **how)
    assert ("ax" in how) == (drawn is how.get("ax"))
    figure: Figure = drawn.figure if "ax" in how else drawn
    figure.draw_without_rendering()
    return figure


@pytest.fixture
def record(add_call: AddCall, unknown: dict[str, Any]) -> Callable[[str], Recorder]:
    """A recorder with what a case is about."""

    def recorded(case: str) -> Recorder:
        recorder = Recorder()
        for number in range({"empty": 0, "one": 1}.get(case, 24)):
            call: dict[str, Any] = {
                "call_id": number + 1,
                "parent_call_id": 0,
                "monitored": "",
                "outcome": "ok",
                "labels": "",
                "error": "",
            }
            call |= {"started_ns": number * 10**6, "bytes_in": 10 * (number + 1), "fuel": 1000 + 7 * number}
            call |= {"instance_id": 1 + number % 2, "instance_call": 1 + number // 2}
            if case == "failed":
                call |= {"outcome": "trap", "error": "GuestTrap"}
            if case == "unknown":
                call |= unknown
            if case == "labelled":
                call |= {"labels": json.dumps({"variant": "AB"[number % 2], "size": number})}
            if case == "several":
                call |= {"plugin": f"plugin{number}", "function": "$\\frac{$", "thread": f"thread-{number}"}
                call |= {"instance_id": number + 1}
            add_call(recorder, **call)
            decision = "allowed" if number % 3 else "denied"
            began = number * 10**6
            capability = "" if number % 5 == 0 else "random"
            name = call.get("plugin", "checker")
            recorder.add_host_call(
                number + 1, name, 1, capability, "judicia:x y", "", began + 1000, 500, 1, 1, decision, ""
            )
            recorder.add_sample(number + 1, "grow_refused", number * 10**6 + 2000, 1000, 1 << 21)
        return recorder

    return recorded


# --- every kind in every case ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_every_frame_and_nothing_beyond_its_edges(
    kind: str, case: str, record: Callable[[str], Recorder]
) -> None:
    figure = draw(kind, record(case))
    figure.savefig(io.BytesIO())  # what cannot be drawn fails here
    [axes] = figure.axes
    if case == "empty":
        assert [text.get_text() for text in axes.texts] in (["No calls yet."], ["No host calls yet."])
        assert not axes.has_data()
        assert not axes.axison
    elif case in {"one", "labelled", "several"}:
        assert axes.has_data() or axes.child_axes
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn is not None
    assert min(drawn.x0, drawn.y0) >= -0.01
    assert drawn.x1 <= width + 0.01
    assert drawn.y1 <= height + 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_into_axes_it_is_given_and_into_no_others(
    kind: str, record: Callable[[str], Recorder]
) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw(kind, record("labelled"), ax=right) is figure
    assert not left.has_data()
    assert right.has_data() or right.child_axes


def test_no_label_of_a_row_covers_another(record: Callable[[str], Recorder]) -> None:
    for kind in ("breakdown", "capabilities", "cold_warm", "timeline"):
        figure = draw(kind, record("several"))
        boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
        for above, below in itertools.combinations(boxes, 2):
            assert not above.overlaps(below), kind


# --- which kinds there are -------------------------------------------------------------------------------------------


def test_the_kinds_are_listed_once_and_offered_by_the_magic() -> None:
    assert {*plots.__all__} == {*KINDS, "FRAMES", "against"}  # which needs to be told of what
    assert commands.PLOTS == KINDS
    for kind, taken in plots.FRAMES.items():
        assert getattr(plots, kind).__doc__
        assert all(hasattr(frames, frame) for frame in taken)


def test_pyplot_is_not_touched_by_any_kind() -> None:
    code = """
import sys
from judicia_notebook.analysis import plots
from judicia_notebook.records import frames
from judicia_notebook.records.recorder import Recorder
recorder = Recorder()
for kind, taken in plots.FRAMES.items():
    getattr(plots, kind)(*(getattr(frames, frame)(recorder) for frame in taken))
print("matplotlib.pyplot" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ran.stdout.strip(), ran.returncode) == ("False", 0), ran.stderr


def test_the_page_of_plots_shows_every_kind_on_both_grounds() -> None:
    page = (DOCS / "plots.md").read_text(encoding="utf-8")
    of_monitors = [f"monitor_{kind}" for kind in ("memory", "edges", "opcodes")]
    for kind in (*KINDS, "against", *of_monitors):
        assert f"## {kind}\n" in page or kind in of_monitors
        for ground in ("light", "dark"):
            assert f"plots/{kind}-{ground}.png" in page
            assert (DOCS / "plots" / f"{kind}-{ground}.png").read_bytes().startswith(b"\x89PNG")


# --- light and dark --------------------------------------------------------------------------------------------------


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1."""
    dark, light = sorted([style.luminance(one), style.luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ground", ["default", "dark_background"])
def test_every_text_can_be_read_on_light_and_on_dark(kind: str, ground: str, record: Callable[[str], Recorder]) -> None:
    for case in ("labelled", "empty"):
        with mpl.style.context(ground):
            figure = draw(kind, record(case))
        behind = to_hex(figure.get_facecolor())
        assert (style.luminance(behind) < 0.1) is (ground == "dark_background")
        inside = {
            text
            for axes in figure.axes
            for text in axes.texts
            if text.get_horizontalalignment() == "center" and case != "empty"
        }
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            if text.get_text().strip() and text not in inside:
                assert contrast(to_hex(text.get_color()), behind) >= 4.5, text


def test_axes_in_a_dark_figure_get_light_ink_without_any_setting(record: Callable[[str], Recorder]) -> None:
    figure = Figure(facecolor="#111111")
    draw("latency", record("labelled"), ax=figure.subplots())
    assert contrast(to_hex(figure.axes[0].xaxis.label.get_color()), "#111111") >= 7
    assert to_hex(figure.axes[0].get_facecolor()) == "#111111"


@pytest.mark.parametrize("look", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_colours_stand_out_from_their_ground_and_from_each_other_also_for_the_colour_blind(look: style.Look) -> None:
    colours = [line.colour for line in look.series]
    assert min(contrast(colour, look.ground) for colour in colours) >= 2
    assert contrast(look.ink, look.ground) >= 7
    assert contrast(look.faint_ink, look.ground) >= 4.5
    for seen in (np.eye(3), *(np.array(matrix) for matrix in BLINDNESS.values())):
        for one, other in itertools.combinations(look.series, 2):
            far = np.linalg.norm(perceived(one.colour, seen) - perceived(other.colour, seen))
            assert far >= (10 if one.dashes == other.dashes else 4), (one, other)


def perceived(colour: str, matrix: Any) -> Any:
    """CIE L*a*b* of a colour as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    relative = np.array(xyz) @ np.clip(matrix @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# --- a million rows --------------------------------------------------------------------------------------------------


def a_million() -> dict[str, pd.DataFrame]:
    """Frames as large as a recorder keeps them."""
    count, chosen = 1_000_000, np.random.default_rng(1)
    calls: dict[str, Any] = {name: np.zeros(count) for name in CallRecord.__struct_fields__ if name.endswith("_ms")}
    for part in ("setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms"):
        calls[part] = chosen.lognormal(-3, 0.5, count)
        calls["wall_ms"] += calls[part]
    number = np.arange(count)
    size = chosen.integers(1, 100_000, count)
    texts = {
        "plugin": np.array(["checker", "specimen"])[number % 2],
        "function": np.array(["check", "echo", "grow"])[number % 3],
        "thread": np.array([f"worker-{one}" for one in range(4)])[number % 4],
        "label": np.array(["variant=A", "variant=B"])[number % 2],
        "label_variant": np.array(["A", "B"])[number % 2],
        "outcome": np.array(["ok", "ok", "ok", "trap"])[chosen.integers(0, 4, count)],
    }
    calls |= {"call_id": number + 1, "started_ms": number * 0.5, "bytes_in": size, "fuel": 1000 + 3 * size, **texts}
    calls |= {"instance_id": 1 + number % 1000, "instance_call": 1 + number // 1000, "memory_bytes": 1 << 20}
    calls |= {"memory_peak_bytes": (1 << 20) + size, "limit_memory_bytes": 1 << (20 + number % 8), "limit_fuel": size}
    calls["parent_call_id"] = pd.array([None] * count, "Int64")
    frame = pd.DataFrame(calls).astype(dict.fromkeys(texts, "category"))
    kinds = {
        "capability": "random",
        "function": "judicia:random bytes",
        "decision": texts["outcome"],
        "plugin": texts["plugin"],
    }
    host_calls = pd.DataFrame({"call_id": number + 1, "at_ms": 0.01, "wall_ms": 0.01} | kinds)
    host_calls["decision"] = np.where(texts["outcome"] == "ok", "allowed", "denied")
    samples = pd.DataFrame({"call_id": count, "event": "tick", "at_ms": number * 1.0, "cpu_ms": number * 0.9})
    samples["memory_bytes"] = (1 << 20) + number
    return {
        "calls": frame,
        "host_calls": host_calls.astype(dict.fromkeys(kinds, "category")),
        "samples": samples.astype({"event": "category"}),
    }


def test_a_million_rows_are_a_few_hundred_artists_and_a_few_thousand_points() -> None:
    made = a_million()
    for kind, taken in plots.FRAMES.items():
        figure: Figure = getattr(plots, kind)(*(made[frame] for frame in taken))
        figure.savefig(io.BytesIO())
        axes = [one for whole in figure.axes for one in (whole, *whole.child_axes)]
        artists = [artist for one in axes for artist in one.get_children()]
        points = sum(np.size(line.get_xdata()) for one in axes for line in one.lines)
        boxes = sum(len(drawn.get_paths()) for one in axes for drawn in one.collections)
        assert len(artists) < 400, kind
        assert points < 40_000, kind
        assert boxes < 60_000, kind


def test_unlike_names_stay_unlike_when_they_are_cut() -> None:
    from judicia_notebook.analysis.series import cut_apart

    names = [f"plugin.check_{middle}_and_all_the_rest" for middle in ("first_of_all", "second_to_none", "third")]
    for width in (20, 30, 39):
        found = cut_apart([*names, "plugin.ch…the_rest (1)"], width)
        assert len(set(found)) == 4, found
        assert all(len(name) <= max(width, 22) for name in found), found
    assert cut_apart([names[0], names[0]], 20) == [cut_apart([names[0]], 20)[0]] * 2


def test_a_plot_is_described_in_words_and_a_figure_of_the_users_is_left_alone() -> None:
    from matplotlib.figure import Figure

    import judicia_notebook as jn
    from judicia_notebook.analysis import style
    from judicia_notebook.notebook import reprs

    with jn.Runtime() as runtime:
        plugin = runtime.load("example:specimen")
        plugin.call("echo", 1)
        for kind, frames in jn.plots.FRAMES.items():
            figure = getattr(jn.plots, kind)(*(getattr(runtime, name) for name in frames))
            described = style.description(figure)
            assert described.startswith("Plot"), kind
            assert 4 < len(described) <= 1001
        latency = jn.plots.latency(runtime.calls)
        picture, metadata = reprs._figure_png(latency)
        assert picture.startswith(b"\x89PNG")
        assert "specimen.echo" in metadata["alt"]
        assert f'alt="{metadata["alt"]}"' in str(reprs._figure_html(latency))
    own = Figure()
    own.add_subplot().set_title("mine")
    assert reprs._figure_html(own) is None
    assert isinstance(reprs._figure_png(own), bytes)
