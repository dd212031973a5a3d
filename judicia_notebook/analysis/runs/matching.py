"""The groups of calls that are compared with each other: those that both sides have.

A column that varies and has values on both sides makes groups, such as the inputs of a sweep. A column without a common
value names the sides, such as the plugin in two halves of a sweep. A column that only repeats others makes no groups.
Of a group's calls on one side only warm ones are compared, where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import series
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.records import labels
from judicia_notebook.text import printable
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

ALL = "all"
_PARAM = "param_"
_TELLING = frozenset({"plugin", "function", "metering", "side"})  # columns whose values need no name before them


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
    shared = [str(name) for name in a.columns if name in b.columns]
    params = [name for name in shared if name.startswith(_PARAM)]
    labelled = [name for name in shared if name.startswith(labels.PREFIX)]
    candidates = params or [name for name in ("plugin", "function", "metering", *labelled, "side") if name in shared]
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


def refuse_mixed(sides: Sequence[pd.DataFrame], keys: Sequence[str], apart: Sequence[str]) -> None:
    """Refuse to compare calls of several meterings, unless each group has one, or nothing but it tells the sides apart.

    Raises
    ------
    ValueError
    """
    found = [series.meterings(side) for side in sides]
    if len({*found[0], *found[1]}) < 2 or series.METERED & set(keys):  # one is no mixture
        return
    if max(map(len, found)) == 1 and apart and set(apart) <= series.METERED:
        return
    a, b = (", ".join(names) or "not said" for names in found)
    raise ValueError(
        f"these calls were metered in several ways, so their costs are not of one kind: a has {a}, b has {b}; compare "
        "those of one metering, such as calls[calls['metering'] == 'full'], or put 'metering' into by="
    )


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
    if keys[:2] == ["plugin", "function"]:
        rest = [_value_name(key, text) for key, text in zip(keys[2:], texts[2:], strict=True) if text]
        return " · ".join([".".join(texts[:2]), *rest])
    return ", ".join(_value_name(key, text) for key, text in zip(keys, texts, strict=True))


def _value_name(key: str, text: str) -> str:
    return text if key in _TELLING else f"{key.removeprefix(_PARAM).removeprefix(labels.PREFIX)}={text}"


def match(groups: Sequence[dict[str, Array]]) -> Matched:
    """Put the groups of one name together."""
    a, b = groups
    pairs = {name: (rows, b[name]) for name, rows in a.items() if name in b}
    return Matched(pairs, (len(a) - len(pairs), len(b) - len(pairs)))


class Temperatures(NamedTuple):
    """What became of cold calls.

    Attributes
    ----------
    cold : tuple of int
        How many cold calls of either side were left out.
    unlike : dict of int to int
        In how many groups all calls of this side are cold, and those of the other warm.
    """

    cold: tuple[int, int]
    unlike: dict[int, int]


def of_one_temperature(
    sides: Sequence[pd.DataFrame], pairs: Mapping[str, tuple[Array, Array]]
) -> tuple[dict[str, tuple[Array, Array]], Temperatures]:
    """The groups without the cold calls of a side that has warm ones there."""
    warm = [selection.is_warm(side) for side in sides]
    told = all("instance_call" in side for side in sides)
    kept, cold, unlike = {}, [0, 0], {0: 0, 1: 0}
    for group, rows in pairs.items():
        chosen = [selection.warm_or_all(here, is_warm) for here, is_warm in zip(rows, warm, strict=True)]
        kept[group] = (chosen[0], chosen[1])
        cold = [left + len(here) - len(those) for left, here, those in zip(cold, rows, chosen, strict=True)]
        is_cold = [not is_warm[those].any() for those, is_warm in zip(chosen, warm, strict=True)]
        if told and is_cold[0] != is_cold[1]:
            unlike[is_cold.index(True)] += 1
    return kept, Temperatures((cold[0], cold[1]), unlike)


def names_of(sides: Sequence[pd.DataFrame], apart: list[str]) -> tuple[str, str]:
    """The names of the sides: the values they do not have in common, where that is one text each."""
    for name in apart:
        found = [[text for text in _texts(side[name]).unique() if text] for side in sides]
        if all(len(texts) == 1 for texts in found):
            a, b = (texts[0] if name.startswith(_PARAM) else _value_name(name, texts[0]) for texts in found)
            return a, b
    return "a", "b"
