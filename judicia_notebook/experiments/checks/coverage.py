"""Judges how much of a module, or of its functions, ran: in the instructions of blocks that can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from judicia_notebook.errors import InvalidCheck
from judicia_notebook.experiments.monitoring.result import Monitored
from judicia_notebook.records.findings import Finding
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

NAME = "coverage_at_least"


def judge_coverage(monitored: Monitored, least: float | Mapping[str, float]) -> list[Finding]:
    """Whether enough ran of the whole module, or of each function that is named.

    Raises
    ------
    InvalidCheck
        Coverage was not monitored.
    """
    if "coverage" not in monitored.monitors:
        raise InvalidCheck(
            f"{NAME}: coverage was not monitored, but {', '.join(monitored.monitors)}.",
            criterion=NAME,
            hint='p.monitor(..., what="coverage") does.',
        )
    frame = monitored.frame("coverage")
    if not isinstance(least, Mapping):
        return [_finding(frame, "instructions", least)]
    return [
        _finding(frame[frame["function"] == name], f"instructions of {printable(name, 80)}", share)
        for name, share in least.items()
    ]


def _finding(frame: pd.DataFrame, of: str, least: float) -> Finding:
    covered, whole = frame["instructions_covered"], int(frame["instructions"].sum())
    expected = f"at least {least * 100:g} %"
    if not whole:
        return Finding(NAME, False, f"there are no {of}, expected {expected}")
    if covered.isna().any():
        return Finding(NAME, False, f"it is not known how many {of} ran, expected {expected}")
    ran = int(covered.sum())
    is_met = ran >= least * whole
    told = f"{ran} of {whole} {of} ran, {ran / whole * 100:.3g} %"
    return Finding(NAME, is_met, f"{told}, {'' if is_met else 'expected '}{expected}")
