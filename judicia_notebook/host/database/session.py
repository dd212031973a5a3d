"""One statement on one PostgreSQL connection, received piece by piece.

- The session speaks the extended protocol alone, so that a text is one statement or an error.
- Rows come one at a time. After each piece from the network the session checks whether the call still waits, and counts
  the bytes. So a result that is too large is never in memory as a whole.
- A session that gives a statement up cancels it on the server, and does not use the connection again.
"""

from __future__ import annotations

import array
import contextlib
import select
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from psycopg import Error as PsycopgError
from psycopg import pq

from judicia_notebook.host.database.job import Job
from judicia_notebook.host.database.tables import moment_of_postgresql
from judicia_notebook.host.database.values import Value
from judicia_notebook.host.dispatcher import ServiceError

try:
    import fcntl
    import termios
except ImportError:  # Windows, where this database is refused
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

_SLICE_MS: Final = 20
_SLICE_ENCRYPTED_MS: Final = 1  # what is decrypted already does not show on the socket
_OVERHEAD: Final = 2  # text is longer than its value, bytes in hexadecimal twice as long
_ROOM: Final = 1 << 20

_BOOL, _BYTEA, _INT8, _INT2, _INT4, _OID = 16, 17, 20, 21, 23, 26
_FLOAT4, _FLOAT8, _NUMERIC, _MOMENT, _MOMENT_WITH_ZONE = 700, 701, 1700, 1114, 1184
_UNKNOWN: Final = 0
_KINDS: Final = {
    _BOOL: "bool", _BYTEA: "bytes", _INT8: "int", _INT2: "int", _INT4: "int", _FLOAT4: "float", _FLOAT8: "float",
    25: "text", 1043: "text", 1082: "date", _MOMENT: "moment", _MOMENT_WITH_ZONE: "moment with zone",
}  # fmt: skip


class Refused(Exception):
    """The server refused the statement.

    Attributes
    ----------
    sqlstate : str
        PostgreSQL's code; ``""`` where the connection is gone.
    """

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message


class Session:
    """A connection while a job uses it.

    Parameters
    ----------
    connection : PGconn
    job : Job
    """

    def __init__(self, connection: PGconn, job: Job) -> None:
        self._connection = connection
        self._job = job
        self._poll = select.poll()
        self._poll.register(connection.socket, select.POLLIN)
        self._slice = _SLICE_ENCRYPTED_MS if connection.ssl_in_use else _SLICE_MS
        self._received = 0
        self._given_up = self._finishing = False
        self._most = _OVERHEAD * (job.limits.result_bytes + job.limits.value_bytes) + _ROOM

    def command(self, sql: str) -> list[tuple[bytes | None, ...]]:
        """A statement of the host's own; its rows."""
        rows: list[tuple[bytes | None, ...]] = []

        def keep(result: PGresult) -> None:
            rows.append(tuple(result.get_value(0, at) for at in range(result.nfields)))

        self.run(sql, (), keep)
        return rows

    @property
    def usable(self) -> bool:
        """Whether the connection still is in step with the server."""
        return not self._given_up

    def finish(self, sql: str) -> None:
        """End the transaction, and wait for the answer: without it the outcome would be unknown."""
        self._finishing = True
        self.command(sql)

    def cleared(self) -> bool:
        """Bring the connection into a fresh state, after the transaction; False where it is better closed."""
        self._finishing = True
        try:
            self.command("DISCARD ALL")
        except (Refused, ServiceError):
            return False
        return True

    def run(self, sql: str, params: Sequence[Value], row: Callable[[PGresult], None]) -> PGresult:
        """Run a statement, hand each row on as it comes; the last result, which says what was done.

        Raises
        ------
        Refused
            By the server. The connection stays usable, unless the code is empty.
        Abandoned, ServiceError
            The statement was given up, and the connection with it.
        """
        try:
            return self._exchange(sql, params, row)
        except PsycopgError as error:
            raise Refused("", str(error)) from None
        except BaseException as error:
            if not isinstance(error, Refused):
                self._give_up()
            raise

    def _exchange(self, sql: str, params: Sequence[Value], row: Callable[[PGresult], None]) -> PGresult:
        connection = self._connection
        given = [_outgoing(value) for value in params]
        connection.send_query_params(
            sql.encode(),
            [data for data, _, _ in given],
            param_types=[kind for _, kind, _ in given],
            param_formats=[form for _, _, form in given],
        )
        connection.set_single_row_mode()
        self._send()
        last: PGresult | None = None
        while (result := self._next()) is not None:
            if result.status == pq.ExecStatus.SINGLE_TUPLE:
                if last is None or last.status != pq.ExecStatus.FATAL_ERROR:
                    row(result)
                continue
            if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH):
                raise ServiceError("bad_request", "COPY is not offered")
            if last is None or last.status != pq.ExecStatus.FATAL_ERROR:
                last = result
        if last is None:
            raise Refused("", "no answer")
        if last.status == pq.ExecStatus.FATAL_ERROR:
            raise _refused(last)
        return last

    def _send(self) -> None:
        """Send the statement, and read meanwhile: a server that cannot send its answers reads nothing either."""
        connection = self._connection
        self._poll.modify(connection.socket, select.POLLIN | select.POLLOUT)
        while connection.flush():
            self._check()
            for _, events in self._poll.poll(self._slice):
                if events & ~select.POLLOUT:
                    self._receive()
        self._poll.modify(connection.socket, select.POLLIN)

    def _next(self) -> PGresult | None:
        while self._connection.is_busy():
            self._check()
            self._poll.poll(self._slice)
            self._receive()
        return self._connection.get_result()

    def _receive(self) -> None:
        """Take the bytes that have come, and count them first: a single row can be a gigabyte."""
        waiting = array.array("i", [0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._connection.socket, termios.FIONREAD, waiting)
        self._received += waiting[0]
        if self._received > self._most:
            raise ServiceError("quota_exceeded", f"more than {self._job.limits.result_bytes} bytes of values")
        self._connection.consume_input()

    def _check(self) -> None:
        if not self._finishing:
            self._job.check()

    def _give_up(self) -> None:
        self._given_up = True
        with contextlib.suppress(PsycopgError):
            if self._connection.status == pq.ConnStatus.OK:
                self._connection.get_cancel().cancel()


def _refused(result: PGresult) -> Refused:
    def field(which: pq.DiagnosticField) -> str:
        return (result.error_field(which) or b"").decode(errors="replace")

    return Refused(field(pq.DiagnosticField.SQLSTATE), field(pq.DiagnosticField.MESSAGE_PRIMARY))


def _outgoing(value: Value) -> tuple[bytes | None, int, int]:
    """A value for the server: its bytes, its type where that is clear, and whether they are text (0) or not (1)."""
    if value is None:
        return None, _UNKNOWN, 0
    if isinstance(value, bool):
        return b"t" if value else b"f", _BOOL, 0
    if isinstance(value, int):
        return str(value).encode(), _INT4 if -(1 << 31) <= value < 1 << 31 else _INT8, 0
    if isinstance(value, float):
        return repr(value).encode(), _FLOAT8, 0
    if isinstance(value, str):
        return value.encode(), _UNKNOWN, 0  # so that it can be a moment or a UUID where one is wanted
    return value, _BYTEA, 1


def kind_of_oid(oid: int) -> str:
    """The kind of a column; empty for one that has none of ours."""
    return _KINDS.get(oid, "")


def columns(result: PGresult) -> list[str]:
    """Their names."""
    return [(result.fname(at) or b"").decode(errors="replace") for at in range(result.nfields)]


def values(result: PGresult) -> list[Value]:
    """The values of a row.

    Raises
    ------
    ServiceError
        A form that is not the usual one, since the statement has changed how values are written.
    """
    try:
        return [_incoming(result.get_value(0, at), result.ftype(at)) for at in range(result.nfields)]
    except (ValueError, UnicodeDecodeError):
        raise ServiceError("failed", "a value came in a form that cannot be read") from None


def _incoming(data: bytes | None, kind: int) -> Value:
    if data is None:
        return None
    if kind == _BYTEA:
        if not data.startswith(b"\\x"):
            raise ValueError("not hexadecimal")
        return bytes.fromhex(data[2:].decode())
    text = data.decode()
    reader: Callable[[str], Any] | None = _READERS.get(kind)
    return text if reader is None else reader(text)


def _number(text: str) -> Value:
    """A NUMERIC: whole numbers stay exact, of what JSON can say; others become the nearest float."""
    if "." not in text and text.lstrip("-").isdigit():
        whole = int(text)
        return whole if -(1 << 63) <= whole < 1 << 63 else text
    return float(text)


_READERS: Final[dict[int, Callable[[str], Any]]] = {
    _BOOL: lambda text: text == "t",
    _INT2: int,
    _INT4: int,
    _INT8: int,
    _OID: int,
    _FLOAT4: float,
    _FLOAT8: float,
    _NUMERIC: _number,
    _MOMENT: moment_of_postgresql,
    _MOMENT_WITH_ZONE: moment_of_postgresql,
}
