"""Limits in words and numbers: which kinds there are, and a set of them, each given or not.

What is in force for a call is the least of the call's own, the plugin's (live) and the runtime's ceiling; `limits_of`
puts them into the numbers the engine looks at.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from judicia_notebook.engine.limits import Limits
from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.units import format_quantity, parse_size, parse_time
from judicia_notebook.wasm.json_shape import MAX_DEPTH, MAX_VALUES, MOST_DEPTH


class _NotGiven:
    """Stands for a quota that a line does not name, which is not the same as no limit."""

    def __repr__(self) -> str:
        return "not given"

    def __bool__(self) -> bool:
        return False


NOT_GIVEN: Final = _NotGiven()


MOST: Final = 1 << 62
"""The largest count a quota may say."""


@dataclass(frozen=True, slots=True)
class QuotaKind:
    """One kind of quota: its unit, what it counts per, its default, and what it is."""

    unit: str
    per: str
    default: float | None
    meaning: str
    may_be_none: bool = True
    least: int = 0
    most: int = MOST

    def read(self, what: str, value: Any) -> float:
        """The number that somebody typed: bytes, seconds or a count. `what` is its name in an error.

        Raises
        ------
        PolicyError

        Examples
        --------
        >>> QuotaKind("bytes", "call", None, "").read("limit rows", "2KiB")
        2048
        """
        try:
            number = self._number(value)
        except ValueError as error:
            raise PolicyError(f"{what}: {error}.") from None
        if not self.least <= number <= self.most:
            most = "" if self.most == MOST else f" and at most {self.most}"
            raise PolicyError(f"{what}: at least {self.least}{most}, not {value!r}.")
        return number

    def _number(self, value: Any) -> float:
        if self.unit == "bytes":
            return parse_size(value)
        if self.unit == "s":
            return parse_time(value)
        count = -1 if isinstance(value, bool) or not hasattr(value, "__index__") else operator.index(value)
        if not 0 <= count <= MOST:
            raise ValueError(f"a whole number of {self.unit} up to {MOST}, not {value!r}")
        return count


KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "memory": QuotaKind("bytes", "instance", 64 << 20, "all linear memories of an instance together"),
        "cpu": QuotaKind("s", "call", 1.0, "CPU time of the calling thread"),
        "wall": QuotaKind("s", "call", 10.0, "wall time, without waiting for an instance"),
        "fuel": QuotaKind("fuel", "call", None, "about an instruction each; a change counts from the next call"),
        "payload": QuotaKind("bytes", "call", 16 << 20, "the request", may_be_none=False),
        "answer": QuotaKind("bytes", "call", 16 << 20, "the answer", may_be_none=False),
        "log": QuotaKind("bytes", "call", 1 << 20, "text written to the log"),
        "host_calls": QuotaKind("host calls", "call", 100_000, "host calls"),
        "host_call_rate": QuotaKind("host calls", "second", None, "host calls of one capability in a second"),
        "table_elements": QuotaKind("table elements", "instance", 10_000, "elements of each table", may_be_none=False),
        "instances": QuotaKind("instances", "plugin", 8, "instances at once", may_be_none=False, least=1),
        "queue": QuotaKind("calls", "plugin", 1000, "calls waiting for an instance", may_be_none=False),
        "json_depth": QuotaKind(
            "levels", "call", MAX_DEPTH, "nesting of JSON", may_be_none=False, least=1, most=MOST_DEPTH
        ),
        "json_values": QuotaKind(
            "values", "call", MAX_VALUES, "values and keys in one JSON text", may_be_none=False, least=1
        ),
    }
)
"""Every kind of quota, in the order people read them. Times are seconds, sizes bytes."""

Size = int | str | None | _NotGiven
Time = float | str | timedelta | None | _NotGiven
Count = int | None | _NotGiven


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

    memory: Size = NOT_GIVEN
    cpu: Time = NOT_GIVEN
    wall: Time = NOT_GIVEN
    fuel: Count = NOT_GIVEN
    payload: Size = NOT_GIVEN
    answer: Size = NOT_GIVEN
    log: Size = NOT_GIVEN
    host_calls: Count = NOT_GIVEN
    host_call_rate: Count = NOT_GIVEN
    table_elements: Count = NOT_GIVEN
    instances: Count = NOT_GIVEN
    queue: Count = NOT_GIVEN
    json_depth: Count = NOT_GIVEN
    json_values: Count = NOT_GIVEN

    def __post_init__(self) -> None:
        for kind in KINDS:
            value = getattr(self, kind)
            if value is not NOT_GIVEN:
                object.__setattr__(self, kind, _parse(kind, value))

    def given(self) -> dict[str, Any]:
        """What is given, by kind."""
        return {kind: value for kind in KINDS if (value := getattr(self, kind)) is not NOT_GIVEN}

    def __repr__(self) -> str:
        return f"Quota({', '.join(f'{kind}={value!r}' for kind, value in self.given().items())})"


def _parse(kind: str, value: Any) -> Any:
    info = KINDS[kind]
    if value is None:
        if not info.may_be_none:
            raise PolicyError(f"quota {kind}: there must be a limit, None is not one.")
        return None
    return info.read(f"quota {kind}", value)


def call_quota(quota: Quota | Mapping[str, Any], ceiling: Quota) -> Quota:
    """A quota for one call.

    Raises
    ------
    PolicyError
        A kind that does not count by call or instance, or a value above the ceiling.
    """
    own = as_quota(quota)
    for kind in own.given():
        if KINDS[kind].per not in ("call", "instance"):
            raise PolicyError(f"quota {kind} holds for the whole plugin, not for one call; set it with set_quota.")
    check_within(ceiling, own)
    return own


def make_quota(kinds: Mapping[str, Any]) -> Quota:
    """A `Quota` from names and values that somebody typed.

    Raises
    ------
    PolicyError
        An unknown kind or a bad value.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise PolicyError(f"There is no quota {kind!r}.{did_you_mean(kind, KINDS)}")
    return Quota(**kinds)


def as_quota(quota: Quota | Mapping[str, Any] | None) -> Quota:
    """A `Quota` from what a caller gave; ``None`` gives nothing, and nothing but that does.

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


DEFAULTS: Final = Quota(**{kind: info.default for kind, info in KINDS.items()})  # type: ignore[arg-type]


def overlay(below: Quota, above: Mapping[str, Any]) -> Quota:
    """A quota with some kinds exchanged."""
    return Quota(**{**below.given(), **above})


def check_within(ceiling: Quota, quota: Quota) -> None:
    """Refuse what is above the ceiling.

    Raises
    ------
    PolicyError
    """
    for kind, most in ceiling.given().items():
        value = getattr(quota, kind)
        if most is not None and value not in (NOT_GIVEN, None) and value > most:
            unit = KINDS[kind].unit
            raise PolicyError(
                f"quota {kind}: {format_quantity(value, unit)} is above this runtime's ceiling of "
                f"{format_quantity(most, unit)}.",
                hint=f"The ceiling is set for the whole runtime: jn.Runtime(ceiling=jn.Quota({kind}=...)).",
            )


def _least(*values: Any) -> Any:
    present = [value for value in values if value is not None and value is not NOT_GIVEN]
    return min(present) if present else None


def least_of(quota: Quota, other: Quota) -> Quota:
    """Of each kind the lower limit."""
    return Quota(**{kind: _least(getattr(quota, kind), getattr(other, kind)) for kind in KINDS})


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
