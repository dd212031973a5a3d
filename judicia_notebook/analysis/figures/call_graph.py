"""Which function called which: boxes in columns from what was called from outside, arrows with counts.

Calls that lead back to a column on the left, or within one, are dashed; calls of itself stand in the box.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.letters import width_of
from judicia_notebook.analysis.figures.scales import short_count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MOST_BOXES, _MOST_COLUMNS = 14, 6
_COLUMN = 1.12  # inches that a column needs, at least
_BELOW = 0.3  # from one number to another, of a row
_BOX = 0.7  # of a column's width
_ROW = 4.6  # of the height of a letter
_LONGEST, _SHORTEST = 24, 3  # letters of a line

_Edge = tuple[str, str]


class _Graph(NamedTuple):
    """The functions by their columns, the calls between them, and what is left out."""

    columns: list[list[str]]
    calls: dict[_Edge, int]
    left_out: int


@series.figure_of_frames
def call_graph(
    edges: pd.DataFrame,
    ax: Axes | None = None,
    *,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Draw the frame of the monitor ``edges``.

    Parameters
    ----------
    edges : DataFrame
        ``caller``, ``callee`` and ``count`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        The fourteen functions with the most calls among them, fewer where it is narrow; what is not drawn is counted
        in the title. Thicker is more calls, by orders of magnitude, and each arrow has its number.
    """
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    known = edges[edges["count"].notna() & edges["callee"].notna()]
    if known.empty:
        return layout.message("No function called another." if edges.empty else "The counts are not known.")
    sums: Counter[_Edge] = Counter()
    for caller, callee, count in known[["caller", "callee", "count"]].itertuples(index=False):
        sums[str(caller), str(callee)] += int(count)
    graph = _graph(sums, max(3, min(int(layout.room / 72 / _COLUMN), _MOST_COLUMNS)))
    axes.set_axis_off()
    tallest = max(len(column) for column in graph.columns)
    across = len(graph.columns)
    places = {
        name: (column, (row + 0.5) * tallest / len(names))
        for column, names in enumerate(graph.columns)
        for row, name in enumerate(names)
    }
    is_wide = any(places[caller][0] >= places[callee][0] for caller, callee in graph.calls if caller != callee)
    extent = across - 1 + _BOX + (0.36 if is_wide else 0.02)
    axes.set_xlim(-0.02, extent)
    axes.set_ylim(tallest, 0)
    _draw_calls(layout, graph, places, layout.room / extent)
    _draw_boxes(layout, graph, places, layout.room * _BOX / extent)
    more = f" · not drawn: {series.plural(graph.left_out, 'call')}" if graph.left_out else ""
    layout.title(f"{series.plural(sum(sums.values()), 'call')} of functions by others or themselves{more}")
    return layout.done(max(_ROW * rc.points("xtick.labelsize") / 72 * tallest, 1.0))


def _graph(sums: Counter[_Edge], most_columns: int) -> _Graph:
    weight: Counter[str] = Counter()
    for (caller, callee), times in sums.items():
        weight[caller] += times
        weight[callee] += times
    busiest = sorted(weight.items(), key=lambda each: (-each[1], each[0]))
    shown = {name for name, _ in busiest[: min(2 * most_columns + 2, _MOST_BOXES)]}
    calls = {edge: times for edge, times in sums.items() if shown.issuperset(edge)}
    drawn = {name for edge in calls for name in edge}
    if not calls:  # the busiest call each other not at all
        edge, times = sums.most_common(1)[0]
        calls, drawn = {edge: times}, set(edge)
    columns = _columns(drawn, calls, most_columns)
    return _Graph(columns, calls, sum(sums.values()) - sum(calls.values()))


def _columns(names: Iterable[str], calls: dict[_Edge, int], most: int) -> list[list[str]]:
    """Functions by the longest way to them from one that none of them called; calls that close a cycle do not count."""
    order = sorted(names, key=lambda name: (-sum(times for edge, times in calls.items() if name in edge), name))
    following = {name: [each for each in order if (name, each) in calls and each != name] for name in order}
    depth = dict.fromkeys(order, 0)
    for caller, callees in _onward(order, following):
        for callee in callees:
            depth[callee] = max(depth[callee], min(depth[caller] + 1, most - 1))
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in order:
        columns[depth[name]].append(name)
    return _untangled(columns, calls)


def _onward(order: list[str], following: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Each function before all that it calls, and with those of them whose calls close no cycle."""
    found: list[tuple[str, list[str]]] = []
    begun: set[str] = set()
    done: set[str] = set()

    def visit(caller: str) -> None:  # no deeper than there are boxes
        begun.add(caller)
        callees = []
        for callee in following[caller]:
            if callee not in begun:
                visit(callee)
                callees.append(callee)
            elif callee in done:
                callees.append(callee)
        done.add(caller)
        found.append((caller, callees))

    called = {callee for callees in following.values() for callee in callees}
    for name in sorted(order, key=called.__contains__):
        if name not in begun:
            visit(name)
    return found[::-1]


def _untangled(columns: list[list[str]], calls: dict[_Edge, int]) -> list[list[str]]:
    """Each column in the order of the middle of its callers, so that fewer arrows cross."""
    place = {name: row / len(names) for names in columns for row, name in enumerate(names)}
    for names in columns[1:]:
        middle = {}
        for name in names:
            callers = [(place[caller], times) for (caller, callee), times in calls.items() if callee == name != caller]
            whole = sum(times for _, times in callers)
            middle[name] = sum(at * times for at, times in callers) / whole if whole else 0.0
        names.sort(key=lambda name: middle[name])
        place |= {name: row / len(names) for row, name in enumerate(names)}
    return [names for names in columns if names]


def _draw_calls(layout: Layout, graph: _Graph, places: dict[str, tuple[int, float]], column: float) -> None:
    """Arrows with their numbers; a column is so many points wide."""
    from matplotlib.patches import FancyArrowPatch

    axes, look = layout.axes, style.look_of(layout.axes)
    most, size = max(graph.calls.values()), rc.points("xtick.labelsize")
    taken: list[_Number] = []
    tallest = max(len(column) for column in graph.columns)
    # Those to the next column first: their numbers have one place only.
    for (caller, callee), times in sorted(graph.calls.items(), key=lambda each: _span(each[0], places)):
        if caller == callee:
            continue
        (here, top), (there, bottom) = places[caller], places[callee]
        is_onward = there > here
        if is_onward:
            # Over several columns it bends around what would else be in its way, towards the middle.
            around = (there - here > 1) * (1.0 if top + bottom < tallest else -1.0)
            path = _curve((here + _BOX, top), (there, bottom), down=around)
        else:
            side = 0.36 if bottom < top else -0.36
            path = _curve((here + _BOX * 0.9, top - side), (there + _BOX * 0.9, bottom + side), right=0.42)
        thickness = 0.8 + 2.2 * (len(str(times)) - 1) / max(len(str(most)) - 1, 1)
        axes.add_patch(
            FancyArrowPatch(
                path=path, arrowstyle="-|>", mutation_scale=9, color=look.series[0].colour,
                linewidth=thickness, linestyle="-" if is_onward else "--", zorder=1 if is_onward else 3.5,
            )
        )  # fmt: skip
        text = _rounded(times)
        at = _free(path, taken, width_of(text, size) / column, is_onward=is_onward)
        box = {"facecolor": look.ground, "edgecolor": "none", "pad": 0.8}
        style.write(axes, float(at[0]), float(at[1]), text, ha="center", va="center", bbox=box, zorder=5)


def _span(edge: _Edge, places: dict[str, tuple[int, float]]) -> int:
    return places[edge[1]][0] - places[edge[0]][0]


def _curve(start: tuple[float, float], end: tuple[float, float], *, right: float = 0.0, down: float = 0.0) -> Any:
    """A curve in data coordinates, so that it is known where its number stands."""
    from matplotlib.path import Path

    middle = ((start[0] + end[0]) / 2 + right, (start[1] + end[1]) / 2 + down)
    return Path([start, middle, end], [Path.MOVETO, Path.CURVE3, Path.CURVE3])


class _Number(NamedTuple):
    """Where the number of a call stands: its middle, and its width of a column."""

    x: float
    y: float
    width: float


def _free(path: Any, taken: list[_Number], width: float, *, is_onward: bool) -> Any:
    """Where the number of a call stands: between columns, where no other number is."""
    start, control, end = path.vertices
    shares = [0.5, 0.4, 0.6, 0.3, 0.7]
    if is_onward:  # a call over several columns goes behind boxes
        first, last = int(start[0]), int(end[0])
        gaps = range(first + 1, last + 1)
        xs = [gap - (1 - _BOX) * part for gap in gaps for part in (0.5, 0.65, 0.35, 0.8, 0.2)]
        shares = [(x - start[0]) / (end[0] - start[0]) for x in xs]
    found = [(1 - each) ** 2 * start + 2 * each * (1 - each) * control + each**2 * end for each in shares]

    def apart(at: Any) -> float:
        return min(
            (max(abs(at[0] - one.x) * 2 / (width + one.width), abs(at[1] - one.y) / _BELOW) for one in taken), default=1
        )

    distances = [min(apart(at), 1.0) for at in found]
    chosen = found[distances.index(max(distances))]
    taken.append(_Number(float(chosen[0]), float(chosen[1]), width))
    return chosen


def _rounded(times: int) -> str:
    """A count on two digits from a thousand on: there is little room between boxes, and the frame has all digits."""
    return short_count(times if times < 1000 else int(float(f"{times:.1e}")))


def _draw_boxes(layout: Layout, graph: _Graph, places: dict[str, tuple[int, float]], width: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes, look = layout.axes, style.look_of(layout.axes)
    size = rc.points("xtick.labelsize")
    room = width - 0.6 * size
    for name, (column, row) in places.items():
        shape = FancyBboxPatch(
            (column, row - 0.36), _BOX, 0.72, boxstyle="round,pad=0,rounding_size=0.04", facecolor=look.ground,
            edgecolor=look.faint_ink, linewidth=0.9, zorder=3,
        )  # fmt: skip
        axes.add_patch(shape)
        own = graph.calls.get((name, name), 0)
        lines = _fitting(name, size, room)
        if own:  # a box has room for two lines
            lines = [f"…{lines[-1].removeprefix('…')}" if len(lines) > 1 else lines[0], f"itself {_rounded(own)}"]
        where: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 4, "linespacing": 1.1}
        style.write(axes, column + _BOX / 2, row, "\n".join(lines), **where)


def _fitting(name: str, size: float, room: float) -> list[str]:
    """A name on one line or two: of a path as many of its last parts as the box has room for."""

    def fits(line: str) -> bool:
        return width_of(style.drawable(line), size) <= room

    parts = [f"{part}::" for part in name.split("::")]
    parts[-1] = parts[-1].removesuffix("::")
    for first in range(len(parts)):
        before = "…" if first else ""
        for middle in range(first, len(parts)):
            lines = [before + "".join(parts[first:middle]), "".join(parts[middle:])]
            if middle == first:
                lines = [before + lines[1]]
            if all(map(fits, lines)):
                return lines
    last = f"{'…' if len(parts) > 1 else ''}{parts[-1]}"
    for most in range(_LONGEST, _SHORTEST, -1):
        shown = series.cut(last, 2 * most)
        middle = (len(shown) + 1) // 2
        breaks = [at for at, letter in enumerate(shown, 1) if letter == "_" and at < len(shown)]
        for half in (*sorted(breaks, key=lambda at: abs(at - middle)), middle):
            if fits(shown[:half]) and fits(shown[half:]):
                return [shown[:half], shown[half:]]
    return [series.cut(last, _SHORTEST)]
