"""A figure whose files read the same on every machine: fonts are in them, in a kind that publishers accept.

matplotlib writes Type 3 fonts into PDF and PostScript unless told otherwise; many publishers refuse those. TrueType, as
Type 42, holds the same letters, and they stay text that can be searched. SVG has letters as paths anyway.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from judicia_notebook.analysis import rc

_FONT_TYPES = {"pdf": "pdf.fonttype", "ps": "ps.fonttype", "eps": "ps.fonttype"}
_TRUETYPE = 42
_lock = threading.RLock()  # matplotlib's settings are the whole process's


@contextmanager
def _set_to(name: Any, value: Any) -> Iterator[None]:
    """Change one of matplotlib's settings for a block, and none that others change meanwhile."""
    with _lock:
        before = mpl.rcParams[name]
        mpl.rcParams[name] = value
        try:
            yield
        finally:
            mpl.rcParams[name] = before


@contextmanager
def without_tex() -> Iterator[None]:
    """Make texts that TeX does not set, whatever ``text.usetex`` says: there are names of plugins in them."""
    if not mpl.rcParams["text.usetex"]:
        yield
        return
    with _set_to("text.usetex", False):
        yield


class PortableFigure(Figure):
    """A matplotlib figure that embeds TrueType fonts where it is saved, unless the user has set a kind of font."""

    def draw(self, renderer: Any) -> None:
        """As `matplotlib.figure.Figure.draw`; new ticks get their texts here."""
        with without_tex():
            super().draw(renderer)

    def savefig(self, fname: Any, **settings: Any) -> None:
        """As `matplotlib.figure.Figure.savefig`."""
        name = _FONT_TYPES.get(_form(fname, settings))
        if name is None or rc.is_set(name):
            super().savefig(fname, **settings)
            return
        with _set_to(name, _TRUETYPE):
            super().savefig(fname, **settings)


def _form(fname: Any, settings: dict[str, Any]) -> str:
    """The format that matplotlib will choose."""
    chosen = settings.get("format")
    if chosen is None and isinstance(fname, str | os.PathLike):
        chosen = Path(fname).suffix.lstrip(".")
    return str(chosen or mpl.rcParams["savefig.format"]).lower()
