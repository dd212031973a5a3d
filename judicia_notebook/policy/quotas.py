"""Quotas: the table of their kinds, and `Quota`, a set of them in which each kind is given or not.

In force for a call is the least of its own limit, the plugin's (live) and the runtime's ceiling; `limits_of` puts them
into the numbers that the engine looks at.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from judicia_notebook.engine.limits import Limits
from judicia_notebook.engine.settings import EngineSettings
from judicia_notebook.errors import PolicyError
from judicia_notebook.policy.limits import LimitTable, limit
from judicia_notebook.wasm.json_shape import MAX_DEPTH, MAX_VALUES, MOST_DEPTH


class _NotGiven:
    """Stands for a quota that a line does not name, which is not the same as no limit."""

    def __repr__(self) -> str:
        return "not given"

    def __bool__(self) -> bool:
        return False


NOT_GIVEN: Final = _NotGiven()

Size = int | str | None | _NotGiven
Time = float | str | timedelta | None | _NotGiven
Count = int | None | _NotGiven


def _quota(default: float | None, unit: str, per: str, meaning: str, **more: Any) -> Any:
    return limit(default, unit, per, meaning, field_default=NOT_GIVEN, **more)


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits, each of them given, ``None`` (no limit of its own: the runtime's ceiling still holds) or not given.

    Sizes are int bytes or text such as ``"16MiB"``; times are float seconds, a timedelta or text such as ``"50ms"``.

    Raises
    ------
    PolicyError
        A value that is no size, time or count, or ``None`` where a limit must be.

    Examples
    --------
    >>> Quota(cpu="50ms", memory="16MiB")
    Quota(memory=16777216, cpu=0.05)
    """

    memory: Size = _quota(
        64 << 20, "bytes", "instance", "all linear memories of an instance together", may_be_none=True
    )
    cpu: Time = _quota(1.0, "s", "call", "CPU time of the calling thread", may_be_none=True)
    wall: Time = _quota(10.0, "s", "call", "wall time, without waiting for an instance", may_be_none=True)
    fuel: Count = _quota(
        None, "fuel", "call", "about an instruction each; a change counts from the next call", may_be_none=True
    )
    payload: Size = _quota(16 << 20, "bytes", "call", "the request")
    answer: Size = _quota(16 << 20, "bytes", "call", "the answer")
    log: Size = _quota(1 << 20, "bytes", "call", "text written to the log", may_be_none=True)
    host_calls: Count = _quota(100_000, "host calls", "call", "host calls", may_be_none=True)
    host_call_rate: Count = _quota(
        None, "host calls", "second", "host calls of one capability in a second", may_be_none=True
    )
    table_elements: Count = _quota(10_000, "table elements", "instance", "elements of each table")
    instances: Count = _quota(8, "instances", "plugin", "instances at once", least=1)
    queue: Count = _quota(1000, "calls", "plugin", "calls waiting for an instance")
    json_depth: Count = _quota(MAX_DEPTH, "levels", "call", "nesting of JSON", least=1, most=MOST_DEPTH)
    json_values: Count = _quota(MAX_VALUES, "values", "call", "values and keys in one JSON text", least=1)

    def __post_init__(self) -> None:
        for kind in KINDS:
            value = getattr(self, kind)
            if value is not NOT_GIVEN:
                object.__setattr__(self, kind, KINDS.read(kind, value))

    def given(self) -> dict[str, Any]:
        """The given limits, by kind."""
        return {kind: value for kind in KINDS if (value := getattr(self, kind)) is not NOT_GIVEN}

    def __repr__(self) -> str:
        return f"Quota({', '.join(f'{kind}={value!r}' for kind, value in self.given().items())})"


KINDS: Final = LimitTable(Quota)
"""Every kind of quota, in the order people read them. Times are seconds, sizes bytes."""


def call_quota(quota: Quota | Mapping[str, Any]) -> Quota:
    """A quota for one call. Whether it is within the ceiling is for `policy.bounds` to say.

    Raises
    ------
    PolicyError
        A kind that does not count by call or instance.
    """
    own = as_quota(quota)
    for kind in own.given():
        if KINDS[kind].per not in ("call", "instance"):
            raise PolicyError(f"quota {kind} holds for the whole plugin, not for one call; set it with set_quota.")
    return own


def make_quota(kinds: Mapping[str, Any]) -> Quota:
    """A `Quota` from names and values that a user typed.

    Raises
    ------
    PolicyError
        An unknown kind or a bad value.
    """
    if not kinds:
        return NOTHING_GIVEN
    KINDS.check_names(kinds)
    return Quota(**kinds)


def as_quota(quota: Quota | Mapping[str, Any] | None) -> Quota:
    """A `Quota` from a caller's argument; only ``None`` gives an empty one.

    Raises
    ------
    PolicyError
        Neither a quota nor names and values.
    """
    if quota is None or isinstance(quota, Mapping):
        return make_quota(quota or {})
    if not isinstance(quota, Quota):
        raise PolicyError(f"A quota is a Quota, or a dict such as {{'cpu': '50ms'}}, not {quota!r}.")
    return quota


NOTHING_GIVEN: Final = Quota()
DEFAULTS: Final = Quota(**{kind: info.default for kind, info in KINDS.items()})  # type: ignore[arg-type]


def overlay(below: Quota, above: Mapping[str, Any]) -> Quota:
    """A quota with some kinds exchanged."""
    if not above:
        return below
    exchanged, made = Quota(**above), object.__new__(Quota)
    for kind in KINDS:  # what is below was read before
        value = getattr(exchanged, kind)
        object.__setattr__(made, kind, getattr(below, kind) if value is NOT_GIVEN else value)
    return made


def check_within(ceiling: Quota, quota: Quota) -> None:
    """Refuse limits above the ceiling.

    Raises
    ------
    PolicyError
    """
    for kind, most in ceiling.given().items():
        value = getattr(quota, kind)
        if most is not None and value not in (NOT_GIVEN, None) and value > most:
            info = KINDS[kind]
            raise PolicyError(
                f"quota {kind}: {info.format(value)} is above this runtime's ceiling of {info.format(most)}.",
                hint=f"The ceiling is set for the whole runtime: jn.Runtime(ceiling=jn.Quota({kind}=...)).",
            )


def check_countable(settings: EngineSettings, quota: Quota) -> None:
    """Refuse a limit of fuel for code that counts none: it would be said to hold, and would not.

    Raises
    ------
    PolicyError
    """
    if not settings.fuel and quota.fuel not in (NOT_GIVEN, None):
        raise PolicyError(
            f"quota fuel: code with metering={settings.metering!r} counts no fuel, so no limit of fuel can hold.",
            hint='metering="full" counts it; a limit of cpu or wall holds with either, and fuel=None is no limit.',
        )


def _least(*values: Any) -> Any:
    present = [value for value in values if value is not None and value is not NOT_GIVEN]
    return min(present) if present else None


def least_of(quota: Quota, other: Quota) -> Quota:
    """Of each kind the lower limit."""
    return Quota(**{kind: _least(getattr(quota, kind), getattr(other, kind)) for kind in KINDS})


@functools.lru_cache(maxsize=256)  # most loads and changes come to the limits of an earlier one
def limits_of(quota: Quota, *others: Quota) -> Limits:
    """The least of several quotas, as the engine wants it."""

    def least(kind: str) -> Any:
        return _least(getattr(quota, kind), *(getattr(other, kind) for other in others))

    def nanoseconds(kind: str) -> int | None:
        seconds = least(kind)
        return None if seconds is None else round(seconds * 1e9)

    return Limits(
        nanoseconds("cpu"),
        nanoseconds("wall"),
        least("memory"),
        least("fuel"),
        least("payload"),
        least("answer"),
        least("table_elements"),
        least("host_calls"),
        least("log"),
        least("json_depth"),
        least("json_values"),
        least("host_call_rate"),
        least("instances"),
        least("queue"),
    )
