"""The numbers a running call is held to: immutable in Python, and live in the core, where each tick reads them."""

from __future__ import annotations

from ctypes import c_int64
from functools import partial
from typing import NamedTuple, Protocol

from judicia_notebook.engine.core import functions
from judicia_notebook.engine.core.structs import KINDS, NO_LIMIT
from judicia_notebook.engine.finalizers import leave
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


class LiveLimits:
    """Limits in the core's memory. Calls that run read them at each tick, without Python's lock.

    Attributes
    ----------
    pointer : int
        Of the ``jc_limits``. Who holds a call to it keeps this object as long.
    """

    __slots__ = ("__weakref__", "_remains", "pointer")

    def __init__(self, limits: Limits) -> None:
        self.pointer: int = functions.limits_new()
        if not self.pointer:
            raise MemoryError
        self._remains = leave(self, partial(functions.limits_free, self.pointer))
        self.publish(limits)

    def publish(self, limits: Limits) -> None:
        """Let these hold from the next look on, all in one step. One thread at a time publishes."""
        most = (
            limits.cpu_ns,
            limits.wall_ns,
            limits.memory_bytes,
            limits.fuel,
            limits.answer_bytes,
            limits.payload_bytes,
            limits.table_elements,
        )
        numbers = [NO_LIMIT if number is None else min(number, NO_LIMIT) for number in most]
        functions.limits_publish(self.pointer, (c_int64 * KINDS)(*numbers))


class Live(NamedTuple):
    """The live limits of a call by their owners: in force is the least of them."""

    plugin: LiveLimits
    own: LiveLimits | None = None
    former: LiveLimits | None = None


class Budget(Protocol):
    """Where a running call looks up its limits, again at every tick, grow and host call: they may change meanwhile."""

    @property
    def limits(self) -> Limits: ...

    @property
    def live(self) -> Live:
        """The same limits, for the core."""

    def is_own(self, kind: str, /) -> bool:
        """Whether the limit of this kind was set for this call alone."""

    def cut_from(self, kind: str, /) -> float | None:
        """The call's own limit, where it is above the limit in force; seconds, bytes or a count."""

    def ceiling_of(self, kind: str, /) -> float | None:
        """The most that the limit of this kind may be set to; seconds, bytes or a count."""


class FixedBudget:
    """Limits that do not change."""

    __slots__ = ("limits", "live")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.live = Live(LiveLimits(limits))

    def is_own(self, _kind: str, /) -> bool:
        """Never: no limit here was set for a call."""
        return False

    def cut_from(self, _kind: str, /) -> float | None:
        """None: a call has no limit of its own here."""
        return None

    def ceiling_of(self, _kind: str, /) -> float | None:
        """None: there is no ceiling."""
        return None
