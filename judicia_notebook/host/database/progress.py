"""SQLite's progress handler: it stops a statement whose time is up, or that has written too much."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy

from judicia_notebook.host.database.job import Job
from judicia_notebook.host.database.limits import DatabaseLimits
from judicia_notebook.host.database.writes import written_by_this_thread
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.offload import Abandoned

_STEPS: Final = 2000  # between two looks: well under a millisecond, mostly
_FEWEST_STEPS: Final = 16


@contextmanager
def watched(raw: sqlite3.Connection, job: Job) -> Iterator[None]:
    """Have SQLite stop in the middle when the call waits no longer, or the statement has written too much."""
    started = written_by_this_thread()
    reason: BaseException | None = None

    def look() -> int:
        nonlocal reason
        try:
            job.check()
            if started is not None and (written_by_this_thread() or 0) - started > job.limits.statement_bytes:
                raise ServiceError(
                    "quota_exceeded", f"the statement wrote more than {job.limits.statement_bytes} bytes to disk"
                )
        except (ServiceError, Abandoned) as error:
            reason = error  # raised below: the sqlite3 module drops an exception of a progress handler
            return 1
        return 0

    raw.set_progress_handler(look, steps_between_looks(job.limits))
    try:
        yield
    except (sqlalchemy.exc.DBAPIError, sqlite3.Error):
        if reason is not None:
            raise reason from None
        raise
    finally:
        raw.set_progress_handler(None, 0)
        reason = None  # its traceback has this frame


def steps_between_looks(limits: DatabaseLimits) -> int:
    """So few steps that the statement cannot write a multiple of its limit in them, at a value every other step."""
    return max(_FEWEST_STEPS, min(_STEPS, 2 * limits.statement_bytes // limits.value_bytes))
