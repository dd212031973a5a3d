"""Host calls by capability, and the host's decisions: allowed, denied, limited, failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import series, style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_DECISIONS = ("allowed", "denied", "limited", "failed")
_HATCHES = ("", "////", "....", "xxxx")  # for print without colour
_MOST = 14


@series.figure_of_frames
def capabilities(
    host_calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Host calls by capability and decision, denials in a colour of their own.

    Parameters
    ----------
    host_calls : DataFrame
        Rows of `Runtime.host_calls`; ``plugin``, ``capability``, ``function`` and ``decision`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        One bar a capability, and plugin where there are several; host functions that need no capability have one each.
        Numbers stand beside the bars. Of more than fifteen bars the rarest are one.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"plugin": "specimen", "capability": "random", "function": "judicia:random bytes"}
    >>> host_calls = pd.DataFrame(rows | {"decision": ["allowed", "allowed", "denied"]})
    >>> [text.get_text() for text in capabilities(host_calls).axes[0].texts]
    ['3, 1 denied']
    """
    import numpy as np

    found = series.split(_named(host_calls), _by(host_calls), _MOST, "bars", " · ") if len(host_calls) else []
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if not found:
        return layout.message("No host calls yet.")
    decision = host_calls["decision"].astype(object).to_numpy()
    counts = np.array([[int((decision[group.rows] == kind).sum()) for kind in _DECISIONS] for group in found])
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    handles = _draw(layout, [group.name for group in found], counts)
    scales.count_axis(axes, "x", "host calls", 0, float(counts.sum(axis=1).max()))
    layout.legend(list(handles.values()), list(handles))
    layout.title(series.plural(int(counts.sum()), "host call"))
    return layout.done()


def _named(host_calls: pd.DataFrame) -> pd.DataFrame:
    """The capability of a host call, or the host function where it takes none."""
    import pandas as pd

    named = host_calls["capability"].astype("category")
    names = [*named.cat.categories, *(f"{name} (needs none)" for name in _free(host_calls))]
    codes = named.cat.codes.to_numpy().astype("i8")
    function = host_calls["function"].astype("category")
    free = {name: len(named.cat.categories) + number for number, name in enumerate(_free(host_calls))}
    code_of = [free.get(name, -1) for name in function.cat.categories]
    function_codes = function.cat.codes.to_numpy()
    codes = _where_unknown(codes, function_codes, code_of)
    asked = pd.Categorical.from_codes(codes, categories=names)
    return pd.DataFrame({"plugin": host_calls["plugin"].array, "asked": asked})


def _free(host_calls: pd.DataFrame) -> list[str]:
    functions = host_calls["function"][host_calls["capability"].isna().to_numpy()]
    return sorted(functions.dropna().astype(str).unique())


def _where_unknown(codes: Array, function_codes: Array, code_of: list[int]) -> Array:
    import numpy as np

    return np.where(codes < 0, np.array([*code_of, -1])[function_codes], codes)


def _by(host_calls: pd.DataFrame) -> list[str]:
    return ["plugin", "asked"] if len(host_calls["plugin"].unique()) > 1 else ["asked"]


def _draw(layout: Layout, names: list[str], counts: Array) -> dict[str, Artist]:
    import numpy as np

    axes = layout.axes
    look = style.look_of(axes)
    colours = (look.good, look.bad, look.poor, look.worst)
    numbers = []
    for row in counts:
        others = [f"{format_count(row[kind])} {_DECISIONS[kind]}" for kind in (1, 2, 3) if row[kind]]
        numbers.append(", ".join([format_count(row.sum()), *others]))
    places = layout.rows(names, numbers)
    begins = np.cumsum(counts, axis=1) - counts
    handles: dict[str, Artist] = {}
    for kind, (name, colour, hatch) in enumerate(zip(_DECISIONS, colours, _HATCHES, strict=True)):
        if counts[:, kind].any():
            drawn: dict[str, Any] = {"height": 0.72, "color": colour, "hatch": hatch, "edgecolor": look.ground}
            bars = axes.barh(places, counts[:, kind], left=begins[:, kind], linewidth=0, **drawn)
            handles[name] = bars[0]
    return handles
