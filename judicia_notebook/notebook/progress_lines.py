"""Bars of progress in a notebook: a line of text each, below the cell that was running when it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from judicia_notebook.reporting.progress import show_with


def install(shell: Any) -> Callable[[], None]:
    """Show bars in this shell, where it has a page to show them on. The returned function ends that."""
    return show_with(ProgressLine) if hasattr(shell, "kernel") else lambda: None


class ProgressLine:
    """A display of text whose content is replaced by what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._shown: Any = None

    def write(self, text: str) -> None:
        """Show a text in place of the last one. Without letters it would erase, and nothing is shown."""
        from IPython import display

        said = text.strip()
        if not said:
            return
        content = {"text/plain": said}
        if self._shown is None:
            publish: Callable[..., Any] = display.display
            self._shown = publish(content, raw=True, display_id=True)
        else:
            self._shown.update(content, raw=True)

    def flush(self) -> None:
        """Nothing is kept back."""
