"""Which calls are pooled into one number: calls that differ in more than chance are not.

- Calls that did not end ok are left out: a call that a quota ended at 50 ms does not say how long the function takes.
- Calls to warm up, and calls that a profiler or a monitor slowed, are left out. Their rows are told by their origin.
- The first call of an instance is cold: it pays for making the instance and for what the guest makes once. Cold calls
  are left out of a group that has warm ones. Where each call has an instance of its own, all are cold, and stay.

What is left out is counted, and the figures' titles say it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

APART = {"warmup": "to warm up", "profile": "profiled", "monitor": "monitored"}
"""Origins of calls that are never pooled with others, and how a title calls them."""
COLD = "cold"
_MOST_KINDS = 4  # of outcomes that a title names


class Selection:
    """The rows to pool, and what was left out.

    Attributes
    ----------
    rows : DataFrame
        Calls that ended ok and are not for warming up, profiled or monitored; cold ones are still among them.
    left_out : dict of str to int
        How many calls were left out, by reason; the reason of a failed call is its outcome.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.left_out: dict[str, int] = {}

    def leave_out(self, reason: str, number: int) -> None:
        if number:
            self.left_out[reason] = self.left_out.get(reason, 0) + number

    def warm(self, rows: Array) -> Array:
        """Those of these positions that are warm; all, where none is. Cold ones that are left out are counted."""
        kept = warm_or_all(rows, is_warm(self.rows))
        self.leave_out(COLD, len(rows) - len(kept))
        return kept

    def words(self) -> str:
        """What was left out, for a title: ``12 quota_cpu, 3 to warm up``."""
        return in_words(self.left_out.items())


def good(calls: pd.DataFrame) -> Selection:
    """The calls that a time or a cost can be told from."""
    rows, apart = comparable(calls)
    ended_well = (rows["outcome"] == "ok").to_numpy(bool, na_value=False)
    found = Selection(rows[ended_well])
    for outcome, number in rows["outcome"][~ended_well].value_counts().items():
        found.leave_out(str(outcome), int(number))
    for reason, number in apart.items():
        found.leave_out(reason, number)
    return found


def comparable(calls: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The calls that are not for warming up, profiled or monitored, however they ended; and how many others are."""
    if "origin" not in calls:
        return calls, {}
    reasons = calls["origin"].astype("object").map(APART)
    if "monitored" in calls:  # a hook of a monitored instance has the origin of every hook
        reasons = reasons.mask(calls["monitored"].notna(), APART["monitor"])
    apart = reasons.notna().to_numpy(bool)
    if not apart.any():
        return calls, {}
    return calls[~apart], {str(reason): int(number) for reason, number in reasons.value_counts().items()}


def is_warm(calls: pd.DataFrame) -> Array:
    """Which calls went to an instance that had served others; none where the frame does not say."""
    import numpy as np

    if "instance_call" not in calls:
        return np.zeros(len(calls), bool)
    turns = calls["instance_call"].to_numpy("f8", na_value=np.nan)
    found: Array = turns > 1  # NA, where no instance was entered, is not
    return found


def warm_or_all(rows: Array, warm: Array) -> Array:
    """Those of these positions that are warm; all, where none is."""
    chosen = rows[warm[rows]]
    return chosen if len(chosen) else rows


def in_words(counts: Iterable[tuple[str, int]]) -> str:
    """How many there are of each kind, for people; of many kinds some."""
    kinds = [f"{format_count(number)} {kind}" for kind, number in counts if number]
    more = len(kinds) - _MOST_KINDS
    return ", ".join(kinds[:_MOST_KINDS]) + (f", {more} more kinds" if more > 0 else "")
