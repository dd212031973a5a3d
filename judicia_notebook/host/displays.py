"""The displays that show notifications of any runtime as they are sent: a notebook's, once its extension is loaded.

This module knows no service, not even the type of a notification: registering a display loads neither the services nor
the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from judicia_notebook.reporting.notices import callback_failed

Display = Callable[[Any], object]
"""Takes a `Notification`."""

_displays: list[Display] = []


def show_with(display: Display) -> Callable[[], None]:
    """Have `display(notification)` called for each notification, on the thread that sends it.

    An exception of the display is logged once and does not reach the sender. The returned function takes the display
    off.
    """
    _displays.append(display)

    def remove() -> None:
        if display in _displays:
            _displays.remove(display)

    return remove


def show(notification: object) -> None:
    """Call all displays."""
    for display in tuple(_displays):
        try:
            display(notification)
        except Exception as error:
            callback_failed("A display of notifications", display, error)
