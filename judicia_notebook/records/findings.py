"""What was found of one criterion of a check: a row of its card, and a line of its error."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One criterion, and whether it is met.

    Attributes
    ----------
    criterion : str
        Its name, such as ``denied``.
    is_met : bool
    text : str
        What was found, and what was expected where that differs; printable, in one line.
    """

    criterion: str
    is_met: bool
    text: str

    @property
    def line(self) -> str:
        """Both as a line for a terminal."""
        return f"{'met' if self.is_met else 'not met':<8} {self.text}"


def format_points(points: float, worth: float) -> str:
    """Points of those that there are.

    Examples
    --------
    >>> format_points(0, 2), format_points(1, 1)
    ('0 of 2 points', '1 of 1 point')
    """
    return f"{points:g} of {worth:g} point{'' if worth == 1 else 's'}"
