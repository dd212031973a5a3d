"""The places that notifications go out to: URLs that the user gave, in Apprise's hands.

- A guest names a recipient, and the user's patterns select the targets. No part of a target comes from a guest.
- A target's URL holds passwords and tokens, often in unexpected places. So this module shows only its scheme. Of
  Apprise's messages it passes on an HTTP status, or that there was no connection.

The first target imports Apprise, which is an extra.
"""

from __future__ import annotations

import inspect
import logging
import re
import threading
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.errors import PolicyError
from judicia_notebook.host.notifications.notification import Notification

if TYPE_CHECKING:
    from apprise import Apprise

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]{0,30})://", re.IGNORECASE)
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_KINDS: Final = {"success": "success", "warning": "warning", "error": "failure"}  # all others: "info"
_MOST_LINES: Final = 100


class Target:
    """A place outside.

    Parameters
    ----------
    url : str
        As Apprise reads it.
    recipients : str or iterable of str
        Patterns of the recipients whose notifications go there.
    name : str
        Its name; by default the URL's scheme and a number.

    Raises
    ------
    PolicyError
        Apprise is not installed or makes nothing of the URL, or there is no pattern.
    """

    def __init__(self, url: object, recipients: str | Iterable[object], name: str, number: int) -> None:
        patterns = (recipients,) if isinstance(recipients, str) else tuple(recipients)
        self.recipients = tuple(pattern for pattern in patterns if isinstance(pattern, str) and pattern)
        if not patterns or len(self.recipients) < len(patterns):
            raise PolicyError(f"recipients is a pattern such as 'team-*', or several, not {recipients!r}.")
        self._apprise = _open(url)
        self.scheme = _scheme(url)
        self.name = name or f"{self.scheme} {number}"

    def is_for(self, recipient: str) -> bool:
        """Whether a recipient's notifications go there."""
        return any(fnmatchcase(recipient, pattern) for pattern in self.recipients)

    def deliver(self, notification: Notification) -> str:
        """Deliver a notification, on this thread. Returns what went wrong, or an empty text."""
        lines: list[str] = []
        title, body = self._written(notification)
        try:
            with _listening(lines):
                taken = self._apprise.notify(
                    body=body,
                    title=title,
                    notify_type=_KINDS.get(notification.type, "info"),
                    body_format="text",  # so that a target that shows HTML gets it escaped
                )
        except Exception as error:  # its text may hold the URL
            return f"{type(error).__name__} in Apprise"
        return "" if taken else _reason(lines)

    def _written(self, notification: Notification) -> tuple[str, str]:
        """Title and body.

        Where a target has no place for a title, Apprise would write it above the line that names the sender. A target
        that cuts long texts could then cut that line off.
        """
        if self._apprise[0].title_maxlen > 0:
            return notification.title, notification.body
        return "", f"{notification.origin}\n\n{notification.title}\n{notification.message}"

    def __repr__(self) -> str:
        return f"<Target {self.name} for {', '.join(self.recipients)}>"


def _open(url: object) -> Apprise:
    try:
        import apprise
    except ImportError:
        raise PolicyError(
            "Sending notifications out takes the package apprise.",
            hint="python -m pip install 'judicia-notebook[notify]'",
        ) from None
    wanted = {"service_timeout": 0, "storage_mode": "memory"}  # no threads of its own, nothing written to the disk
    known = inspect.signature(apprise.AppriseAsset.__init__).parameters
    options: dict[str, Any] = {name: value for name, value in wanted.items() if name in known}
    asset = apprise.AppriseAsset(app_id="Judicia", app_desc="Judicia notebook", async_mode=False, **options)
    opened = apprise.Apprise(asset=asset)
    with _listening([]):
        understood = isinstance(url, str) and bool(opened.add(url)) and len(opened) == 1
    if not understood:
        raise PolicyError(
            f"Apprise makes no target of this URL ({_scheme(url)}://...).",
            hint="A mailbox is mailto://user:password@host, a webhook json://host/path; Apprise knows many others.",
        )
    return opened


def _scheme(url: object) -> str:
    found = _SCHEME.match(url) if isinstance(url, str) else None
    return found[1].lower() if found else "?"


def _reason(lines: Iterable[str]) -> str:
    """A failure in words that may be shown."""
    text = "\n".join(lines)
    if status := _STATUS.search(text):
        return f"HTTP status {status[1]}"
    return "no connection" if "onnection error" in text else "the target did not take it"


class _Ear(logging.Filter):
    """Takes Apprise's messages on a listening thread out of all logs: they may name hosts and mailboxes."""

    def __init__(self) -> None:
        super().__init__()
        self.of_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        lines: list[str] | None = getattr(self.of_thread, "lines", None)
        if lines is None:
            return True
        if record.levelno >= logging.WARNING and len(lines) < _MOST_LINES:
            lines.append(record.getMessage())
        return False


_ear = _Ear()


class _listening:  # noqa: N801  # reads as a statement: with _listening(lines)
    """While this block runs, Apprise's messages on this thread go to `lines`, and to no log."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __enter__(self) -> None:
        logger = logging.getLogger("apprise")
        if _ear not in logger.filters:
            logger.addFilter(_ear)
        _ear.of_thread.lines = self._lines

    def __exit__(self, *_: object) -> None:
        _ear.of_thread.lines = None
