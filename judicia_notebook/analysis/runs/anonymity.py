"""A run without the names of its user and machine, for an anonymous review.

- The platform's own words stay: outcomes, capabilities, host functions, quotas, every number.
- The names of functions and the labels of `jn.label` stay, too, because a study describes its calls by them. A name or
  label that holds the name of this user or machine is replaced.
- Every other text, written by a guest or a person, becomes a number of its kind, the same number for the same text in
  all tables: ``plugin-1``, ``target-3``. Free text is not searched for names, since no search would find them all.
- Instants count from 1970, so that the run tells no day and no hour. The times between them stay.

Each column's declaration has its rule (`judicia_notebook.records.schema.Anonymous`).
"""

from __future__ import annotations

import contextlib
import getpass
import platform
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.runs.tables import Tables
from judicia_notebook.records import labels
from judicia_notebook.records.rows import SCHEMAS
from judicia_notebook.text import PLUGIN_TEXT

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.schema import Anonymous

_ORDER = ("policies", "audit", "calls", "host_calls", "samples", "logs")
"""In which texts are met, and so numbered."""
ABOUT = ("units", "packages", "machine", "clocks", "engines")
"""The parts of what is said of a machine, none of which names it."""
PARAM = "param_"
_KEPT = frozenset({"MainThread"})
_CLASS = re.compile(r"[A-Z][A-Za-z]{2,40}(?=: )")
_SHORTEST = 3


class Names:
    """Numbers for texts, counted for each kind in the order in which the texts come."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def of(self, kind: str, text: str) -> str:
        known = self._known.setdefault(kind, {})
        return known.setdefault(text, f"{kind}-{len(known) + 1}")


def identifying() -> tuple[str, ...]:
    """The names of this user and this machine, in lower case."""
    found = {platform.node(), platform.node().partition(".")[0]}
    with contextlib.suppress(OSError, KeyError, ImportError, RuntimeError):  # a user without a name
        found |= {getpass.getuser(), Path.home().name}
    return tuple(sorted(name.lower() for name in found if len(name) >= _SHORTEST))


def anonymous(run: Tables) -> Tables:
    """The same tables, without the names of user and machine."""
    names, secret = Names(), identifying()
    frames = run.frames
    made = {table: _frame(frames[table], table, names, secret) for table in _ORDER}
    sweeps = {
        names.of("sweep", name) if _tells(name, secret) else name: _sweep(frame, names, secret)
        for name, frame in run.sweeps.items()
    }
    began = _first_instant([*frames.values(), *run.sweeps.values()])
    made = {table: _since(frame, began) for table, frame in made.items()}
    sweeps = {name: _since(frame, began) for name, frame in sweeps.items()}
    plugins = {
        names.of("plugin", plugin): [names.of("digest", digest) for digest in digests]
        for plugin, digests in run.meta.get("plugins", {}).items()
    }
    meta = {key: run.meta[key] for key in ABOUT if key in run.meta}
    return Tables(made, {"plugins": plugins, **meta, "anonymous": True}, sweeps)


def anonymous_sweep(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of `sweep` without the names of user and machine.

    Names that a study gave its plugins, payloads, quotas and grants stay like labels, the plugins' own do not.
    """
    return _since(_sweep(frame, Names(), identifying()), _first_instant([frame]))


def _sweep(frame: pd.DataFrame, names: Names, secret: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    calls = _columns(frame, "calls", names, secret)
    columns: dict[str, Any] = {name: frame[name] for name in ("cell", "repeat")}
    for name in map(str, frame.columns):
        if name.startswith(PARAM):
            shown = PARAM + names.of("name", name).replace("-", "_") if _tells(name, secret) else name
            columns[shown] = _param(frame, name, names, secret)
    made = pd.DataFrame(columns | {"worker": frame["worker"]} | calls, copy=False)
    made.attrs.update({name: frame.attrs[name] for name in ("cells", PLUGIN_TEXT) if name in frame.attrs})
    made.attrs["sweep"] = _sweep_meta(frame.attrs.get("sweep", {}), names, secret)
    return made


def _param(frame: pd.DataFrame, name: str, names: Names, secret: tuple[str, ...]) -> Any:
    own = set(frame["plugin"].dropna().unique())

    def replaced(text: str) -> str:
        if name == f"{PARAM}plugin" and text in own:
            return names.of("plugin", text)
        if name == f"{PARAM}grants":
            text = ", ".join(_scope(grant, names) for grant in text.split(", "))
        return names.of("param", text) if _tells(text, secret) else text

    if frame[name].dtype == "object":
        values = [replaced(value) if isinstance(value, str) else value for value in frame[name]]
        return _objects(values, frame.index)
    return _replaced(frame[name], replaced) if _is_text(frame[name]) else frame[name]


_PARTS = ("kind", "repeats", "warmup", "order", "seed", "instances", "wasmtime", "engines")
"""Of what makes two grids the same: the parts that tell nobody's name, and are no digests."""


def _sweep_meta(meta: Any, names: Names, secret: tuple[str, ...]) -> dict[str, Any]:
    """What stays of a frame's ``attrs["sweep"]``."""
    grid, about, plugins = (meta.get(part, {}) for part in ("grid", "about", "plugins"))
    function = str(grid.get("function", ""))
    return {
        "grid": {"function": names.of("function", function) if _tells(function, secret) else function}
        | {part: grid[part] for part in _PARTS if part in grid},
        "plugins": [
            {"name": names.of("plugin", plugin["name"]), "digest": names.of("digest", plugin["digest"])}
            for plugin in plugins
        ],
        "about": {part: about[part] for part in ABOUT if part in about},
    }


def _frame(frame: pd.DataFrame, table: str, names: Names, secret: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    made = pd.DataFrame(_columns(frame, table, names, secret), copy=False)
    made.attrs.update(frame.attrs)
    return made


def _columns(frame: pd.DataFrame, table: str, names: Names, secret: tuple[str, ...]) -> dict[str, Any]:
    """The columns of a table, each by its rule."""
    columns: dict[str, Any] = {}
    for name, column in SCHEMAS[table].columns.items():
        if column.is_fixed:
            columns[name] = _column(frame[name], column.anonymous, names, secret)
        else:
            columns |= _labels(frame, column.anonymous, names, secret)
    return columns


def _labels(frame: pd.DataFrame, anonymous: Anonymous, names: Names, secret: tuple[str, ...]) -> dict[str, Any]:
    """The columns of labels; one whose name tells whose it is gets another name."""
    return {
        labels.PREFIX + names.of("name", name).replace("-", "_") if _tells(name, secret) else name: (
            _column(frame[name], anonymous, names, secret) if _is_text(frame[name]) else frame[name]
        )
        for name in map(str, frame.columns)
        if name.startswith(labels.PREFIX)
    }


def _is_text(column: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_string_dtype(column))


def _column(column: pd.Series, anonymous: Anonymous, names: Names, secret: tuple[str, ...]) -> Any:
    kind = anonymous.kind
    match anonymous.rule:
        case "kept":
            return column
        case "numbered":
            return _replaced(column, lambda text: text if text in _KEPT else names.of(kind, text))
        case "unless_told":
            return _replaced(column, lambda text: names.of(kind, text) if _tells(text, secret) else text)
        case "class_alone":
            return _replaced(column, _class_alone)
        case "scopes":
            return _objects([tuple(_scope(grant, names) for grant in granted) for granted in column], column.index)
        case "removed":
            return _objects([None] * len(column), column.index)


def _tells(text: str, secret: tuple[str, ...]) -> bool:
    return any(name in text.lower() for name in secret)


def _replaced(column: pd.Series, replace: Callable[[str], str]) -> Any:
    """A column of texts with others, in the order of the rows; sorted categories, as every frame has them."""
    import numpy as np
    import pandas as pd

    from judicia_notebook.records.columns import categories

    if not isinstance(column.dtype, pd.CategoricalDtype):
        codes, distinct = pd.factorize(column)
        replaced = pd.Series([*(replace(text) for text in distinct), None], dtype=column.dtype)  # the last for NA
        return replaced.take(codes).set_axis(column.index)
    codes = column.cat.codes.to_numpy()
    texts = {int(code): replace(str(column.cat.categories[code])) for code in pd.unique(codes) if code >= 0}
    ordered = sorted(set(texts.values()))
    place = {name: code for code, name in enumerate(ordered)}
    new = np.full(len(column.cat.categories) + 1, -1, np.intp)
    for code, text in texts.items():
        new[code] = place[text]
    return categories(new[codes], ordered)


def _class_alone(error: str) -> str:
    found = _CLASS.match(error)
    return found.group() if found else "error"


def _scope(grant: str, names: Names) -> str:
    capability, equals, scope = grant.partition("=")
    return f"{capability}={names.of('scope', scope)}" if equals else grant


def _objects(values: list[Any], index: pd.Index) -> pd.Series:
    import numpy as np
    import pandas as pd

    filled = np.empty(len(values), object)
    filled[:] = values
    return pd.Series(filled, dtype="object", index=index)


def _instants(frame: pd.DataFrame) -> list[str]:
    import pandas as pd

    return [str(name) for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.DatetimeTZDtype)]


def _first_instant(frames: Iterable[pd.DataFrame]) -> pd.Timestamp | None:
    found = [frame[name].min() for frame in frames if len(frame) for name in _instants(frame)]
    return min(found, default=None)


def _since(frame: pd.DataFrame, began: pd.Timestamp | None) -> pd.DataFrame:
    import pandas as pd

    epoch = pd.Timestamp(0, tz="UTC")
    for name in _instants(frame):
        if began is not None:
            frame[name] = (frame[name] - began + epoch).astype(frame[name].dtype)
    return frame
