"""What a check that passed gives, and who shows checks: a notebook's display, once the package is imported in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from judicia_notebook.errors import CheckFailed
from judicia_notebook.records.findings import Finding, format_points
from judicia_notebook.reporting.notices import callback_failed


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """A check that passed. `judicia_notebook.check` makes it; one that does not pass raises `CheckFailed`.

    Attributes
    ----------
    subject : str
        What was checked, such as ``plugin.function``.
    findings : tuple of Finding
        Each criterion with ``criterion``, ``is_met`` and ``text``, in the order in which they were looked at.
    worth : float
        The points of the check.
    """

    subject: str
    findings: tuple[Finding, ...]
    worth: float

    @property
    def points(self) -> float:
        """The points that it gives: all of them."""
        return self.worth

    def __repr__(self) -> str:
        return f"<Checked {self.subject}: passed, {format_points(self.points, self.worth)}>"


Display = Callable[[Any], object]
"""Takes a `Checked` or a `CheckFailed`."""

_displays: list[Display] = []


def show_with(display: Display) -> Callable[[], None]:
    """Have `display` called for each check as it is judged. The returned function ends that."""
    _displays.append(display)

    def remove() -> None:
        if display in _displays:
            _displays.remove(display)

    return remove


def settle(subject: str, findings: list[Finding], worth: float) -> Checked:
    """The result of a check, shown.

    Raises
    ------
    CheckFailed
        A criterion is not met.
    """
    if not all(finding.is_met for finding in findings):
        failed = CheckFailed(subject, findings=findings, worth=worth)
        show(failed)
        try:
            raise failed
        finally:
            del failed  # its traceback has this frame
    passed = Checked(subject, tuple(findings), worth)
    show(passed)
    return passed


def show(result: Checked | CheckFailed) -> None:
    """Show it wherever checks are shown."""
    for display in tuple(_displays):
        try:
            display(result)
        except Exception as error:
            callback_failed("A display of checks", display, error)
