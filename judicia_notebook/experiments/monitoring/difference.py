"""Two results side by side: which counts differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.monitors import monitor_class, monitor_names
from judicia_notebook.text import printable, with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.monitor import Counted, Monitor

_COLUMNS = ("monitor", "function", "where", "number", "count", "other", "difference")


def diff(mine: Counted, other: Counted, plugin: str | None = None) -> pd.DataFrame:
    """Carry out `Monitored.diff`, whose docstring says more."""
    import pandas as pd

    pairs = _pairs(mine, other, plugin)
    is_by_plugin = plugin is None and max(len(mine.plugins), len(other.plugins)) > 1
    parts = []
    for name, monitor in mine.monitors.items():
        if name not in other.monitors or not monitor.numbers:
            continue
        compared = [each for each in pairs if monitor.is_by_name or mine.digests[each[0]] == other.digests[each[1]]]
        frames = (mine.frame(name), other.frame(name)) if compared else ()
        for names in compared:
            part = _part(monitor, *map(_of_plugin, frames, names))
            part.insert(0, "plugin", pd.Series([names[0]] * len(part), dtype="str"))
            parts.append(part)
    if not parts:
        raise JudiciaError(
            "They have no monitor in common that can be compared.",
            hint=f"Of two modules those can that count by name: {', '.join(_by_name())}.",
        )
    made = pd.concat(parts, ignore_index=True)[[*(["plugin"] if is_by_plugin else []), *_COLUMNS]]
    order = made["difference"].abs().fillna(0).to_numpy("i8").argsort(kind="stable")[::-1]
    return with_plugin_text(made.iloc[order].reset_index(drop=True))


def _pairs(mine: Counted, other: Counted, plugin: str | None) -> list[tuple[str, str]]:
    """Which plugin is compared with which: functions of two plugins may have one name, and are never added up."""
    if plugin is not None and plugin not in {*mine.plugins, *other.plugins}:
        raise JudiciaError(f"{printable(plugin, 80)} was monitored in neither: {_said(mine, other)}.")
    if plugin is not None or len(mine.plugins) == len(other.plugins) == 1:
        return [(_one(mine, other, mine, plugin), _one(mine, other, other, plugin))]
    if both := [(name, name) for name in mine.plugins if name in other.plugins]:
        return both
    example = next(side.plugins[0] for side in (mine, other) if len(side.plugins) > 1)
    hint = f"A result of one plugin is compared with one of several:  r.diff(other, plugin={example!r})"
    if min(len(mine.plugins), len(other.plugins)) > 1:
        hint = "Monitor one of them alone: it is compared with one of several, or of one, whatever its name."
    raise JudiciaError(f"They have no plugin in common: {_said(mine, other)}.", hint=hint)


def _one(mine: Counted, other: Counted, side: Counted, plugin: str | None) -> str:
    """The plugin of a side that is meant: its only one, whatever its name, or the one of this name."""
    if len(side.plugins) == 1:
        return side.plugins[0]
    if plugin not in side.plugins:
        raise JudiciaError(f"{printable(plugin or '', 80)} was monitored in one of them alone: {_said(mine, other)}.")
    return plugin


def _said(mine: Counted, other: Counted) -> str:
    return f"{', '.join(mine.plugins)} here, {', '.join(other.plugins)} there"


def _of_plugin(frame: pd.DataFrame, plugin: str) -> pd.DataFrame:
    """The rows of one plugin."""
    return frame[frame["plugin"] == plugin] if "plugin" in frame else frame


def _by_name() -> list[str]:
    return [name for name in monitor_names() if monitor_class(name).is_by_name]


def _filled(counts: pd.Series[int], whole: pd.Index[Any]) -> pd.Series[int]:
    """The counts of all rows: 0 where this side has none, and NA where it has one that is not known."""
    found = counts.reindex(whole).astype("Int64")
    return found.where(whole.isin(counts.index), 0)


def _part(monitor: Monitor, mine: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The numbers of one monitor of one plugin that differ."""
    import pandas as pd

    if "function" not in mine:
        mine, other = mine.assign(function=None), other.assign(function=None)
    keys, numbers = list(monitor.keys), list(monitor.numbers)
    # Names may not be distinct, and then their numbers are sums.
    sides = [side.groupby(keys, dropna=False, sort=False)[numbers].sum(min_count=1) for side in (mine, other)]
    named = pd.concat([side.groupby(keys, dropna=False, sort=False)["function"].first() for side in (mine, other)])
    named = named[~named.index.duplicated()]
    found = []
    whole = sides[0].index.union(sides[1].index, sort=False)
    for number in numbers:
        left, right = (_filled(side[number], whole) for side in sides)
        differs = (left != right).to_numpy(bool, na_value=True)
        frame = pd.DataFrame({"count": left[differs], "other": right[differs]}).reset_index()
        frame["difference"] = frame["other"] - frame["count"]
        frame["number"] = number
        frame["function"] = named.reindex(whole[differs]).to_numpy()
        found.append(frame)
    made = pd.concat(found, ignore_index=True)
    made["monitor"] = monitor.name
    others = [key for key in monitor.keys if key != "function"]
    made["where"] = [" ".join(f"{key} {value}" for key, value in zip(others, row, strict=True) if not pd.isna(value))
                     for row in made[others].itertuples(index=False)]  # fmt: skip
    for name in ("monitor", "number", "where", "function"):
        made[name] = made[name].astype("str")
    return made
