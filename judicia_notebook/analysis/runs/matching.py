"""The groups of calls that are compared with each other: those that both sides have.

A column that varies and has values on both sides makes groups, such as the inputs of a sweep. A column without a common
value names the sides, such as the plugin in two halves of a sweep. A column that only repeats others makes no groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis.figures import series
from judicia_notebook.text import printable
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

ALL = "all"
_PARAM = "param_"
_TELLING = frozenset({"plugin", "function", "label", "side"})  # columns whose values need no name before them


class Matched(NamedTuple):
    """The groups that both sides have, each with the positions of its rows on either side."""

    pairs: dict[str, tuple[Array, Array]]
    alone: tuple[int, int]

    def remarks(self, called: tuple[str, str]) -> list[str]:
        return [
            f"{format_count(number)} {'group has' if number == 1 else 'groups have'} calls of {name} only."
            for name, number in zip(called, self.alone, strict=True)
            if number
        ]


def why_not(groups: Sequence[dict[str, Array]]) -> str:
    """Why no groups were put together."""
    empty = [name for name, there in zip("ab", groups, strict=True) if not there]
    if empty:
        return f"{' and '.join(empty)} {'has' if len(empty) == 1 else 'have'} no calls"
    a, b = (printable(", ".join([*islice(there, 4), *(["..."] if len(there) > 4 else [])]), 200) for there in groups)
    return f"no group has calls of both sides: a has {a}; b has {b}"


def keys_of(sides: Sequence[pd.DataFrame], by: series.By) -> tuple[list[str], list[str]]:
    """The columns that groups are made by, and those in which the sides have nothing in common."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    a, b = sides
    params = [str(name) for name in a.columns if str(name).startswith(_PARAM) and name in b.columns]
    candidates = params or [name for name in ("plugin", "function", "label", "side") if name in a and name in b]
    both = pd.DataFrame({name: union_categoricals([_texts(a[name]), _texts(b[name])]) for name in candidates})
    keys: list[str] = []
    apart: list[str] = []
    for name in candidates:
        values_a, values_b = (set(part.unique()) for part in (both[name][: len(a)], both[name][len(a) :]))
        if not values_a & values_b:
            apart.append(name)
        elif len(values_a | values_b) > 1 and _combinations(both, [*keys, name]) > _combinations(both, keys):
            keys.append(name)
    if by is None:
        return keys, apart
    return [by] if isinstance(by, str) else list(by), apart


def _combinations(texts: pd.DataFrame, keys: list[str]) -> int:
    return int(texts.groupby(keys, observed=True, sort=False).ngroups) if keys else 1


def groups_of(side: pd.DataFrame, keys: list[str]) -> dict[str, Array]:
    """The positions of the rows of each group, by its name, in the order in which they come first."""
    import numpy as np
    import pandas as pd

    if not keys or not len(side):
        return {ALL: np.arange(len(side))} if len(side) else {}
    texts = pd.DataFrame({number: _texts(series.column(side, key)) for number, key in enumerate(keys)})
    codes = texts.groupby(list(texts), observed=True, sort=False).ngroup().to_numpy()
    _, first = np.unique(codes, return_index=True)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(first) + 1))
    return {
        _group_name(keys, texts.iloc[int(first[code])].tolist()): order[ends[code] : ends[code + 1]]
        for code in np.argsort(first)
    }


def _texts(column: pd.Series) -> pd.Categorical:
    """A column as texts, empty where it is NA: the two sides need not have the same dtypes."""
    import numpy as np
    import pandas as pd

    try:
        codes, values = pd.factorize(column)
    except TypeError:  # lists, of which a sweep's payloads may be made
        codes, values = pd.factorize(column.map(str))
    texts = [*(_text(value) for value in values), ""]  # the last is what a code of -1 finds
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return pd.Categorical.from_codes(np.array([place[text] for text in texts])[codes], list(place))


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _group_name(keys: list[str], texts: list[str]) -> str:
    if keys[:2] == ["plugin", "function"] and set(keys) <= _TELLING:
        return " · ".join(text for text in (".".join(texts[:2]), *texts[2:]) if text)
    named = zip(keys, texts, strict=True)
    return ", ".join(text if key in _TELLING else f"{key.removeprefix(_PARAM)}={text}" for key, text in named)


def match(groups: Sequence[dict[str, Array]]) -> Matched:
    """Put the groups of one name together."""
    a, b = groups
    pairs = {name: (rows, b[name]) for name, rows in a.items() if name in b}
    return Matched(pairs, (len(a) - len(pairs), len(b) - len(pairs)))


def names_of(sides: Sequence[pd.DataFrame], apart: list[str]) -> tuple[str, str]:
    """The names of the sides: the values they do not have in common, where that is one text each."""
    for name in apart:
        found = [[text for text in _texts(side[name]).unique() if text] for side in sides]
        if all(len(texts) == 1 for texts in found):
            return found[0][0], found[1][0]
    return "a", "b"
