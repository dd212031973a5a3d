"""One statement of one plugin on its way, and what a database must offer to run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.host.database.limits import DatabaseLimits
from judicia_notebook.host.database.statements import Statement
from judicia_notebook.host.database.values import Value
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.offload import Task
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Access:
    """The platform tables a plugin may read and change, at one moment."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Job:
    """One statement.

    Attributes
    ----------
    task : Task
        Says whether the call still waits for it.
    access : callable
        Returns the access that the live policy allows now; raises where it allows none any more.
    allows : callable
        Whether the live policy grants a capability, such as ``wall_clock``.
    until : float
        When `DatabaseLimits.statement_time` is over, on the monotonic clock.
    """

    task: Task[Any]
    plugin: str
    digest: str
    statement: Statement
    params: Sequence[Value]
    writing: bool
    access: Callable[[], Access]
    allows: Callable[[str], bool]
    limits: DatabaseLimits
    until: float

    @property
    def function(self) -> str:
        """The host function that was called."""
        return "judicia:database execute" if self.writing else "judicia:database query"

    def check(self) -> None:
        """Between two steps.

        Raises
        ------
        Abandoned
            The call waits no longer.
        ServiceError
            ``timeout``
        """
        self.task.check()
        if time.monotonic() > self.until:
            raise ServiceError("timeout", f"the statement took more than {self.limits.statement_time:g} s")

    def pause(self) -> None:
        """Wait a moment for a lock that another connection holds.

        Raises
        ------
        Abandoned, ServiceError
        """
        self.check()
        time.sleep(0.004)


class Backend(Protocol):
    """A database: `sqlite` and `postgresql` are two.

    The service calls it on a thread that may wait, never on a thread inside a guest.
    """

    @property
    def url(self) -> str:
        """Its URL, without the password."""

    @property
    def postgresql(self) -> bool:
        """Whether statements are PostgreSQL's."""

    def query(self, job: Job) -> dict[str, Any]:
        """Columns and rows."""

    def execute(self, job: Job) -> dict[str, int]:
        """How many rows were changed."""

    def add_table(self, name: str, frame: pd.DataFrame) -> None:
        """Make or replace a platform table."""

    def drop_table(self, name: str) -> None:
        """Remove a platform table."""

    def tables(self) -> list[str]:
        """The platform tables."""

    def read_table(self, name: str) -> tuple[dict[str, str], list[Sequence[Any]]]:
        """The columns of a platform table with their kinds, and its rows."""

    def kept(self) -> list[str]:
        """The plugins that have tables."""

    def forget(self) -> None:
        """Remove the plugins' tables, and leave the platform's."""

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have the tables that another left under its name."""

    def close(self) -> None:
        """Let go of everything."""


def missing_grant(job: Job, access: Access, tables: Collection[str]) -> ServiceError | None:
    """The denial for the first of these platform tables that the statement names without a grant."""
    target = job.statement.target
    if target in tables and target not in access.writes:
        return denied(job, target, "write_database")
    for table in sorted(job.statement.names & frozenset(tables)):
        if table not in access.reads and table != target:
            return denied(job, table, "read_database")
    return denied(job, target, "read_database") if target in tables and target not in access.reads else None


def denied(job: Job, table: str, capability: str) -> ServiceError:
    """The answer where a statement needs a platform table that no grant names."""
    shown = printable(table, 80)
    return ServiceError(
        "capability_denied",
        f"{job.function} needs the capability {capability} for the table `{shown}`",
        scope=table,
        capability=capability,
    )
