"""What a statement may do in SQLite: SQLite itself asks while it compiles the statement.

- The host sets the *authorizer* afresh for each call, with the grants of that moment. Setting it also expires every
  statement that was compiled before.
- The authorizer refuses every action that is not listed here: attaching files, pragmas, transactions, triggers,
  temporary and virtual tables, functions that have not been reviewed.
- *Limits* bound one step of SQLite's machine, because nothing can stop SQLite in the middle of a step.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection
from typing import Final

from judicia_notebook.host.database.job import Access, Job, denied
from judicia_notebook.host.database.statements import PLATFORM
from judicia_notebook.host.dispatcher import ServiceError

_FUNCTIONS: Final = frozenset(
    """
    abs char coalesce concat concat_ws glob hex ifnull iif if instr length like likelihood likely lower ltrim max min
    nullif octet_length quote replace round rtrim sign substr substring trim typeof unicode unlikely upper zeroblob
    avg count group_concat string_agg sum total
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
    acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power
    radians sin sinh sqrt tan tanh trunc
    json json_array json_array_length json_extract json_group_array json_group_object json_insert json_object
    json_quote json_remove json_replace json_set json_type json_valid -> ->>
    """.split()
)
_TIME: Final = frozenset(
    """
    current_date current_time current_timestamp date datetime julianday strftime time timediff unixepoch
    """.split()
)
_RANDOM: Final = frozenset({"random", "randomblob"})
_ALTERING: Final = frozenset(  # SQLite's own means for ALTER TABLE
    """
    printf sqlite_drop_column sqlite_rename_column sqlite_rename_quotefix sqlite_rename_table sqlite_rename_test
    """.split()
)
_CATALOG: Final = frozenset({"sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_stat1"})

_TEMPORARY: Final = ("sqlite_temp_master", "sqlite_temp_schema")

_ROWS: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_DEFINITIONS: Final = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_REINDEX,  # the first filling of a new index
    }
)
_OPEN: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})

_CALLS: Final = 200
"""Calls of functions in one statement, its views included: those in one row are made without a look at the clock."""

_LONGEST: Final = 16 << 20

LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 64,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Limits of SQLite that never change. Length, statement and parameters follow `DatabaseLimits`; attached
files follow the call."""


_MODULES: Final = frozenset(
    """
    bytecode carray completion dbstat fsdir fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab generate_series json_each
    json_tree rtree rtree_i32 sqlite_dbpage sqlite_memstat sqlite_stmt tables_used
    """.split()
)


def virtual_tables(connection: sqlite3.Connection) -> frozenset[str]:
    """The tables that are modules of SQLite's, such as ``dbstat``: a fixed list, and those this build has."""
    return _MODULES | {row[0].lower() for row in connection.execute("PRAGMA module_list")}


class Authorizer:
    """SQLite's questions about one statement, and the reason of the first refusal.

    Parameters
    ----------
    job : Job
    access : Access
        What the policy allows at this moment.
    shared : collection of str
        The platform tables there are, where they are attached.
    virtual : collection of str
        The tables that are modules of SQLite's, such as ``dbstat``.
    """

    def __init__(self, job: Job, access: Access, shared: Collection[str], virtual: Collection[str]) -> None:
        self._job = job
        self._access = access
        self._shared = shared
        self._virtual = virtual
        self._calls = 0
        self.refusal: ServiceError | None = None

    def __call__(self, action: int, first: str | None, second: str | None, schema: str | None, _by: str | None) -> int:
        if self._job.task.abandoned:  # it may be a statement that takes very long to compile
            return sqlite3.SQLITE_DENY
        if self._job.statement.kind == "ALTER TABLE" and first in _TEMPORARY and schema == "temp":
            return sqlite3.SQLITE_OK  # SQLite looks there for views and triggers on the table; it is always empty
        refusal = self._refusal(action, (first or "").lower(), (second or "").lower(), (schema or "").lower())
        if refusal is None:
            return sqlite3.SQLITE_OK
        self.refusal = self.refusal or refusal
        return sqlite3.SQLITE_DENY

    def _refusal(self, action: int, first: str, second: str, schema: str) -> ServiceError | None:
        if action in _OPEN:
            return None
        if action == sqlite3.SQLITE_READ:
            return self._reading(first, schema)
        if action == sqlite3.SQLITE_FUNCTION:
            return self._calling(second)
        if action in _ROWS:
            return self._changing(first, schema)
        if action in _DEFINITIONS:
            return self._defining(first, schema)
        if action == sqlite3.SQLITE_ALTER_TABLE:
            return self._defining(second, first)
        return ServiceError("bad_request", "the statement does something that is not offered here")

    def _reading(self, table: str, schema: str) -> ServiceError | None:
        if table in self._virtual or table.startswith("pragma_"):
            return ServiceError("bad_request", f"`{table}` is a table of the database's own, and not offered")
        if schema == "main":
            return None
        if schema == PLATFORM and table.startswith("sqlite_"):
            return ServiceError("bad_request", "plugins may not read the list of the platform's tables")
        if schema == PLATFORM or (not schema and table in self._shared):
            return None if table in self._access.reads else denied(self._job, table, "read_database")
        # Without a schema it is a name that SQLite has yet to look up, or one that the statement itself gives.
        return None if not schema and table not in _TEMPORARY else _elsewhere()

    def _changing(self, table: str, schema: str) -> ServiceError | None:
        if not self._job.writing:
            return ServiceError("bad_request", "query only reads, and does not reach the database's own tables")
        if schema == PLATFORM and table.startswith("sqlite_"):
            return _not_yours(table)
        if schema == PLATFORM:
            return None if table in self._access.writes else denied(self._job, table, "write_database")
        if schema != "main":
            return _elsewhere()
        if table in _CATALOG and not self._job.statement.defines:
            return ServiceError("bad_request", f"`{table}` can only be read")
        return None

    def _defining(self, name: str, schema: str) -> ServiceError | None:
        if schema == "main" and self._job.writing and self._job.statement.defines:
            return None
        return _not_yours(name) if schema == PLATFORM else _elsewhere()

    def _calling(self, function: str) -> ServiceError | None:
        self._calls += 1
        if self._calls > _CALLS:
            return ServiceError("quota_exceeded", f"more than {_CALLS} calls of functions in one statement")
        if function in _FUNCTIONS or (function in _ALTERING and self._job.statement.kind == "ALTER TABLE"):
            return None
        for functions, capability in ((_TIME, "wall_clock"), (_RANDOM, "random")):
            if function in functions:
                if self._job.allows(capability):
                    return None
                message = f"{self._job.function} needs the capability {capability} for {function}()"
                return ServiceError("capability_denied", message, capability=capability)
        return ServiceError("bad_request", f"the function {function}() is not offered")


def _not_yours(name: str) -> ServiceError:
    return ServiceError("bad_request", f"`{name}`: only the platform makes, changes and drops its tables")


def _elsewhere() -> ServiceError:
    return ServiceError("bad_request", "there are only the plugin's own tables and the platform's")


def unsafe(message: str) -> ServiceError | None:
    """The answer for a stored definition with a function of the host's, where SQLite trusts only its own."""
    match = _UNSAFE.fullmatch(message)
    if match is None:
        return None
    return ServiceError("bad_request", f"{match[1]}() is not offered in a view, a default, a check or an index")


_UNSAFE = re.compile(r"unsafe use of (\w+)\(\)")


def computes(default: str) -> bool:
    """Whether a column's default calls a function; SQLite does not ask the authorizer about those.

    Examples
    --------
    >>> [computes(text) for text in ("1", "'call date()'", "CURRENT_TIMESTAMP", "1 + abs(2)")]
    [False, False, True, True]
    """
    rest = _TEXT.sub("", default).lower()
    return "(" in rest or any(word in rest for word in ("current_date", "current_time"))


_TEXT = re.compile(r"'(?:[^']|'')*'")


def trimmed(text: object, characters: object = " ", *, left: bool = True, right: bool = True) -> object:
    """SQLite's ``trim`` in linear time; its own takes the product of both lengths, in one step.

    Examples
    --------
    >>> trimmed("xxaxx", "x"), trimmed("  a ", left=False), trimmed(None)
    ('a', '  a', None)
    """
    if text is None or characters is None:
        return None
    whole, unwanted = _as_text(text), frozenset(_as_text(characters))
    start, end = 0, len(whole)
    while left and start < end and whole[start] in unwanted:
        start += 1
    while right and end > start and whole[end - 1] in unwanted:
        end -= 1
    return whole[start:end]


def found_at(text: object, part: object) -> object:
    """SQLite's ``instr`` in linear time.

    Examples
    --------
    >>> found_at("abc", "c"), found_at("abc", "d"), found_at(b"abc", b"b"), found_at("abc", None)
    (3, 0, 2, None)
    """
    if text is None or part is None:
        return None
    if isinstance(text, bytes) and isinstance(part, bytes):
        return text.find(part) + 1
    return _as_text(text).find(_as_text(part)) + 1


def replaced(text: object, old: object, new: object) -> object:
    """SQLite's ``replace`` in linear time.

    Examples
    --------
    >>> replaced("abab", "a", "x"), replaced("ab", "", "x"), replaced(12, 2, 3), replaced("ab", "a", None)
    ('xbxb', 'ab', '13', None)
    """
    if text is None or old is None or new is None:
        return None
    whole, before, after = _as_text(text), _as_text(old), _as_text(new)
    if not before:
        return text
    if len(whole) + whole.count(before) * (len(after) - len(before)) > _LONGEST:
        raise OverflowError
    return whole.replace(before, after)


def _not_offered(*_: object) -> None:
    """Stands in for ``printf``, which SQLite may call without asking: one call of the original can take ten seconds."""
    raise OverflowError


def _as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def add_functions(connection: sqlite3.Connection) -> None:
    """Replace the functions of SQLite's that take too long in one step."""
    connection.create_function("instr", 2, found_at, deterministic=True)  # type: ignore[arg-type]
    connection.create_function("replace", 3, replaced, deterministic=True)  # type: ignore[arg-type]
    for name in ("printf", "format"):
        connection.create_function(name, -1, _not_offered)
    for name, left, right in (("trim", True, True), ("ltrim", True, False), ("rtrim", False, True)):

        def trim(text: object, characters: object = " ", *, left: bool = left, right: bool = right) -> object:
            return trimmed(text, characters, left=left, right=right)

        for count in (1, 2):
            connection.create_function(name, count, trim, deterministic=True)  # type: ignore[arg-type]
