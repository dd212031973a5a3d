"""PostgreSQL: one schema for each plugin, and a login role with no rights but this schema and its grants (`roles`).

How a statement runs:

- The call takes a connection of its plugin's own from a pool.
- The platform grants the login role what the live policy allows.
- The transaction begins, read-only for a query. The statement runs in it (`session`).
- The host measures the plugin's tables within the transaction, then commits. It rolls every query back.
- DISCARD ALL removes the statement's settings, locks and channels before the connection goes back to the pool.

What the server does not keep apart: plugins share its processors, memory and disk, its advisory locks and its NOTIFY
channels. Its catalogs tell the names of tables and roles.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy.pool import QueuePool

from judicia_notebook.host.database.job import Access, Job, missing_grant
from judicia_notebook.host.database.limits import DatabaseLimits
from judicia_notebook.host.database.roles import CONNECTIONS, Roles, Tenant, again, tables
from judicia_notebook.host.database.session import Refused, Session, columns, kind_of_oid, values
from judicia_notebook.host.database.statements import PLATFORM
from judicia_notebook.host.database.tables import make_table, records
from judicia_notebook.host.database.values import Rows
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd
    from psycopg.pq.abc import PGresult

_PATIENCE_SECONDS: Final = 5.0
_CHANGES_ROWS: Final = ("INSERT", "UPDATE", "DELETE", "MERGE")
_EXPLAINED: Final = ("0A", "20", "21", "22", "25", "2F", "42", "44", "54")
"""Classes of errors whose text is about the statement alone."""


class PostgresqlDatabase:
    """Plugins' tables in PostgreSQL.

    Parameters
    ----------
    url : sqlalchemy.URL
        As the platform's own role enters it.
    """

    postgresql = True

    def __init__(self, url: sqlalchemy.URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._roles = Roles(self._url)
        self._lock = threading.Lock()
        self._tenants: dict[str, Tenant] = {}
        self._digests: set[tuple[str, str]] = set()
        self._closed = False

    @property
    def url(self) -> str:
        """The database, without its password."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have the tables that another left under its name."""
        again(lambda: self._roles.adopt(plugin, digest))
        self._digests.add((plugin, digest))

    def close(self) -> None:
        """Close all connections, and remove the login roles."""
        self._closed = True
        self._leave()
        self._roles.close()

    def _leave(self) -> None:
        """Close the plugins' connections, and remove their login roles."""
        with self._lock:
            tenants, self._tenants = self._tenants, {}
        for tenant in tenants.values():
            if tenant.engine is not None:
                tenant.engine.dispose()
            with contextlib.suppress(ServiceError, sqlalchemy.exc.DBAPIError):
                self._roles.drop(tenant)

    def kept(self) -> list[str]:
        """The plugins that have a schema."""
        return self._roles.plugins()

    def forget(self) -> None:
        """Remove the plugins' schemas with all that is in them, and leave the platform's."""
        self._leave()
        again(self._roles.forget)
        self._digests.clear()

    # Statements ---------------------------------------------------------------------------------------------

    def query(self, job: Job) -> dict[str, Any]:
        """Columns and rows."""
        rows = Rows(job.limits)

        def keep(result: PGresult) -> None:
            rows.add(values(result))

        def read(session: Session, _tenant: Tenant, _access: Access) -> None:
            rows.rows, rows.used = [], 0  # it may be the second attempt
            rows.columns = columns(session.run(job.statement.sql, job.params, keep))
            session.finish("ROLLBACK")

        self._run(job, read)
        return rows.answer()

    def execute(self, job: Job) -> dict[str, int]:
        """How many rows were changed."""
        count = 0

        def change(session: Session, tenant: Tenant, access: Access) -> None:
            nonlocal count
            _check_room(session, job, tenant, access)
            result = session.run(job.statement.sql, job.params, lambda _: None)
            tag = (result.command_status or b"").decode().partition(" ")[0]
            count = (result.command_tuples or 0) if tag in _CHANGES_ROWS else 0
            if tag not in _CHANGES_ROWS:  # new tables belong to the plugin, not to this runtime's login
                session.command(f"REASSIGN OWNED BY {tenant.login} TO {tenant.schema}")
            _check_sizes(session, job, tenant, access)
            job.check()  # the last chance to give up: the commit makes the change visible
            session.finish("COMMIT")

        self._run(job, change)
        return {"rowcount": count}

    def _run(self, job: Job, work: Any) -> None:
        tenant = self._tenant(job)
        for attempt in range(3):
            access = self._grant(job, tenant)
            try:
                with self._connected(tenant, job) as connection:
                    self._transaction(connection, job, tenant, access, work)
                    return
            except Refused as refused:
                if refused.sqlstate == "42501" and attempt < 2 and self._may_be_late(job, tenant, access):
                    continue
                raise self._answer(job, refused, access) from None
            except _RoleGone:
                tenant = self._tenant(job)
        raise ServiceError("failed", "the database does not let the plugin's role in")

    def _transaction(
        self, connection: sqlalchemy.Connection, job: Job, tenant: Tenant, access: Access, work: Any
    ) -> None:
        raw: Any = connection.connection.driver_connection
        session = Session(raw.pgconn, job)
        done = False
        try:
            session.command("BEGIN" if job.writing else "BEGIN READ ONLY")
            work(session, tenant, access)
            done = True
        except Refused as refused:
            if refused.sqlstate:
                session.finish("ROLLBACK")
                done = True
            raise
        except ServiceError:
            if session.usable:
                session.finish("ROLLBACK")
                done = True
            raise
        finally:
            if not (done and session.cleared()):
                connection.invalidate()

    @contextmanager
    def _connected(self, tenant: Tenant, job: Job) -> Iterator[sqlalchemy.Connection]:
        """A connection of the plugin's own; waits a moment where the server has no room for one more."""
        engine = tenant.engine
        assert engine is not None  # noqa: S101  # made with the tenant
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            job.check()
            try:
                connection = engine.connect()
                break
            except sqlalchemy.exc.DBAPIError:
                if not self._roles.is_there(tenant):
                    self._forget(tenant)
                    raise _RoleGone from None
                if time.monotonic() > until:
                    raise ServiceError("failed", "the database does not let the plugin's role in") from None
                job.pause()
        with connection:
            try:
                yield connection
            finally:
                if self._closed:  # `close` has run already and would not close this connection
                    connection.invalidate()

    def _grant(self, job: Job, tenant: Tenant) -> Access:
        while not tenant.lock.acquire(timeout=0.05):  # in slices, so that an abandoned statement stops waiting
            job.check()
        try:
            access = job.access()  # with the lock held: a thread that comes later grants newer access
            self._roles.grant(tenant, access)
            return access
        finally:
            tenant.lock.release()

    def _may_be_late(self, job: Job, tenant: Tenant, access: Access) -> bool:
        """Whether a denial may come from a table that another runtime has just put in the place of the old one."""
        if not job.statement.names & (access.reads | access.writes):
            return False
        with tenant.lock:
            tenant.granted = None
        return True

    def _tenant(self, job: Job) -> Tenant:
        with self._lock:
            tenant = self._tenants.get(job.plugin)
            if tenant is None:
                tenant = self._roles.tenant(job.plugin, job.digest, job.limits)
                tenant.engine = self._engine(tenant)
                self._tenants[job.plugin] = tenant
                self._digests.add((job.plugin, job.digest))
        if tenant.limits.statement_bytes != job.limits.statement_bytes:
            self._renew_limits(tenant, job)
        if (job.plugin, job.digest) not in self._digests:
            again(lambda: self._roles.check_owner(job.plugin, job.digest))
            self._digests.add((job.plugin, job.digest))
        return tenant

    def _renew_limits(self, tenant: Tenant, job: Job) -> None:
        """The server applies a login's limits when a connection begins, so changed limits need new connections."""
        with tenant.lock:
            tenant.limits = job.limits
            again(lambda: self._roles.limit(tenant))
        if tenant.engine is not None:
            tenant.engine.dispose()

    def _forget(self, tenant: Tenant) -> None:
        with self._lock:
            for plugin, other in tuple(self._tenants.items()):
                if other is tenant:
                    del self._tenants[plugin]
        if tenant.engine is not None:
            tenant.engine.dispose()

    def _engine(self, tenant: Tenant) -> sqlalchemy.Engine:
        return sqlalchemy.create_engine(
            self._url.set(username=tenant.login, password=tenant.password),
            poolclass=QueuePool,
            pool_size=2,
            max_overflow=CONNECTIONS,
            pool_timeout=_PATIENCE_SECONDS,
            isolation_level="AUTOCOMMIT",  # transactions are begun and ended by hand
            use_native_hstore=False,
            connect_args={"connect_timeout": 10, "prepare_threshold": None},
        )

    def _answer(self, job: Job, refused: Refused, access: Access) -> Exception:
        """An error of the server's as an answer to the guest."""
        job.task.check()
        state, text = refused.sqlstate, printable(refused.message, 300)
        if state == "42501":
            found = missing_grant(job, access, self.tables())
            return found or ServiceError("bad_request", "the database does not allow this to plugins")
        if state == "25006":
            return ServiceError("bad_request", "query only reads; a statement that changes something goes to execute")
        if state in ("42P01", "3F000"):
            return ServiceError("not_found", text)
        if state.startswith("23"):
            return ServiceError("conflict", text)
        if state.startswith("40") or state == "55P03":
            return ServiceError("conflict", "another statement was in the way; it may work the next time")
        if state in ("53400", "53200", "53100"):
            return ServiceError("quota_exceeded", "the statement takes too much of the server's disk or memory")
        if state == "57014":
            return ServiceError("timeout", "the statement was ended by the server")
        if state[:2] in _EXPLAINED:
            return ServiceError("bad_request", text)
        if not state or state[:2] in ("08", "57"):
            return ServiceError("failed", "the connection to the database was lost")
        return ServiceError("failed", "the database could not do it")

    # The platform's tables ----------------------------------------------------------------------------------

    def add_table(self, name: str, frame: pd.DataFrame) -> None:
        """Make or replace a platform table."""
        table = make_table(name, frame, postgresql=True)
        again(lambda: self._put(name, table, frame))
        self._roles.generation += 1

    def _put(self, name: str, table: sqlalchemy.Table, frame: pd.DataFrame) -> None:
        with self._roles.transaction() as connection:
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS {PLATFORM}."{name}"')
            table.create(connection)
            for some in records(frame, table, postgresql=True):
                connection.execute(table.insert(), some)

    def drop_table(self, name: str) -> None:
        """Remove a platform table."""
        with self._roles.transaction() as connection:
            connection.exec_driver_sql(f'DROP TABLE {PLATFORM}."{name}"')
        self._roles.generation += 1

    def tables(self) -> list[str]:
        """The platform tables."""
        with self._roles.transaction() as connection:
            return tables(connection)

    def read_table(self, name: str) -> tuple[dict[str, str], list[Sequence[Any]]]:
        """The columns of a platform table with their kinds, and its rows."""
        with self._roles.transaction() as connection:
            result = connection.exec_driver_sql(f'SELECT * FROM {PLATFORM}."{name}"')
            types: list[Any] = [column[1] for column in result.cursor.description]
            kinds = {column: kind_of_oid(oid) for column, oid in zip(result.keys(), types, strict=True)}
            return kinds, [tuple(row) for row in result]


class _RoleGone(Exception):
    """The login role was removed; there must be a new one."""


def _check_room(session: Session, job: Job, tenant: Tenant, access: Access) -> None:
    """Check before a statement whether there is room at all: rolled-back rows stay in the files for a while."""
    kind = job.statement.kind
    if kind.startswith("DROP") or kind == "DELETE":
        return
    ((used, *_),) = session.command(_SIZES.format(login=tenant.login, schema=tenant.schema))
    if int(used or b"0") > job.limits.database_bytes:
        raise _full(used, job.limits)
    if access.writes & job.statement.names:
        _check_platform(session, job)


def _full(used: bytes | None, limits: DatabaseLimits) -> ServiceError:
    text = f"the plugin's tables are full: {int(used or b'0')} bytes; at most {limits.database_bytes}"
    return ServiceError("quota_exceeded", text)


def _check_platform(session: Session, job: Job) -> None:
    ((used,),) = session.command(_PLATFORM_SIZE)
    if int(used or b"0") > job.limits.platform_bytes:
        raise ServiceError("quota_exceeded", "the platform's tables are full")


def _check_sizes(session: Session, job: Job, tenant: Tenant, access: Access) -> None:
    """Measure within the transaction what the plugin holds. No setting and no name changes what these words mean."""
    session.command("SET LOCAL search_path = pg_catalog, pg_temp")
    ((used, count, objects, temporary),) = session.command(_SIZES.format(login=tenant.login, schema=tenant.schema))
    if int(objects or b"0"):
        raise ServiceError("bad_request", "large objects are not offered")
    if temporary != b"0":
        raise ServiceError("bad_request", "temporary tables are not offered")
    limits, kind = job.limits, job.statement.kind
    if kind.startswith("DROP"):
        return
    if kind == "CREATE VIEW" and session.command(_VIEWS_ON_VIEWS.format(schema=tenant.schema)):
        raise ServiceError("bad_request", "a view is made of tables; views upon views are not offered")
    # Where the tables are full a plugin can still delete; but that can write, too, where a key is set to null.
    room = limits.statement_bytes if kind == "DELETE" else 0
    if int(used or b"0") > limits.database_bytes + room:
        raise _full(used, job.limits)
    if int(count or b"0") > limits.tables:
        raise ServiceError("quota_exceeded", f"{int(count or b'0')} tables, indexes and views; at most {limits.tables}")
    if access.writes & job.statement.names and kind != "DELETE":
        _check_platform(session, job)


_SIZES: Final = """
SELECT coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind IN ('r', 'm')), 0),
       count(*) FILTER (WHERE c.relkind IN ('r', 'm', 'i', 'v', 'p', 'S')),
       (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata o JOIN pg_catalog.pg_roles r ON r.oid = o.lomowner
        WHERE r.rolname IN ('{login}', '{schema}')),
       pg_catalog.pg_my_temp_schema()
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{schema}'
"""

# The planner puts each view in its place before it looks whether it was cancelled: with views upon views, without end.
_VIEWS_ON_VIEWS: Final = """
SELECT FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
JOIN pg_catalog.pg_class u ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.oid = d.refobjid
WHERE n.nspname = '{schema}' AND u.relkind = 'v' AND u.oid <> v.oid LIMIT 1
"""

_PLATFORM_SIZE: Final = f"""
SELECT coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '{PLATFORM}' AND c.relkind = 'r'
"""
