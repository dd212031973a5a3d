"""How much of everything a statement may take, and a plugin's private tables hold."""

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
        "rows": QuotaKind("rows", "answer", 10_000, "of one query"),
        "result_bytes": QuotaKind("bytes", "answer", 4 << 20, "values of one query together"),
        "value_bytes": QuotaKind("bytes", "value", 256 << 10, "one value; on SQLite also one row"),
        "sql_bytes": QuotaKind("bytes", "statement", 32 << 10, "the text of a statement"),
        "parameters": QuotaKind("parameters", "statement", 200, "$1 and those after it"),
        "statement_time": QuotaKind("s", "statement", 30.0, "also ended by what is left of the call's wall time"),
        "statement_bytes": QuotaKind("bytes", "statement", 256 << 20, "written to disk, temporary files included"),
        "database_bytes": QuotaKind("bytes", "plugin", 64 << 20, "a plugin's private tables with their indexes"),
        "platform_bytes": QuotaKind("bytes", "runtime", 256 << 20, "the platform's tables, where plugins add to them"),
        "tables": QuotaKind("tables", "plugin", 200, "private tables, indexes and views"),
    }
)
"""Every limit on databases, in the order people read them. Times are seconds, sizes bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force; `KINDS` says what each is.

    Examples
    --------
    >>> Limits(rows=10).rows, Limits().statement_time
    (10, 30.0)
    """

    rows: int = 10_000
    result_bytes: int = 4 << 20
    value_bytes: int = 256 << 10
    sql_bytes: int = 32 << 10
    parameters: int = 200
    statement_time: float = 30.0
    statement_bytes: int = 256 << 20
    database_bytes: int = 64 << 20
    platform_bytes: int = 256 << 20
    tables: int = 200


_LEAST: Final = MappingProxyType(
    {"value_bytes": 1 << 10, "sql_bytes": 1 << 10, "database_bytes": 64 << 10, "platform_bytes": 64 << 10}
)
"""Less than this the database itself cannot work with."""

_MOST: Final = MappingProxyType({"value_bytes": 16 << 20, "sql_bytes": 1 << 20, "parameters": 1000})
"""Beyond this a single step inside the database takes so long that no deadline means anything."""


def changed(limits: Limits, kinds: Mapping[str, Any]) -> Limits:
    """The limits with some exchanged for what somebody typed.

    Raises
    ------
    PolicyError
    """
    parsed: dict[str, Any] = {}
    for kind, value in kinds.items():
        if kind not in KINDS:
            raise PolicyError(f"There is no limit on databases {kind!r}.{did_you_mean(kind, KINDS)}")
        parsed[kind] = _parse(kind, value)
        least, most = _LEAST.get(kind, 0), _MOST.get(kind, MOST)
        if not least <= parsed[kind] <= most:
            raise PolicyError(f"limit {kind}: between {least} and {most}, not {value!r}.")
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
