"""How an attempted call ended, as a value. Knows records and errors, and nothing of how a call is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.policy.quotas import KINDS

if TYPE_CHECKING:
    from judicia_notebook.errors import JudiciaError
    from judicia_notebook.records.record import CallRecord

OUTCOMES: Final = (
    "ok",
    "denied",
    "trap",
    "guest_error",
    *(f"quota_{kind}" for kind in KINDS),
    "abi_violation",
    "host_failure",
    "killed",
    "cancelled",
)
"""How a call may end: the values of the column ``outcome``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempted call ended: a value, or the error that `Plugin.call` would have raised, and the record."""

    value: Any
    error: JudiciaError | None
    record: CallRecord | None

    @property
    def ok(self) -> bool:
        """Whether there is a value and no error."""
        return self.error is None
