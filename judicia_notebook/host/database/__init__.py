"""``judicia:database``: SQL for plugins, each in a schema of its own.

A plugin's tables are its own: no other plugin's statement can name them. The user makes the platform's tables from
DataFrames. A plugin sees those that its grants name, and changes those that its ``write_database`` grants name.

How a request goes:

- `statements` reads the text as far as to tell its kind, and `values` reads the values out of JSON;
- the statement runs on another thread (`host.offload`), so that the call ends on time whatever the database does;
- the database itself enforces what the live policy allows: SQLite by an authorizer (`sqlite`, `guard`), PostgreSQL by a
  login role without any attribute on connections of its own (`postgresql`);
- each request is one transaction: committed when the answer is there, rolled back when the call fails.

Other databases are refused: no test shows that they keep a plugin to its own tables.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.errors import PolicyError, ResourceExhausted, stays_in_process
from judicia_notebook.host.database import statements, values
from judicia_notebook.host.database.job import Access, Backend, Job
from judicia_notebook.host.database.limits import KINDS, DatabaseLimits
from judicia_notebook.host.dispatcher import Operation, ServiceError
from judicia_notebook.host.offload import Offload, Task
from judicia_notebook.host.ownership import Owners
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_names

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy

    from judicia_notebook.host.scope import CallScope

__all__ = ["DatabaseLimits", "DatabaseService"]


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """A statement and its values: ``$1`` is the first."""

    sql: str
    params: list[Any] = []


@stays_in_process("A table as a frame can be: table(name).")
class DatabaseService:
    """``judicia:database`` of one runtime, and ``rt.host.database`` of the notebook.

    Parameters
    ----------
    owners : Owners
        They know which file owns the tables under a plugin's name, and the data folder.
    url : str, optional
        ``sqlite:///FOLDER`` or ``postgresql://...``; by default SQLite in the data folder.

    Raises
    ------
    PolicyError
        Another database, or one that cannot be used from here.
    """

    module = "judicia:database"
    left = "tables"
    given = "platform tables"
    limit_kinds = KINDS
    """What each of `limits` counts, its unit and its default."""

    def __init__(self, owners: Owners, url: str | None = None) -> None:
        self._limits = DatabaseLimits()
        self._lock = threading.Lock()
        self._owners = owners
        self._opened = None if url is None else _backend_of(url)
        self._offload = Offload("judicia-database", "the database", "the database")

    def operations(self) -> Iterable[Operation]:
        for name, handle, capability in (
            ("query", self.query, "read_database"),
            ("execute", self.execute, "write_database"),
        ):
            yield Operation(name, handle, capability=capability, request=Request, target=_target)

    def close(self) -> None:
        """Let go of connections and threads."""
        self._offload.close()
        if self._opened is not None:
            self._opened.close()

    @property
    def _backend(self) -> Backend:
        """The database; the default one at first use, so that nothing is imported for runtimes that need none."""
        with self._lock:
            if self._opened is None:
                from judicia_notebook.host.database.sqlite import SqliteDatabase

                self._opened = SqliteDatabase(lambda: self._owners.data_dir() / "database", self._owners)
            return self._opened

    def kept(self) -> Iterator[str]:
        """The plugins whose tables are kept, in words."""
        with _told_to_the_user():
            found = self._backend.kept() if self._may_keep else []
        if found:
            yield f"tables of {len(found)} plugin{'s' if len(found) > 1 else ''}: {format_names(found)}"

    def forget(self) -> None:
        """Remove the tables of all plugins; the platform's are the user's."""
        with _told_to_the_user():
            if self._may_keep:
                self._backend.forget()

    @property
    def _may_keep(self) -> bool:
        return self._opened is not None or (self._owners.data_dir() / "database").is_dir()

    # For plugins --------------------------------------------------------------------------------------------

    def query(self, scope: CallScope, request: Request) -> dict[str, Any]:
        """The rows of a statement that only reads."""
        return self._run(scope, request, "read_database")

    def execute(self, scope: CallScope, request: Request) -> dict[str, Any]:
        """How many rows a statement changed."""
        return self._run(scope, request, "write_database")

    def _run(self, scope: CallScope, request: Request, capability: str) -> dict[str, Any]:
        limits, backend = self._limits, self._backend
        writing = capability == "write_database"
        if (size := len(request.sql.encode())) > limits.sql_bytes:
            raise ServiceError("quota_exceeded", f"a statement of {size} bytes; at most {limits.sql_bytes}")
        params = values.parameters(request.params, limits)
        plugin, digest = scope.plugin, scope.digest

        def access() -> Access:
            state = scope.policy.state
            if not state.allows(capability):
                operation = "execute" if writing else "query"
                raise ServiceError(
                    "capability_denied", f"judicia:database {operation} needs the capability {capability}"
                )
            reads, writes = state.scopes("read_database"), state.scopes("write_database") if writing else ()
            return Access(frozenset(map(str.lower, reads)), frozenset(map(str.lower, writes)))

        def allows(capability: str) -> bool:
            return scope.policy.state.allows(capability)

        def work(task: Task[dict[str, Any]]) -> dict[str, Any]:
            until = time.monotonic() + limits.statement_time
            statement = statements.read(request.sql, len(params), writing=writing, postgresql=backend.postgresql)
            job = Job(task, plugin, digest, statement, params, writing, access, allows, limits, until)
            return backend.execute(job) if writing else backend.query(job)

        return self._offload.run(scope, work)

    # For the notebook ---------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The database, without its password."""
        return self._backend.url

    @property
    def tables(self) -> list[str]:
        """The platform's tables."""
        with _told_to_the_user():
            return self._backend.tables()

    def add_table(self, name: str, frame: pd.DataFrame) -> None:
        """Make a platform table from a frame, or replace the table of that name; the index is left out.

        Plugins see it where a grant names it: ``p.policy.grant("read_database=submissions")``.

        Raises
        ------
        PolicyError
            A bad name, or a column with values that no database column can hold.

        Examples
        --------
        >>> import judicia_notebook as jn, pandas as pd
        >>> with jn.Runtime() as rt:
        ...     rt.host.database.add_table("submissions", pd.DataFrame({"id": [1, 2], "verdict": ["AC", None]}))
        ...     rt.host.database.table("submissions")["id"].tolist()
        [1, 2]
        """
        from judicia_notebook.host.database.tables import check_name

        check_name(name)
        with _told_to_the_user():
            self._backend.add_table(name, frame)

    def drop_table(self, name: str) -> None:
        """Remove a platform table.

        Raises
        ------
        PolicyError
            There is none of this name.
        """
        from judicia_notebook.host.database.tables import check_known

        check_known(name, self.tables)
        with _told_to_the_user():
            self._backend.drop_table(name)

    def table(self, name: str) -> pd.DataFrame:
        """A platform table as it is now, with the dtypes of the frame that it was made from.

        A column with missing values keeps its kind: ``Int64`` for whole numbers, ``boolean`` for truth values.
        docs/conversions.md has all of them.

        Raises
        ------
        PolicyError
            There is none of this name.
        """
        from judicia_notebook.host.database.columns import frame
        from judicia_notebook.host.database.tables import check_known

        check_known(name, self.tables)
        with _told_to_the_user():
            kinds, rows = self._backend.read_table(name)
        return with_plugin_text(frame(kinds, rows))

    @KINDS.in_force
    def limits(self) -> DatabaseLimits:
        """The limits of statements; `set_limits` changes them."""
        return self._limits

    def set_limits(self, **kinds: float | str) -> None:
        """Change limits, from the next request on; what is not named stays. Sizes may be text such as ``"1MiB"``.

        Raises
        ------
        PolicyError
            An unknown kind or a bad value; nothing is changed then.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.host.database.set_limits(rows=100, statement_time="2s")
        ...     rt.host.database.limits.rows
        100
        """
        self._limits = KINDS.changed(self._limits, kinds)

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have the tables that another left under its name."""
        with _told_to_the_user():
            self._backend.adopt(plugin, digest)


@contextmanager
def _told_to_the_user() -> Iterator[None]:
    """Turn the answer that a guest would get into an error for the user."""
    try:
        yield
    except ServiceError as error:
        raise ResourceExhausted(f"{error.message[:1].upper()}{error.message[1:]}.") from error


def _target(request: Request) -> str:
    return printable(" ".join(request.sql[:1000].split()), 200)


def _backend_of(url: str) -> Backend:
    """The database of a URL."""
    import sqlalchemy

    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise PolicyError(
            "database= takes a URL such as postgresql://user@host/name; the given text is no URL."
        ) from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        from judicia_notebook.host.database.sqlite import SqliteDatabase

        return SqliteDatabase(*_folder(parsed), alone=True)
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        if sys.platform == "win32":
            raise PolicyError("PostgreSQL is offered on Linux and macOS.")
        if importlib.util.find_spec("psycopg") is None:
            raise PolicyError(
                "PostgreSQL needs a package that is not installed.",
                hint="python -m pip install 'judicia-notebook[postgresql]'",
            )
        from judicia_notebook.host.database.postgresql import PostgresqlDatabase

        return PostgresqlDatabase(parsed)
    raise PolicyError(
        f"database={parsed.drivername}://...: only sqlite and postgresql. How plugins are kept to their own tables is "
        f"built on what these two offer, and nothing like it is there for {parsed.get_backend_name()}."
    )


def _folder(url: sqlalchemy.URL) -> tuple[Any, Owners]:
    """The folder that a SQLite URL names."""
    if not url.database or url.database == ":memory:" or url.query or url.host:
        raise PolicyError(
            "database=sqlite:///FOLDER names a folder: each plugin has a file of its own there, so the URL may "
            "not say :memory:, a host or options."
        )
    folder = Path(url.database).absolute()
    if folder.exists() and not folder.is_dir():
        raise PolicyError(f"database=sqlite:///FOLDER names a folder, and {folder} is a file.")

    def made() -> Path:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    return made, Owners(made)
