"""The figures of monitors, by the monitor whose frame they draw."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

# Loaded when one is drawn: a result that is not drawn needs no matplotlib.
_FIGURES: Final = {"memory": "page_map", "edges": "call_graph", "opcodes": "opcode_mix"}


def draw(kind: str, frame: Callable[[str], pd.DataFrame], **how: Any) -> Any:
    """Carry out `Monitored.figure`, whose docstring says more; `frame` gives the frame of a monitor."""
    if kind not in _FIGURES:
        raise ValueError(f"there is no figure {str(kind)[:80]!r}.{did_you_mean(str(kind)[:80], _FIGURES)}")
    name = _FIGURES[kind]
    return getattr(import_module(f"judicia_notebook.analysis.figures.{name}"), name)(frame(kind), **how)
