"""A plugin's log as a frame whose messages are shown whole: the table of ``%plugin log``.

pandas cuts a text at 50 characters on its way to the screen. Frames made from this frame are plain frames again.
"""

from __future__ import annotations

import pandas as pd  # noqa: TID253  # this module is imported by the command that needs it

COLUMNS = ["at", "level", "message", "fields", "stream", "call_id"]


class Log(pd.DataFrame):  # type: ignore[misc]  # pandas has no types
    """Rows of `Runtime.logs`."""

    def __repr__(self) -> str:
        with pd.option_context("display.max_colwidth", None, "display.width", None, "display.max_columns", None):
            return str(pd.DataFrame(self))

    def _repr_html_(self) -> str | None:
        with pd.option_context("display.max_colwidth", None):
            html: str | None = pd.DataFrame(self)._repr_html_()
            return html


def log_of(logs: pd.DataFrame) -> Log:
    """The columns that people read."""
    return Log(logs[COLUMNS])
