"""Rows as named series: a plot draws a line, a bar or a lane for each.

- A series is a function of a plugin (``checker.check``) unless `by` says what: columns of the frame, or keys of the
  rows' labels (``by="variant"`` after ``with jn.label(variant="A")``).
- Without `by`, labels tell series apart as well, while that makes few enough to have a colour each.
- A name is put together once for each distinct combination, never once for each row.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from judicia_notebook.analysis import style
from judicia_notebook.records import labels
from judicia_notebook.text import did_you_mean
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

By = str | Sequence[str] | None
NAME_WIDTH = 39
Draw = TypeVar("Draw", bound=Callable[..., Any])


class Series(NamedTuple):
    """A name and the positions of its rows, as integers in the frame's order.

    Attributes
    ----------
    number : int
        Counts the series' names from 0, and chooses the colour.
    together : bool
        Whether these are all that were too rare for a series of their own.
    """

    name: str
    rows: Array
    number: int
    together: bool = False

    def line(self, look: style.Look) -> style.LineStyle:
        """The colour and dashes of this series; all without a name of their own share one."""
        return look.series[self.number] if self.number < len(look.series) else look.others


def names_columns(draw: Draw) -> Draw:
    """Decorate a function of frames: where the frame lacks a column, the error names the column."""

    @functools.wraps(draw)
    def drawing(*frames: Any, **options: Any) -> Any:
        try:
            return draw(*frames, **options)
        except KeyError as error:
            name = error.args[0]
            if not isinstance(name, str) or any(
                name in argument for argument in (*frames, *options.values()) if hasattr(argument, "columns")
            ):
                raise
            wanted = f"{draw.__name__} uses the column {name!r}, which the frame does not have"
            raise ValueError(f"{wanted}; a runtime's {', '.join(_frames_of(draw))} have it") from None

    return cast("Draw", drawing)


def figure_of_frames(draw: Draw) -> Draw:
    """Decorate a function that draws frames: as `names_columns`, and TeX sets none of its texts."""

    @functools.wraps(draw)
    def drawing(*frames: Any, **options: Any) -> Any:
        from judicia_notebook.analysis.portable import without_tex

        with without_tex():
            return draw(*frames, **options)

    return names_columns(cast("Draw", drawing))


def _frames_of(draw: Callable[..., Any]) -> list[str]:
    named = inspect.signature(draw).parameters
    return [name for name in ("calls", "host_calls", "samples") if name in named]


def split(
    frame: pd.DataFrame, by: By = None, most: int = style.NAMED, what: str = "", join: str = ", "
) -> list[Series]:
    """The series of a frame, those with the most rows first; of more than `most` + 1 the rarest together, last.

    Parameters
    ----------
    what : str
        The noun for the series that are put together, in the plural.
    join : str
        The text between the values of several columns in a name.

    Raises
    ------
    ValueError
        `by` names neither a column nor a label's key.
    """
    import numpy as np

    codes, names = _codes(frame, by, most, join)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    parts = {name: order[ends[code] : ends[code + 1]] for code, name in enumerate(names)}
    ranked = sorted((name for name in parts if len(parts[name])), key=lambda name: (-len(parts[name]), name))
    largest = ranked if len(ranked) <= most + 1 else ranked[:most]
    number = {name: number for number, name in enumerate(sorted(largest))}  # so that colours agree between two figures
    found = [Series(name, parts[name], number[name]) for name in largest]
    rest = ranked[len(largest) :]
    if rest:
        together = np.sort(np.concatenate([parts[name] for name in rest]))
        what = what or ("functions" if by is None else "series")
        found.append(Series(f"{len(rest)} other {what}", together, style.NAMED, together=True))
    return found


METERED = frozenset({"metering", "param_metering"})
"""The columns that say what the code of a call metered."""


def meterings(frame: pd.DataFrame) -> list[str]:
    """What the calls of a frame metered, but for monitored ones; nothing where it does not say."""
    if "monitored" in frame and "metering" in frame:
        frame = frame[frame["monitored"].isna()]
    return sorted(map(str, frame["metering"].dropna().unique())) if "metering" in frame else []


def refuse_mixed(frame: pd.DataFrame, by: By) -> None:
    """Refuse calls of several meterings in one figure of what calls cost, unless `by` tells them apart.

    Metering takes time, and of some code more than of other: such times are not of one kind.

    Raises
    ------
    ValueError
    """
    found, named = meterings(frame), {by} if isinstance(by, str) else set(by or ())
    if len(found) > 1 and not named & METERED:
        raise ValueError(
            f"these calls were metered in several ways ({', '.join(found)}), so their costs are not of one kind; "
            f"by='metering' tells them apart, calls[calls['metering'] == {found[0]!r}] has some of them"
        )


def _codes(frame: pd.DataFrame, by: By, most: int, join: str) -> tuple[Array, list[str]]:
    """A number for each row, and the names these numbers stand for."""
    if by is not None:
        columns = [by] if isinstance(by, str) else list(by)
        return _combined([column(frame, key) for key in columns], join.join)
    functions = _combined([frame[key] for key in ("plugin", "function") if key in frame], ".".join)
    if "label" not in frame or not frame["label"].notna().any():
        return functions
    import pandas as pd

    parts = [pd.Categorical.from_codes(functions[0], functions[1]), frame["label"].astype("category")]
    labelled = _combined(parts, lambda names: " · ".join(name for name in names if name))
    return labelled if len(labelled[1]) <= most + 1 else functions


def _combined(columns: Sequence[Any], join: Any) -> tuple[Array, list[str]]:
    """One code for each combination of values there is; two combinations of one name are one."""
    import numpy as np
    import pandas as pd

    if not columns:
        raise ValueError(
            "by names no column; without by= there is one series a function, or give names of columns and labels"
        )
    whole = np.zeros(len(columns[0]), np.int64)
    texts: list[list[str]] = []
    for values in columns:
        codes, found = _factorized(values)
        texts.append([*(str(value) for value in found), ""])  # the last for NA, whose code is -1
        whole = whole * len(texts[-1]) + np.where(codes < 0, len(texts[-1]) - 1, codes)
    which, distinct = pd.factorize(whole)
    names = [join(_texts_of(int(code), texts)) for code in distinct]
    of_name = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([of_name[name] for name in names], np.int64)[which], list(of_name)


def _factorized(values: Any) -> tuple[Array, Any]:
    import pandas as pd

    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        categorical = values.array if isinstance(values, pd.Series) else values
        return categorical.codes, categorical.categories
    codes, found = pd.factorize(values)
    return codes, found


def _texts_of(code: int, texts: list[list[str]]) -> list[str]:
    found = []
    for names in reversed(texts):
        code, index = divmod(code, len(names))
        found.append(names[index])
    return found[::-1]


def column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """A column of the frame, or that of a label: ``size`` is also ``label_size``.

    Raises
    ------
    ValueError
        There is neither a column nor a key of this name.
    """
    for there in (name, labels.PREFIX + name):
        if there in frame:
            return frame[there]
    known = [str(there).removeprefix(labels.PREFIX) for there in frame.columns]
    raise ValueError(f"there is no column and no label {name!r}.{did_you_mean(str(name), known)}")


def plural(number: int, what: str) -> str:
    """A count with its noun: ``1 call``, ``12 840 calls``."""
    return f"{format_count(number)} {what}{'' if number == 1 else 's'}"


def cut(name: str, width: int = NAME_WIDTH) -> str:
    """A long name without its middle, since the plugin stands first and the function last."""
    if len(name) <= width:
        return name
    half = (width - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def cut_apart(names: Sequence[str], width: int = NAME_WIDTH) -> list[str]:
    """Names cut so that unlike ones stay unlike: those that would look alike have a number, in the order of the names.

    Examples
    --------
    >>> cut_apart(["plugin.check_the_first_answer", "plugin.check_the_other_answer", "plugin.check"], 16)
    ['plugi…nswer (1)', 'plugi…nswer (2)', 'plugin.check']
    """
    found = {name: cut(name, width) for name in names}
    taken = set(found.values())
    alike: dict[str, list[str]] = {}
    for name in sorted(found):
        alike.setdefault(found[name], []).append(name)
    for group in alike.values():
        number = 0
        for name in group if len(group) > 1 else ():
            while found[name] in taken:
                number += 1
                mark = f" ({number})"
                found[name] = cut(name, width - len(mark)) + mark
            taken.add(found[name])
    return [found[name] for name in names]
