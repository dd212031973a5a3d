"""Text that a guest may have written, made fit to be shown. Knows neither its author nor the place that shows it.

Such text may hold what moves a cursor, recolours a terminal, reverses a line, cannot be seen, or piles marks up until
they cover the lines above. `printable` takes all of that out, at every place where text is read to be shown. What
HTML, TeX, a spreadsheet or a shell would make of the rest is the business of each place that writes one of these.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    import pandas as pd

    Frame = TypeVar("Frame", bound=pd.DataFrame)

_INVISIBLE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufe00-\ufe0d"
    r"\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# The two joiners are part of emojis and of some scripts' words; anywhere else they only make two texts look the same.
_LONE_JOINERS = r"(?<![\u0600-\u0dff])\u200c|(?<![\u0600-\u0dff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d"
# So are the two selectors that draw a sign as text or as an emoji; a digit is one with a keycap.
_SIGNS = r"\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030-\u3299\U0001f000-\U0001faff"
_LONE_SELECTORS = rf"(?<![{_SIGNS}#*0-9])[\ufe0e\ufe0f]|(?<=[#*0-9])[\ufe0e\ufe0f](?!\u20e3)"
_UNPRINTABLE = re.compile(f"[{_INVISIBLE}]|{_LONE_JOINERS}|{_LONE_SELECTORS}")
_MOST_MARKS = 4
"""Marks on one letter; what people write needs three."""

PLUGIN_TEXT: Final = "plugin_text"
"""The key in `DataFrame.attrs` of a frame with texts of plugins; pandas hands it on to frames made from that one."""

INERT_CLASSES: Final = "tex2jax_ignore mathjax_ignore"
"""What the outermost element of HTML with a guest's text has as class: MathJax 2 and 3 each leave one of them alone.

JupyterLab typesets the TeX in all HTML it shows.
"""


def with_plugin_text(frame: Frame) -> Frame:
    """Note that texts of plugins are in a frame, so that a notebook shows it without setting their TeX."""
    frame.attrs[PLUGIN_TEXT] = True
    return frame


def printable(text: str, limit: int = 500) -> str:
    """Text from a guest on one line: nothing that cannot be seen or that changes its surroundings, cut at `limit`.

    Examples
    --------
    >>> printable("two" + chr(10) + "lines" + chr(0x202E))
    'two⏎lines\ufffd'
    """
    clean = text[: limit + 1].replace("\n", "⏎").replace("\t", " ")
    if not (clean.isascii() and clean.isprintable()):
        clean = _without_floods(_UNPRINTABLE.sub("\ufffd", clean))
    return clean[:limit] + "…" if len(clean) > limit else clean


def short_place(file: str, line: int) -> str:
    """A line of a file, such as ``kernel.c:12``, printable; of a long path the end, which tells more.

    Examples
    --------
    >>> short_place("kernel.c", 12), short_place("/code/" + "deep/" * 20 + "kernel.c", 3)
    ('kernel.c:12', '…p/deep/deep/deep/deep/deep/deep/deep/deep/deep/kernel.c:3')
    """
    shown = printable(file, len(file))
    return f"{shown if len(shown) <= _MOST_PATH else f'…{shown[1 - _MOST_PATH :]}'}:{line}"


_MOST_PATH: Final = 56


def printable_json(value: Any) -> Any:
    """A value of JSON whose texts, and the names in it, are printable: pandas shows them as they stand.

    Examples
    --------
    >>> printable_json({"a": ["x" + chr(27), 1.5]})
    {'a': ['x\ufffd', 1.5]}
    """
    if isinstance(value, str):
        return printable(value, len(value))
    if isinstance(value, dict):
        return {printable(name, len(name)): printable_json(part) for name, part in value.items()}
    return [printable_json(part) for part in value] if isinstance(value, list) else value


def _without_floods(text: str) -> str:
    """The text with only the first few of many marks on one letter."""
    if text.isascii() or not any(map(_is_mark, text)):
        return text
    parts = []
    for marks, run in groupby(text, _is_mark):
        part = "".join(run)
        parts.append(part if not marks or len(part) <= _MOST_MARKS else f"{part[:_MOST_MARKS]}\ufffd")
    return "".join(parts)


def _is_mark(char: str) -> bool:
    return char > "\u02ff" and unicodedata.category(char) in {"Mn", "Me"}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'checker'?``, or the known names, or an empty text."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    if known:
        shown = ", ".join(printable(word, 80) for word in known[:8]) + (", ..." if len(known) > 8 else "")
        return f" There is: {shown}."
    return ""


MOST_NAMES = 12  # of one kind on a line


def listed(names: Collection[str], none: str = "nothing") -> str:
    """Names on a line, however long or many they are.

    Examples
    --------
    >>> listed(["wall_clock", "random"]), listed([])
    ('wall_clock, random', 'nothing')
    """
    shown = [printable(name, 180) for name in islice(names, MOST_NAMES)]
    more = f", ... {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(shown) + more or none
