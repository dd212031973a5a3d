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
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.runs.tables import Tables
from judicia_notebook.records.rows import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.schema import Anonymous

_ORDER = ("policies", "audit", "calls", "host_calls", "samples", "logs")
"""In which texts are met, and so numbered."""
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
    began = _first_instant(run)
    made = {table: _since(frame, began) for table, frame in made.items()}
    plugins = {
        names.of("plugin", plugin): [names.of("digest", digest) for digest in digests]
        for plugin, digests in run.meta.get("plugins", {}).items()
    }
    meta = {key: run.meta[key] for key in ("units", "packages", "machine", "clocks") if key in run.meta}
    return Tables(made, {"plugins": plugins, **meta, "anonymous": True})


def _frame(frame: pd.DataFrame, table: str, names: Names, secret: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    columns = {
        name: _column(frame[name], column.anonymous, names, secret) for name, column in SCHEMAS[table].columns.items()
    }
    made = pd.DataFrame(columns, copy=False)
    made.attrs.update(frame.attrs)
    return made


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
        return pd.Series([replace(text) for text in column], dtype=column.dtype, index=column.index)
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


def _first_instant(run: Tables) -> pd.Timestamp | None:
    found = [frame[name].min() for frame in run.frames.values() if len(frame) for name in _instants(frame)]
    return min(found, default=None)


def _since(frame: pd.DataFrame, began: pd.Timestamp | None) -> pd.DataFrame:
    import pandas as pd

    epoch = pd.Timestamp(0, tz="UTC")
    for name in _instants(frame):
        if began is not None:
            frame[name] = (frame[name] - began + epoch).astype(frame[name].dtype)
    return frame
