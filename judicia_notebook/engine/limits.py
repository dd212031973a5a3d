"""The limits of a running call, as numbers. They are immutable: a change makes new ones, which the next check uses."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from judicia_notebook.wasm.json_shape import MAX_DEPTH, MAX_VALUES


class Limits(NamedTuple):
    """What a call and its plugin may use. ``None`` means no limit. Every kind of quota has its field here."""

    cpu_ns: int | None = None
    wall_ns: int | None = None
    memory_bytes: int | None = None
    fuel: int | None = None
    payload_bytes: int = 16 << 20
    answer_bytes: int = 16 << 20
    table_elements: int = 10_000
    host_calls: int | None = None
    log_bytes: int | None = None
    json_depth: int = MAX_DEPTH
    json_values: int = MAX_VALUES
    host_call_rate: int | None = None
    instances: int = 8
    queue: int = 1000


class Budget(Protocol):
    """Where a running call looks up its limits, again at every tick, grow and host call: they may change meanwhile."""

    @property
    def limits(self) -> Limits: ...

    def is_own(self, kind: str, /) -> bool:
        """Whether the limit of this kind was set for this call alone."""

    def cut_from(self, kind: str, /) -> float | None:
        """The call's own limit, where it is above the limit in force; seconds, bytes or a count."""

    def ceiling_of(self, kind: str, /) -> float | None:
        """The most that the limit of this kind may be set to; seconds, bytes or a count."""


class FixedBudget:
    """Limits that do not change."""

    __slots__ = ("limits",)

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def is_own(self, _kind: str, /) -> bool:
        """Never: no limit here was set for a call."""
        return False

    def cut_from(self, _kind: str, /) -> float | None:
        """None: a call has no limit of its own here."""
        return None

    def ceiling_of(self, _kind: str, /) -> float | None:
        """None: there is no ceiling."""
        return None
