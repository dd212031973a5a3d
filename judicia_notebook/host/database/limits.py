"""How much of everything a statement may take, and a plugin's private tables hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from judicia_notebook.policy.quotas import QuotaKind

KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "rows": QuotaKind("rows", "answer", 10_000, "of one query"),
        "result_bytes": QuotaKind("bytes", "answer", 4 << 20, "values of one query together"),
        "value_bytes": QuotaKind(
            "bytes", "value", 256 << 10, "one value; on SQLite also one row", least=1 << 10, most=16 << 20
        ),
        "sql_bytes": QuotaKind("bytes", "statement", 32 << 10, "the text of a statement", least=1 << 10, most=1 << 20),
        "parameters": QuotaKind("parameters", "statement", 200, "$1 and those after it", most=1000),
        "statement_time": QuotaKind("s", "statement", 30.0, "also ended by what is left of the call's wall time"),
        "statement_bytes": QuotaKind("bytes", "statement", 256 << 20, "written to disk, temporary files included"),
        "database_bytes": QuotaKind(
            "bytes", "plugin", 64 << 20, "a plugin's private tables on disk, SQLite's log included", least=256 << 10
        ),
        "platform_bytes": QuotaKind(
            "bytes", "runtime", 256 << 20, "the platform's tables on disk, likewise, where plugins add", least=256 << 10
        ),
        "tables": QuotaKind("tables", "plugin", 200, "private tables, indexes and views"),
    }
)
"""Every limit on databases, in the order people read them. Times are seconds, sizes bytes.

Less than the least the database itself cannot work with. Beyond the most, a single step inside it takes so long that no
deadline means anything."""


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
