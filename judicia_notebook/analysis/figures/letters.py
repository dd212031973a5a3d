"""How wide a text will be, and where it is broken into lines: known before anything is drawn."""

from __future__ import annotations

import functools
import re

from judicia_notebook.analysis import style

_ENDS = re.compile(r"(?<=[·,]) | (?=\()")  # where a line is best broken


def width_of(text: str, size: float, family: str | None = None) -> float:
    """The width of a line in points, with letters of this size."""
    return _width(text, size, tuple(style.families(family)))


@functools.lru_cache(maxsize=4096)
def _width(text: str, size: float, families: tuple[str, ...]) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=list(families), size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def wrapped(text: str, size: float, room: float) -> str:
    r"""The text in lines no wider than this, in points: broken after its parts, and within a part that is too long.

    Examples
    --------
    >>> wrapped("50 calls · not drawn: 12 quota_cpu, 3 trap", 10, 170)
    '50 calls\nnot drawn: 12 quota_cpu, 3 trap'
    """
    parts = [line for part in _ENDS.split(text) for line in _packed(part.split(" "), size, room)]
    return "\n".join(line.removesuffix(" ·") for line in _packed(parts, size, room))


def _packed(parts: list[str], size: float, room: float) -> list[str]:
    """As many of the parts on each line as there is room for."""
    lines = parts[:1]
    for part in parts[1:]:
        longer = f"{lines[-1]} {part}"
        if width_of(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
