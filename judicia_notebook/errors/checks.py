"""Errors of checks: one that says nothing, and one that is not met."""

from __future__ import annotations

from collections.abc import Iterable

from judicia_notebook.errors.base import JudiciaError
from judicia_notebook.records.findings import Finding, format_points
from judicia_notebook.text import printable


class InvalidCheck(JudiciaError, ValueError):
    """A check that cannot be judged: nothing is expected, a value is none of its criterion's, or there was no call.

    Attributes
    ----------
    criterion : str
        Which criterion it is about; empty where it is about none.
    """

    def __init__(self, message: str, *, criterion: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.criterion = criterion


class CheckFailed(JudiciaError, AssertionError):
    """A call or a plugin is not as a check expects it. Graders count it as they count a failed assertion.

    Attributes
    ----------
    findings : tuple of Finding
        Each criterion, whether it is met, and what was found, in the order in which they were looked at.
    worth : float
        The points that the check would have given.
    """

    points = 0.0

    def __init__(self, subject: str, *, findings: Iterable[Finding] = (), worth: float = 1.0) -> None:
        super().__init__(subject)
        self.findings = tuple(findings)
        self.worth = worth

    @property
    def subject(self) -> str:
        """What was checked, such as ``plugin.function``."""
        return self.message

    def _sentences(self) -> list[str]:
        """The criterion that is not met, where it is one alone; otherwise how many."""
        missed = [finding for finding in self.findings if not finding.is_met]
        told = missed[0].text if len(missed) == 1 else f"{len(missed)} of {len(self.findings)} criteria are not met"
        lines = [f"  {finding.line}" for finding in self.findings] if len(self.findings) > 1 else []
        return [f"{printable(self.subject, 160)}: {told} ({format_points(0, self.worth)})", *lines]
