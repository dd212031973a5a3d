"""SQLite: one file for each plugin, named by a hash, and one for the platform's tables.

How a statement runs:

- The call takes a connection to its plugin's own file from a pool of that plugin's. It attaches the platform's file
  only where a grant names one of its tables, and only for reading where no grant allows a change.
- The transaction begins. The call reads the live policy, sets the authorizer (`guard`), runs the statement, takes the
  authorizer off, and ends the transaction.
- Every few thousand steps a progress handler checks whether the call still waits, and how much its thread has written.

Files are in write-ahead-log mode with full synchronisation: an acknowledged change survives a kill. Each transaction
that may write gets as many pages as leave room for its log (`space`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy.pool import QueuePool

from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.host.database import guard, space
from judicia_notebook.host.database.job import Access, Job, missing_grant
from judicia_notebook.host.database.progress import watched
from judicia_notebook.host.database.space import Gate
from judicia_notebook.host.database.statements import PLATFORM
from judicia_notebook.host.database.tables import kind_of_declared, make_table, records
from judicia_notebook.host.database.values import Rows
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.offload import Abandoned
from judicia_notebook.host.ownership import Owners, folder_name
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

HEAP_BYTES: Final = 512 << 20
"""The bytes that SQLite may take of this process's memory. The limit holds for all its users, plugins or not."""

_LOG_KEPT: Final = 1 << 20
_HOST_PATIENCE: Final = 10.0
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_QUOTA: Final = {
    sqlite3.SQLITE_FULL: "the plugin's tables are full",
    sqlite3.SQLITE_TOOBIG: "a value, a row or the statement is too long",
    sqlite3.SQLITE_NOMEM: "the statement takes too much memory",
}
_EXPLAINED: Final = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_MISUSE,
)


@dataclass(slots=True)
class _Setting:
    """The settings of a pooled connection."""

    virtual: frozenset[str]
    attached: str = ""


class SqliteDatabase:
    """Plugins' tables in SQLite.

    Parameters
    ----------
    folder : callable
        Returns the folder of the files; called at first use.
    owners : Owners
        They know which file owns the tables under a plugin's name.
    alone : bool
        Whether the owners are of this folder alone; otherwise private files are theirs, too.
    """

    postgresql = False

    def __init__(self, folder: Callable[[], Path], owners: Owners, *, alone: bool = False) -> None:
        self._folder = folder
        self._owners = owners
        self._alone = alone
        self._lock = threading.Lock()
        self._engines: dict[str, sqlalchemy.Engine] = {}
        self._gate = Gate()
        self._closed = False

    @property
    def url(self) -> str:
        """The folder of the files, as a URL."""
        return f"sqlite:///{self._folder()}"

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have the tables that another left under its name."""
        self._owners.adopt(plugin, digest)

    def close(self) -> None:
        """Close all connections; one that a statement still runs on is closed when it ends."""
        self._closed = True
        with deferred(), self._lock:
            engines, self._engines = self._engines, {}
        for engine in engines.values():
            engine.dispose()

    def kept(self) -> list[str]:
        """The plugins that have a file."""
        return [plugin for name, plugin in self._owners.names().items() if self._file(name).exists()]

    def forget(self) -> None:
        """Remove the plugins' files, and leave the platform's."""
        with self._lock:
            platform = self._engines.pop("platform", None)
            engines, self._engines = self._engines, {} if platform is None else {"platform": platform}
        for engine in engines.values():
            engine.dispose()
        for name in self._owners.names():
            for suffix in ("-wal", "-shm", "-journal", ""):
                self._file(name).with_name(f"{name}.sqlite3{suffix}").unlink(missing_ok=True)
        if self._alone:
            self._owners.forget()

    # Statements ---------------------------------------------------------------------------------------------

    def query(self, job: Job) -> dict[str, Any]:
        """Columns and rows."""
        rows = Rows(job.limits)

        def read(connection: sqlalchemy.Connection) -> None:
            rows.columns, rows.rows, rows.used = [], [], 0  # it may be the second attempt
            cursor = _execute(_raw(connection), job)
            rows.columns = [column[0] for column in cursor.description or ()]
            for row in cursor:
                rows.add(row)

        self._run(job, read)
        return rows.answer()

    def execute(self, job: Job) -> dict[str, int]:
        """How many rows were changed."""
        count = 0

        def change(connection: sqlalchemy.Connection) -> None:
            nonlocal count
            raw = _raw(connection)
            before = raw.total_changes
            for _ in _execute(raw, job):
                pass  # what RETURNING gives
            count = 0
            raw.set_authorizer(None)
            if job.statement.defines:
                _check_tables(raw, job)
            elif raw.total_changes != before:
                count = raw.execute("SELECT changes()").fetchone()[0]

        self._run(job, change)
        return {"rowcount": count}

    def _run(self, job: Job, work: Callable[[sqlalchemy.Connection], None]) -> None:
        self._owners.check(job.plugin, job.digest)
        name = folder_name(job.plugin)
        engine = self._engine(name)
        while True:
            job.check()
            while not self._gate.is_open((name, PLATFORM) if self._wanted(job, job.access()) else (name,)):
                job.pause()
            try:
                with self._translated(job), self._connected(engine) as connection:
                    if self._attempt(connection, job, work):
                        return
            except _Busy:
                job.pause()
            except _LogFull as full:
                self._empty_log(engine, job, full.schema)

    def _empty_log(self, engine: sqlalchemy.Engine, job: Job, schema: str) -> None:
        """Wait until no statement reads from the log, and empty it."""
        with self._gate.closed(PLATFORM if schema == PLATFORM else folder_name(job.plugin)):
            while True:
                job.check()
                with contextlib.suppress(_Busy), self._translated(job), self._connected(engine) as connection:
                    raw = _raw(connection)
                    self._set_up(raw, connection.info, job, self._wanted(job, job.access()))
                    (busy, _, _) = raw.execute(f"PRAGMA {schema}.wal_checkpoint(TRUNCATE)").fetchone()
                    if not busy:
                        return
                job.pause()

    def _attempt(self, connection: sqlalchemy.Connection, job: Job, work: Callable[..., None]) -> bool:
        """One transaction; False where the grants changed before it had begun."""
        raw = _raw(connection)
        wanted = self._wanted(job, job.access())
        self._set_up(raw, connection.info, job, wanted)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if job.writing else "BEGIN")
        try:
            access = job.access()
            if self._wanted(job, access) != wanted:  # attach the file anew, outside of a transaction
                return False
            logs = self._bound(raw, job, wanted) if job.writing else {}
            authorizer = guard.Authorizer(job, access, _names(raw, wanted), connection.info["judicia"].virtual)
            with _pages_given(logs), watched(raw, job), _guarded(raw, authorizer):
                work(connection)
            job.check()  # the last chance to give up: the commit makes the change visible
            connection.exec_driver_sql("COMMIT")
            return True
        finally:
            if raw.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    raw.rollback()

    def _bound(self, raw: sqlite3.Connection, job: Job, wanted: str) -> dict[str, int]:
        """Within a transaction that may write: hold each of its databases, with all its files, within its limit.

        Returns
        -------
        dict
            The bytes of their logs now.

        Raises
        ------
        _LogFull
            There would be room, were the log empty.
        ServiceError
            ``quota_exceeded``
        """
        limits = [("main", self._file(folder_name(job.plugin)), job.limits.database_bytes, "the plugin's tables")]
        if wanted == "rw":
            limits.append((PLATFORM, self._platform_file(), job.limits.platform_bytes, "the platform's tables"))
        logs = {}
        for schema, file, limit, what in limits:
            logs[schema] = log = space.log_bytes(file)
            most = space.pages_within(limit, log)
            (pages,) = raw.execute(f"PRAGMA {schema}.page_count").fetchone()
            if pages > most and log:
                raise _LogFull(schema)
            if pages > most:
                raise ServiceError("quota_exceeded", f"{what} with the log of a change may have {limit} bytes")
            raw.execute(f"PRAGMA {schema}.max_page_count = {most}")
        return logs

    @contextmanager
    def _connected(self, engine: sqlalchemy.Engine) -> Iterator[sqlalchemy.Connection]:
        with engine.connect() as connection:
            good = False
            try:
                yield connection
                good = True
            except (ServiceError, sqlite3.Error, _Busy, _LogFull, Abandoned):
                good = True
                raise
            finally:
                if not good or self._closed:  # in a doubtful state, or left over by `close`, which has run already
                    connection.invalidate()

    @contextmanager
    def _translated(self, job: Job) -> Iterator[None]:
        """SQLite's errors as answers to the guest."""
        try:
            yield
        except MemoryError:
            raise ServiceError("quota_exceeded", _QUOTA[sqlite3.SQLITE_NOMEM]) from None
        except (sqlalchemy.exc.DBAPIError, sqlite3.Error, sqlite3.Warning) as error:
            raise self._found(job, error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error) from None

    def _found(self, job: Job, error: BaseException | None) -> BaseException:
        """The answer to the guest, to be raised."""
        found = _answer(job, error)
        if isinstance(found, ServiceError) and found.code == "not_found":
            # The platform's tables were not even attached; yet a denial helps more than a table that is not there.
            return missing_grant(job, job.access(), self.tables()) or found
        return found

    def _wanted(self, job: Job, access: Access) -> str:
        """How to attach the platform's file: ``rw``, ``ro``, or not at all."""
        if not (access.reads or access.writes) or not self._platform_file().exists():
            return ""
        return "rw" if access.writes and job.writing else "ro"

    def _set_up(self, raw: sqlite3.Connection, info: dict[Any, Any], job: Job, wanted: str) -> None:
        """Bring a pooled connection into the state this call needs; no transaction is open yet."""
        raw.set_authorizer(None)
        setting = info.get("judicia") or info.setdefault("judicia", _Setting(guard.virtual_tables(raw)))
        if setting.attached != wanted:
            raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 1)
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
            raw.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1 << 20)
            if setting.attached:
                raw.execute(f"DETACH {PLATFORM}")
                setting.attached = ""
            if wanted:
                raw.execute(f"ATTACH ? AS {PLATFORM}", (f"{self._platform_file().as_uri()}?mode={wanted}",))
                setting.attached = wanted
        raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        raw.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, job.limits.sql_bytes)
        raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, max(1, job.limits.parameters))
        raw.execute(f"PRAGMA query_only = {int(not job.writing)}")
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, job.limits.value_bytes)

    def _engine(self, name: str) -> sqlalchemy.Engine:
        with self._lock:
            engine = self._engines.get(name)
            if engine is None:
                path = self._file(name)
                engine = self._engines[name] = sqlalchemy.create_engine(
                    "sqlite://",
                    creator=lambda: _connect(path),
                    poolclass=QueuePool,
                    pool_size=2,
                    max_overflow=-1,
                    isolation_level="AUTOCOMMIT",  # transactions are begun and ended by hand
                )
            return engine

    # The platform's tables ----------------------------------------------------------------------------------

    def add_table(self, name: str, frame: pd.DataFrame) -> None:
        """Make or replace a platform table."""
        table = make_table(name, frame, postgresql=False)
        with self._platform() as connection:
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{name}"')
            table.create(connection)
            for some in records(frame, table, postgresql=False):
                connection.execute(table.insert(), some)

    def drop_table(self, name: str) -> None:
        """Remove a platform table."""
        with self._platform() as connection:
            connection.exec_driver_sql(f'DROP TABLE "{name}"')

    def tables(self) -> list[str]:
        """The platform tables."""
        if not self._platform_file().exists():
            return []
        with self._platform(write=False) as connection:
            return sorted(sqlalchemy.inspect(connection).get_table_names())

    def read_table(self, name: str) -> tuple[dict[str, str], list[Sequence[Any]]]:
        """The columns of a platform table with their kinds, and its rows."""
        with self._platform(write=False) as connection:
            declared = connection.exec_driver_sql(f'PRAGMA table_info("{name}")')
            kinds = {str(column): kind_of_declared(str(words)) for _, column, words, *_ in declared}
            return kinds, [tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]

    def _file(self, name: str) -> Path:
        return self._folder() / f"{name}.sqlite3"

    def _platform_file(self) -> Path:
        return self._file("platform")

    @contextmanager
    def _platform(self, *, write: bool = True) -> Iterator[sqlalchemy.Connection]:
        """A transaction of the host's own on the platform's file."""
        engine = self._engine("platform")
        with engine.connect() as connection:
            raw = _raw(connection)
            raw.execute(f"PRAGMA busy_timeout = {int(_HOST_PATIENCE * 1000)}")
            for limit in (sqlite3.SQLITE_LIMIT_COLUMN, sqlite3.SQLITE_LIMIT_VDBE_OP):
                raw.setlimit(limit, 1 << 30)
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
                yield connection
                connection.exec_driver_sql("COMMIT")
                if write:  # a whole table is in the log; nothing is lost where a reader keeps it there
                    raw.execute("PRAGMA busy_timeout = 0")
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlalchemy.exc.OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
                    raise
                raise ServiceError("failed", "a statement is at the platform's tables and does not let go") from None
            finally:
                if raw.in_transaction:
                    raw.rollback()


# One connection -----------------------------------------------------------------------------------------------


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rwc",
        uri=True,  # also for the attached file, which may be read-only
        timeout=_HOST_PATIENCE,
        isolation_level=None,
        check_same_thread=False,  # the pool gives it to one thread at a time
        cached_statements=0,  # nothing compiled outlives its call
    )
    try:
        for pragma in (
            f"hard_heap_limit = {HEAP_BYTES}",
            "synchronous = FULL",
            f"page_size = {space.PAGE_BYTES}",
            "journal_mode = WAL",
            f"journal_size_limit = {_LOG_KEPT}",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "foreign_keys = ON",
            "mmap_size = 0",
            "busy_timeout = 0",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        for limit, value in guard.LIMITS.items():
            connection.setlimit(limit, value)
        connection.text_factory = _text
        guard.add_functions(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _raw(connection: sqlalchemy.Connection) -> sqlite3.Connection:
    return connection.connection.driver_connection  # type: ignore[return-value]  # it is one of ours


def _text(data: bytes) -> str:
    return data.decode(errors="replace")  # a cast can call any bytes text


def _execute(raw: sqlite3.Connection, job: Job) -> sqlite3.Cursor:
    """Run the statement. `$2` is bound by its name: by position, SQLite numbers parameters as they come."""
    return raw.execute(job.statement.sql, {str(number): value for number, value in enumerate(job.params, start=1)})


def _names(raw: sqlite3.Connection, attached: str) -> frozenset[str]:
    if not attached:
        return frozenset()
    return frozenset(row[0].lower() for row in raw.execute(f"SELECT name FROM {PLATFORM}.sqlite_master"))


def _check_tables(raw: sqlite3.Connection, job: Job) -> None:
    """Look at the private tables after a definition, within its transaction."""
    if job.statement.kind.startswith("DROP"):
        return
    defaults = raw.execute(
        "SELECT c.name, c.dflt_value FROM main.sqlite_master AS t, pragma_table_xinfo(t.name) AS c "
        "WHERE t.type = 'table' AND c.dflt_value IS NOT NULL"
    )
    for column, default in defaults:
        if guard.computes(default):
            text = f"the default of column `{printable(column, 80)}` calls a function, which is not offered"
            raise ServiceError("bad_request", text)
    (count,) = raw.execute("SELECT count(*) FROM main.sqlite_master").fetchone()
    if count > job.limits.tables:
        raise ServiceError("quota_exceeded", f"{count} tables, indexes and views; at most {job.limits.tables}")


@contextmanager
def _guarded(raw: sqlite3.Connection, authorizer: guard.Authorizer) -> Iterator[None]:
    raw.set_authorizer(authorizer)
    try:
        yield
    except sqlite3.Error as error:
        refusal = authorizer.refusal or guard.unsafe(str(error))
        try:
            if refusal is not None:
                raise refusal from None
            raise
        finally:
            del refusal  # its traceback has this frame
    finally:
        raw.set_authorizer(None)


class _Busy(Exception):
    """Another connection holds the file; it is worth another try."""


class _LogFull(Exception):
    """The log takes the room that the statement needs."""

    def __init__(self, schema: str) -> None:
        super().__init__(schema)
        self.schema = schema


@contextmanager
def _pages_given(logs: dict[str, int]) -> Iterator[None]:
    """Raises `_LogFull` where the pages suffice only with an empty log, so that the caller empties it."""
    try:
        yield
    except sqlite3.Error as error:
        longest = max(logs, key=logs.__getitem__, default="")
        if longest and logs[longest] and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise _LogFull(longest) from None
        raise


def _answer(job: Job, error: BaseException | None) -> Exception:
    """An error of SQLite's as an answer to the guest."""
    job.task.check()
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    text = printable(str(error), 300)
    if isinstance(error, sqlite3.DataError):  # what Python's module says of a length
        code = sqlite3.SQLITE_TOOBIG
    if code in _BUSY:
        return _Busy()
    if code == sqlite3.SQLITE_TOOBIG:
        return ServiceError("quota_exceeded", f"{_QUOTA[code]}; at most {job.limits.value_bytes} bytes")
    if code == sqlite3.SQLITE_FULL and not job.access().writes & job.statement.names:  # its own tables, then
        text = f"{_QUOTA[code]}: with the log of a change at most {job.limits.database_bytes} bytes"
        return ServiceError("quota_exceeded", text)
    if code in _QUOTA:
        return ServiceError("quota_exceeded", _QUOTA[code])
    if code == sqlite3.SQLITE_CONSTRAINT:
        return ServiceError("conflict", text)
    if code == sqlite3.SQLITE_ERROR and text.startswith("no such table: "):
        return ServiceError("not_found", text)
    if code in _EXPLAINED:
        return ServiceError("bad_request", text)
    return ServiceError("failed", "the database could not do it")
