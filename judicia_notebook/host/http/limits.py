"""What one request to a server may take: bytes both ways, redirects and time."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.quotas import MOST, QuotaKind
from judicia_notebook.units import parse_size, parse_time

KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "url_bytes": QuotaKind("bytes", "request", 8 << 10, "a URL, also one that a redirect names"),
        "headers": QuotaKind("headers", "request", 64, "that a plugin gives"),
        "header_bytes": QuotaKind("bytes", "request", 16 << 10, "of all headers that a plugin gives"),
        "body_bytes": QuotaKind("bytes", "request", 1 << 20, "the body that is sent"),
        "answer_header_bytes": QuotaKind("bytes", "answer", 64 << 10, "all that comes before the answer's body"),
        "answer_bytes": QuotaKind("bytes", "answer", 4 << 20, "the answer's body, as it came and unpacked"),
        "redirects": QuotaKind("redirects", "request", 5, "that are followed"),
        "connect_time": QuotaKind("s", "address", 10.0, "until a server takes the connection"),
        "request_time": QuotaKind("s", "request", 30.0, "with all redirects; the call's wall time ends it, too"),
    }
)
"""Every limit on requests to servers, in the order people read them. Times are seconds, sizes bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force; `KINDS` says what each is.

    Examples
    --------
    >>> Limits(redirects=0).redirects, Limits().request_time
    (0, 30.0)
    """

    url_bytes: int = 8 << 10
    headers: int = 64
    header_bytes: int = 16 << 10
    body_bytes: int = 1 << 20
    answer_header_bytes: int = 64 << 10
    answer_bytes: int = 4 << 20
    redirects: int = 5
    connect_time: float = 10.0
    request_time: float = 30.0


def changed(limits: Limits, kinds: Mapping[str, Any]) -> Limits:
    """The limits with some exchanged for what somebody typed.

    Raises
    ------
    PolicyError
    """
    parsed: dict[str, Any] = {}
    for kind, value in kinds.items():
        if kind not in KINDS:
            raise PolicyError(f"There is no limit on HTTP requests {kind!r}.{did_you_mean(kind, KINDS)}")
        parsed[kind] = _parse(kind, value)
    return dataclasses.replace(limits, **parsed)


def _parse(kind: str, value: Any) -> float:
    unit = KINDS[kind].unit
    try:
        if unit == "bytes":
            return parse_size(value)
        if unit == "s":
            return parse_time(value)
    except ValueError as error:
        raise PolicyError(f"limit {kind}: {error}.") from None
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= (count := operator.index(value)) <= MOST:
        raise PolicyError(f"limit {kind}: a whole number of {unit} up to {MOST}, not {value!r}.")
    return count
