"""Checks as cards, shown in the cell that makes them as they are judged: several checks in a cell are several cards.

A check that fails raises an error, too. Its card says all of it, so that the error below has its first line alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from judicia_notebook.errors import CheckFailed
from judicia_notebook.experiments.checks.result import Checked, show_with
from judicia_notebook.notebook import reprs
from judicia_notebook.notebook.object_cards import check_card


def install(shell: Any) -> Callable[[], None]:
    """Show checks in an IPython shell with a kernel. A terminal shows what a line gives, or its error."""
    if not hasattr(shell, "kernel"):
        return lambda: None

    def display(result: Checked | CheckFailed) -> None:
        if isinstance(result, CheckFailed):
            reprs.show(check_card(result))
            result.is_shown = True
        else:
            reprs.show_now(shell, result, lambda value: reprs.show(check_card(value)))

    return show_with(display)
