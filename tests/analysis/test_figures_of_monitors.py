"""Figures of what monitors count: they draw what was counted, say what they leave out, and have bounds."""

from __future__ import annotations

import matplotlib.style
import pandas as pd
import pytest
from matplotlib.figure import Figure

import judicia_notebook as jn
from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures.call_graph import call_graph
from judicia_notebook.analysis.figures.opcode_mix import opcode_mix
from judicia_notebook.analysis.figures.page_map import page_map
from judicia_notebook.experiments.monitoring.result import Monitored

GUEST = """(module (memory (export "memory") 3)
  (func $main (export "main") (param i32)
    (loop $again
      (call $even (local.get 0))
      (i32.store (i32.const 65536) (local.get 0))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (local.get 0))))
  (func $even (param i32) (if (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1))))))
  (func $odd (param i32) (if (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))))))"""


@pytest.fixture(scope="module")
def counted() -> Monitored:
    with jn.Runtime() as rt:
        return rt.load(GUEST, name="guest", abi="raw").monitor("main", numbers=[4], what="memory, edges, opcodes")


def words(figure: Figure) -> list[str]:
    [axes] = figure.axes
    legend = axes.get_legend()
    keys = [text.get_text() for text in legend.get_texts()] if legend is not None else []
    return [axes.get_title("left"), *(text.get_text() for text in axes.texts), *keys]


def test_the_figures_draw_what_was_counted(counted: Monitored) -> None:
    found = " ".join(words(counted.figure("memory")))
    assert "0 reads, 4 writes" in found.replace("\n", " ")
    assert "not touched" in found
    graph = words(counted.figure("edges"))
    # main calls even with 4, 3, 2 and 1; each calls on down to 0, in turns
    assert sorted(text for text in graph if text.isdigit()) == sorted(["4", "6", "4"])
    assert {"main", "even", "odd"} <= set(graph)
    mix = counted.figure("opcodes")
    whole = int(counted.opcodes["count"].sum())
    assert f"{whole} instructions ran" in " ".join(words(mix))
    [axes] = mix.axes
    widths = sum(bar.get_width() for container in axes.containers for bar in container)
    assert widths == whole


def test_what_was_not_monitored_is_named(counted: Monitored) -> None:
    with pytest.raises(ValueError, match="no figure 'opcode'"):
        counted.figure("opcode")
    with jn.Runtime() as rt:
        r = rt.load(GUEST, name="guest", abi="raw").monitor("main", numbers=[1])
        with pytest.raises(jn.JudiciaError, match='what="edges"'):
            r.figure("edges")


@pytest.mark.parametrize("ground", ["default", "dark_background"])
@pytest.mark.parametrize("kind", ["memory", "edges", "opcodes"])
def test_they_have_any_width_and_each_ground_and_draw_into_axes(counted: Monitored, kind: str, ground: str) -> None:
    with matplotlib.style.context(ground):
        for width in (None, 3.33):
            figure = counted.figure(kind, width=width, legend=width is None)
            figure.canvas.draw()
            [axes] = figure.axes
            for text in axes.texts:
                box = text.get_window_extent()
                assert box.x0 >= -1
                assert box.x1 <= figure.bbox.x1 + 1
        assert style.description(counted.figure(kind)).startswith("Plot")
        mine = Figure().add_subplot()
        assert counted.figure(kind, mine) is mine
        assert counted.figure(kind, title=None).axes[0].get_title("left") == ""


def test_empty_frames_are_a_sentence(counted: Monitored) -> None:
    for draw, frame in ((page_map, counted.memory), (call_graph, counted.edges), (opcode_mix, counted.opcodes)):
        assert words(draw(frame.iloc[:0]))[1].startswith("No ")


def test_very_many_are_bounded_and_said() -> None:
    names = [f"$x^2$ {number}" for number in range(200)]
    edges = pd.DataFrame({"caller": names, "callee": [*names[1:], names[0]], "count": range(1, 201)})
    graph = call_graph(edges)
    assert "not drawn" in words(graph)[0]
    assert len(graph.axes[0].patches) < 40
    graph.canvas.draw()
    pages = pd.DataFrame({"memory": [0, 0, 1], "page": [0, 65535, 3], "reads": 1, "writes": [0, 2**40, 1]})
    picture = page_map(pages)
    assert len(picture.axes[0].patches) < 16 * 40
    assert "a cell is 128 pages" in words(picture)[0].replace("\n", " ")
    mix = pd.DataFrame({"function": names, "opcode": [f"op{number}" for number in range(200)], "count": 5})
    assert "184 other opcodes" in words(opcode_mix(mix))[0].replace("\n", " ")
    assert "195 other functions" in " ".join(words(opcode_mix(mix)))


@pytest.mark.parametrize("width", [7.2, 3.33])
def test_long_paths_are_told_by_their_ends_and_numbers_stay_in_the_picture(width: float) -> None:
    path = "alloc::raw_vec::RawVec<T,A>::"
    names = ["main", f"{path}grow", f"{path}free", "core::free", "dlmalloc::dlmalloc::Dlmalloc<A>::dispose_chunk"]
    edges = pd.DataFrame({"caller": names[:-1], "callee": names[1:], "count": [1, 34_567, 2, 3]})
    shown = call_graph(
        pd.concat([edges, pd.DataFrame({"caller": names[2:3], "callee": "main", "count": 9_999})]), width=width
    )
    said = [text.replace("\n", "") for text in words(shown)]
    assert any(text.endswith("grow") for text in said)
    assert any(text.endswith("_chunk") for text in said)
    assert {"35 k", "10 k"} <= set(said)
    shown.canvas.draw()
    for text in shown.axes[0].texts:
        assert text.get_window_extent().x1 <= shown.bbox.x1 + 1
