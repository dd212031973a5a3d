"""Notifications below the cell that is running: each a small card, a few of them in one cell.

Knows the notification's texts, which come from a guest: `Card` escapes them. The sender's thread calls it, so it only
publishes. An exception does not reach the sender.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from judicia_notebook.host.displays import show_with
from judicia_notebook.notebook.cards import Block, Card, Line, Row

if TYPE_CHECKING:
    from judicia_notebook.host.notifications import Notification

MOST = 20
"""Cards below one cell; all notifications are in the history."""

_MESSAGE_LINES, _MESSAGE_CHARACTERS = 8, 1000


def install(shell: Any) -> Callable[[], None]:
    """Show notifications in this shell. The returned function ends that."""
    return show_with(Notices(shell))


class Notices:
    """The cards of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._cell = -1
        self._shown = 0

    def __call__(self, notification: Notification) -> None:
        """Show a notification, or that there are more."""
        if self._shell.execution_count != self._cell:
            self._cell, self._shown = self._shell.execution_count, 0
        self._shown += 1
        if self._shown <= MOST:
            self._publish(notice_card(notification))
        elif self._shown == MOST + 1:
            self._publish(Card("More notifications", "", (Line("All of them:", "rt.host.notifications.history"),)))

    def _publish(self, card: Card) -> None:
        self._shell.display_pub.publish({"text/plain": card.text(), "text/html": card.html()})


def notice_card(notification: Notification) -> Card:
    """A notification as a card: its message, sender and recipient."""
    urgent = "" if notification.urgency == "normal" else f" · {notification.urgency}"
    lines = notification.message[:_MESSAGE_CHARACTERS].split("\n")
    said = "\n".join(lines[:_MESSAGE_LINES])
    if said != notification.message:
        said += " …"
    return Card(
        notification.title,
        f"{notification.type}{urgent}",
        (Block("", said), Row("from", notification.source), Row("to", notification.recipient)),
    )
