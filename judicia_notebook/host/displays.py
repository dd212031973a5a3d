"""Who is shown notifications of any runtime as they are sent: a notebook, once its extension is loaded.

A module of its own, so that registering a display loads neither the services nor the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from judicia_notebook.reporting.notices import callback_failed

if TYPE_CHECKING:
    from judicia_notebook.host.notifications.notification import Notification

    Display = Callable[[Notification], object]

_displays: list[Display] = []


def show_with(display: Display) -> Callable[[], None]:
    """Have `display(notification)` called for each notification, on the thread that sends it.

    What it raises is logged once, and kept out of the sender's way. Returns what takes it off again.
    """
    _displays.append(display)

    def remove() -> None:
        if display in _displays:
            _displays.remove(display)

    return remove


def show(notification: Notification) -> None:
    """Call all displays."""
    for display in tuple(_displays):
        try:
            display(notification)
        except Exception as error:
            callback_failed("A display of notifications", display, error)
