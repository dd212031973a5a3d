"""The limits on a statement, and on the size of a plugin's private tables.

Each limit has a least and a most. Below the least the database itself cannot work. Above the most, a single step inside
the database takes so long that no deadline means anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from judicia_notebook.policy.limits import LimitTable, limit


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """The limits in force. Times are seconds, sizes bytes.

    Examples
    --------
    >>> DatabaseLimits(rows=10).rows, DatabaseLimits().statement_time
    (10, 30.0)
    """

    rows: int = limit(10_000, "rows", "answer", "of one query")
    result_bytes: int = limit(4 << 20, "bytes", "answer", "values of one query together")
    value_bytes: int = limit(
        256 << 10, "bytes", "value", "one value; on SQLite also one row", least=1 << 10, most=16 << 20
    )
    sql_bytes: int = limit(32 << 10, "bytes", "statement", "the text of a statement", least=1 << 10, most=1 << 20)
    parameters: int = limit(200, "parameters", "statement", "`$1` and those after it", most=1000)
    statement_time: float = limit(
        30.0, "s", "statement", "what is left of the call's wall time ends it, too", beyond="`timeout`"
    )
    statement_bytes: int = limit(
        256 << 20, "bytes", "statement", "written to disk, temporary files included; on PostgreSQL these only"
    )
    database_bytes: int = limit(
        64 << 20,
        "bytes",
        "plugin",
        "a plugin's private tables on disk, SQLite's log included; an UPDATE needs as much log as it changes",
        least=256 << 10,
    )
    platform_bytes: int = limit(
        256 << 20,
        "bytes",
        "runtime",
        "the platform's tables on disk, likewise, where plugins add",
        least=256 << 10,
    )
    tables: int = limit(200, "tables", "plugin", "private tables, indexes and views")


KINDS: Final = LimitTable(DatabaseLimits, "database", "databases")
