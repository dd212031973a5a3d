"""Schemas and roles for plugins in PostgreSQL, made by the platform's own role.

- Each plugin has a schema and a role without a login that owns what is in it; both stay.
- Each runtime makes a *login role* of its own for each plugin it runs, with a random password and no attribute
  but its login. It is a member of the plugin's role, and holds what the live policy grants on the platform's tables.
  So two runtimes with different policies on one database do not share a grant. The runtime drops the role when it
  closes. The next runtime drops, after a day, the role that a killed runtime left.
- The digest of the file that may use a plugin's schema stands beside it (`judicia_notebook.host.ownership` says why).

The platform's role needs CREATEROLE, and CREATE on the database; it need not be a superuser.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import sqlalchemy

from judicia_notebook.host.database.job import Access
from judicia_notebook.host.database.limits import DatabaseLimits
from judicia_notebook.host.database.statements import PLATFORM
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.reporting import notices
from judicia_notebook.text import printable

ADMIN: Final = "judicia_admin"
CONNECTIONS: Final = 16
"""Connections one plugin may have from one runtime."""

_STALE_SECONDS: Final = 86_400
_ATTEMPTS: Final = 8
_RACES: Final = ("23505", "42710", "42P06", "40001", "40P01", "XX000")
"""PostgreSQL's codes for a step that met the same step of another session at the same moment."""

_SCHEMA: Final = re.compile(r"judicia_[0-9a-f]{32}")

T = TypeVar("T")


@dataclass(slots=True)
class Tenant:
    """A plugin in this database, as one runtime runs it.

    Attributes
    ----------
    schema : str
        The schema, and the role that owns it.
    login, password : str
        The role its statements run as.
    granted : (int, Access) or None
        The access last granted, and the state of the platform's tables at that time.
    """

    schema: str
    login: str
    password: str
    limits: DatabaseLimits
    engine: sqlalchemy.Engine | None = None
    granted: tuple[int, Access] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Roles:
    """The platform's role at work.

    Parameters
    ----------
    url : sqlalchemy.URL
        The database as the platform's role enters it.
    """

    def __init__(self, url: sqlalchemy.URL) -> None:
        self.engine = sqlalchemy.create_engine(
            url, pool_size=1, max_overflow=8, pool_pre_ping=True, connect_args={"connect_timeout": 10}
        )
        self.generation = 0
        self._database = ""
        self._lock = threading.Lock()
        self._ready = False

    @contextmanager
    def transaction(self) -> Iterator[sqlalchemy.Connection]:
        """One transaction of the platform's role.

        Raises
        ------
        ServiceError
            The server cannot be reached, or the platform's role may not do it.
        """
        self._set_up()
        with _reachable(), self.engine.begin() as connection:
            yield connection

    def _set_up(self) -> None:
        with self._lock:
            if self._ready:
                return
            again(self._make_schemas)
            self._ready = True

    def _make_schemas(self) -> None:
        with _reachable(), self.engine.begin() as connection:
            execute = connection.exec_driver_sql
            self._database = str(execute("SELECT current_database()").scalar())
            if execute(
                "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public') "
                "AND has_schema_privilege('public', 'public', 'CREATE')"
            ).scalar():
                raise ServiceError(
                    "failed",
                    "in this database every role may create tables in the schema public; a database of the platform's "
                    "own needs REVOKE CREATE ON SCHEMA public FROM PUBLIC",
                )
            for schema in (PLATFORM, ADMIN):
                if not execute("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", (schema,)).scalar():
                    execute(f"CREATE SCHEMA {schema}")
            execute(
                f"CREATE TABLE IF NOT EXISTS {ADMIN}.owners "
                "(schema text, digest text, plugin text NOT NULL, PRIMARY KEY (schema, digest))"
            )

    def schema_of(self, plugin: str) -> str:
        """The schema of a plugin. Roles are the server's, not the database's, so the database is part of the name."""
        return f"judicia_{_digest(self._database, plugin)[:32]}"

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have what another left under its name."""
        with self.transaction() as connection:
            _own(connection, self.schema_of(plugin), plugin, digest)

    def plugins(self) -> list[str]:
        """The plugins whose schemas have an owner."""
        with self.transaction() as connection:
            found = connection.exec_driver_sql(f"SELECT DISTINCT plugin FROM {ADMIN}.owners ORDER BY plugin")
            return [printable(row[0], 80) for row in found]

    def forget(self) -> None:
        """Remove the schemas of all plugins, and the record of their owners. The roles stay, and own nothing."""
        with self.transaction() as connection:
            execute = connection.exec_driver_sql
            execute(f"LOCK TABLE {ADMIN}.owners IN SHARE ROW EXCLUSIVE MODE")
            for (schema,) in execute(f"SELECT DISTINCT schema FROM {ADMIN}.owners").fetchall():
                if _SCHEMA.fullmatch(schema):
                    execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            execute(f"DELETE FROM {ADMIN}.owners")

    def tenant(self, plugin: str, digest: str, limits: DatabaseLimits) -> Tenant:
        """Schema and roles for a plugin, made if need be.

        Raises
        ------
        ServiceError
            ``conflict``: the schema is another file's.
        """
        return again(lambda: self._tenant(plugin, digest, limits))

    def check_owner(self, plugin: str, digest: str) -> None:
        """Pass where this file may have the plugin's schema. The first file becomes its owner.

        Raises
        ------
        ServiceError
            ``conflict``
        """
        with self.transaction() as connection:
            _check_owner(connection, self.schema_of(plugin), plugin, digest)

    def _tenant(self, plugin: str, digest: str, limits: DatabaseLimits) -> Tenant:
        with self.transaction() as connection:
            execute = connection.exec_driver_sql
            schema = self.schema_of(plugin)
            _check_owner(connection, schema, plugin, digest)
            if not execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", (schema,)).scalar():
                execute(f"CREATE ROLE {schema} NOLOGIN")
                execute(f"GRANT {schema} TO CURRENT_USER")
            execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {schema}")
            for login in _stale(connection, schema):
                _drop(connection, login, schema)
            tenant = Tenant(
                schema, f"{schema[:24]}_{int(time.time()):x}_{secrets.token_hex(6)}", secrets.token_hex(24), limits
            )
            raw = connection.connection.driver_connection
            assert raw is not None  # noqa: S101  # it was just used
            secret = raw.pgconn.encrypt_password(tenant.password.encode(), tenant.login.encode(), b"scram-sha-256")
            execute(
                f"CREATE ROLE {tenant.login} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION "
                f"NOBYPASSRLS CONNECTION LIMIT {CONNECTIONS} PASSWORD '{secret.decode()}'"
            )
            execute(f"GRANT {schema} TO {tenant.login}")
            execute(f"GRANT {tenant.login} TO CURRENT_USER")  # to take over its tables in the end
            execute(f"GRANT USAGE ON SCHEMA {PLATFORM} TO {tenant.login}")
            for setting in _settings(tenant):
                execute(f"ALTER ROLE {tenant.login} SET {setting}")
            _limit_temporary_files(connection, tenant)
        return tenant

    def grant(self, tenant: Tenant, access: Access) -> None:
        """Have the login role hold exactly this on the platform's tables; with the tenant's lock held."""
        generation = self.generation
        if tenant.granted == (generation, access):
            return
        tenant.granted = None
        again(lambda: self._grant(tenant, access))
        tenant.granted = (generation, access)

    def _grant(self, tenant: Tenant, access: Access) -> None:
        with self.transaction() as connection:
            there = set(tables(connection))
            execute = connection.exec_driver_sql
            execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {PLATFORM} FROM {tenant.login}")
            for privileges, names in (("SELECT", access.reads), ("INSERT, UPDATE, DELETE", access.writes)):
                if some := ", ".join(f'{PLATFORM}."{name}"' for name in sorted(names & there)):
                    execute(f"GRANT {privileges} ON {some} TO {tenant.login}")

    def limit(self, tenant: Tenant) -> None:
        """Have the server hold the login's next connections to the tenant's limits."""
        with self.transaction() as connection:
            _limit_temporary_files(connection, tenant)

    def is_there(self, tenant: Tenant) -> bool:
        """Whether its login role still is: a runtime that slept for days finds it removed."""
        with self.transaction() as connection:
            found = connection.exec_driver_sql("SELECT FROM pg_roles WHERE rolname = %s", (tenant.login,))
            return found.rowcount > 0

    def drop(self, tenant: Tenant) -> None:
        """Remove the login role; its tables stay with the plugin's role."""
        with self.transaction() as connection:
            _drop(connection, tenant.login, tenant.schema)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def tables(connection: sqlalchemy.Connection) -> list[str]:
    """The platform's tables."""
    found = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = %s", (PLATFORM,))
    return sorted(row[0] for row in found)


def again(work: Callable[[], T]) -> T:
    """Do it once more where another runtime did the same at the same moment."""
    for attempt in range(_ATTEMPTS):
        try:
            return work()
        except sqlalchemy.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _RACES or attempt == _ATTEMPTS - 1:
                raise ServiceError("failed", "the database could not do it") from error
            time.sleep(0.01 * (attempt + 1))
    raise AssertionError("not reached")


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate in _RACES:
            raise
        if sqlstate == "42501":
            raise ServiceError(
                "failed", "the platform's role in the database needs CREATEROLE, and CREATE on the database"
            ) from None
        if isinstance(error, sqlalchemy.exc.OperationalError):
            raise ServiceError("failed", "the database cannot be reached") from None
        raise


def _check_owner(connection: sqlalchemy.Connection, schema: str, plugin: str, digest: str) -> None:
    connection.exec_driver_sql(f"LOCK TABLE {ADMIN}.owners IN SHARE ROW EXCLUSIVE MODE")
    found = connection.exec_driver_sql(f"SELECT digest FROM {ADMIN}.owners WHERE schema = %s", (schema,))
    digests = [row[0] for row in found]
    if not digests:
        _own(connection, schema, plugin, digest)
    elif digest not in digests:
        raise ServiceError(
            "conflict",
            f"the tables kept for {plugin} were left by another file under this name; "
            f'the user lets this file have them with rt.host.adopt("{plugin}")',
        )


def _own(connection: sqlalchemy.Connection, schema: str, plugin: str, digest: str) -> None:
    connection.exec_driver_sql(
        f"INSERT INTO {ADMIN}.owners VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (schema, digest, plugin)
    )


def _settings(tenant: Tenant) -> Iterator[str]:
    yield f"search_path = {tenant.schema}, {PLATFORM}"
    yield "timezone = 'UTC'"
    yield "jit = off"
    yield "max_parallel_workers_per_gather = 0"
    yield "lock_timeout = '60s'"
    yield "statement_timeout = '15min'"  # the call's end comes first; this is for a host that died
    yield "idle_in_transaction_session_timeout = '15min'"
    yield "client_connection_check_interval = '1s'"


def _limit_temporary_files(connection: sqlalchemy.Connection, tenant: Tenant) -> None:
    """Where the platform's role may; a superuser lets it with GRANT SET ON PARAMETER temp_file_limit."""
    kilobytes = max(1, tenant.limits.statement_bytes >> 10)
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"ALTER ROLE {tenant.login} SET temp_file_limit = {kilobytes}")
    except sqlalchemy.exc.DBAPIError:
        notices.fallback(
            "temp_file_limit",
            "PostgreSQL does not let the platform's role limit what a statement writes to the server's disk; a "
            "superuser lets it:  GRANT SET ON PARAMETER temp_file_limit TO ...",
        )


def _stale(connection: sqlalchemy.Connection, schema: str) -> list[str]:
    """Login roles for this plugin that a killed runtime left."""
    prefix = f"{schema[:24]}_"
    found = connection.exec_driver_sql(
        "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s) AND rolname <> %s "
        "AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = rolname)",
        (prefix, schema),
    )
    logins = [row[0] for row in found]
    return [login for login in logins if time.time() - _made_at(login, prefix) > _STALE_SECONDS]


def _made_at(login: str, prefix: str) -> float:
    try:
        return int(login[len(prefix) :].partition("_")[0], 16)
    except ValueError:
        return time.time()


def _drop(connection: sqlalchemy.Connection, login: str, schema: str) -> None:
    connection.exec_driver_sql(f"REASSIGN OWNED BY {login} TO {schema}")
    connection.exec_driver_sql(f"DROP OWNED BY {login}")
    connection.exec_driver_sql(f"DROP ROLE {login}")


def _digest(database: str, plugin: str) -> str:
    return hashlib.sha256(f"judicia schema\0{database}\0{plugin}".encode()).hexdigest()
