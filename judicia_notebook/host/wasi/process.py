"""The process that a call is to its guest: arguments, standard input, and the output so far.

Output goes to the plugin's log as it comes, each complete line a row; an incomplete last line is a row too. Its bytes
count against the call's log quota. `Plugin.run` also collects all of it in one piece, which counts against the answer
quota.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from judicia_notebook.records.schema import MESSAGE_LIMIT

if TYPE_CHECKING:
    from judicia_notebook.errors import GuestError

_KEPT_OF_A_LINE = 4 * (MESSAGE_LIMIT + 1)  # a character has at most four bytes, and no more characters are recorded
_LINES_BETWEEN_LOOKS = 1024
_LAST_LINES = 40  # a panic's or exception's text is among them, and a short backtrace after it
_LAST_BYTES = 1000  # of each
_PANIC = re.compile(r"(thread '.*' panicked at |panic: |fatal error: )")
_NO_LINES = ("note: ", "stack backtrace:", "goroutine ", "[signal ")


class Log(Protocol):
    """The log of the call that writes; a `CallScope` is one."""

    def log(self, level: str, message: str, *, stream: str) -> None:
        """Add a line."""

    def go_on(self) -> None:
        """Raise the error that the call must stop with, if any."""


class Output:
    """One output stream.

    Parameters
    ----------
    stream : str
        ``stdout`` or ``stderr``.
    collect : bool
        Whether all of it is kept.
    """

    __slots__ = ("_line", "collected", "last", "stream")

    def __init__(self, stream: str, *, collect: bool) -> None:
        self.stream = stream
        self.collected: bytearray | None = bytearray() if collect else None
        self._line = bytearray()
        self.last: deque[bytes] = deque(maxlen=_LAST_LINES if stream == "stderr" else 0)

    def add(self, log: Log, data: bytes) -> None:
        """Take bytes in, and log the lines they complete.

        Raises
        ------
        JudiciaError
            A limit was reached or the call was cancelled in the middle of very many lines.
        """
        if self.collected is not None:
            self.collected += data
        start = lines = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._extend(data, start, end)
            self._log(log)
            start = end + 1
            lines += 1
            if lines % _LINES_BETWEEN_LOOKS == 0:
                log.go_on()
        self._extend(data, start, len(data))

    def _extend(self, data: bytes, start: int, end: int) -> None:
        self._line += data[start : min(end, start + _KEPT_OF_A_LINE - len(self._line))]

    def _log(self, log: Log) -> None:
        if self._line.strip():
            self.last.append(bytes(self._line[:_LAST_BYTES]))
        log.log("info", self._line.decode("utf-8", "replace"), stream=self.stream)
        self._line.clear()

    def flush(self, log: Log) -> None:
        """Log a line that was not completed."""
        if self._line:
            self._log(log)


class Process:
    """Arguments, input and output of one call.

    Parameters
    ----------
    arguments : sequence of bytes
        The first is the program's name, where there are any.
    stdin : bytes
    collect : bool
        Whether the output is kept, too.

    Attributes
    ----------
    exited : GuestError or None
        The end of the call, if the guest called ``proc_exit``.
    status : int
        The status that the guest gave, from 0 to 2**32 - 1.
    """

    __slots__ = ("arguments", "exited", "outputs", "status", "stdin", "stdin_read")

    def __init__(self, arguments: Sequence[bytes] = (), stdin: bytes = b"", *, collect: bool = False) -> None:
        self.arguments = arguments
        self.stdin = stdin
        self.stdin_read = 0
        self.outputs = {stream: Output(stream, collect=collect) for stream in ("stdout", "stderr")}
        self.exited: GuestError | None = None
        self.status = 0

    def read(self, most: int) -> bytes:
        """The next bytes of standard input; none at its end."""
        data = self.stdin[self.stdin_read : self.stdin_read + most]
        self.stdin_read += len(data)
        return data

    @property
    def unread(self) -> int:
        """How many bytes of standard input are left."""
        return len(self.stdin) - self.stdin_read

    @property
    def collects(self) -> bool:
        """Whether the output is kept."""
        return self.outputs["stdout"].collected is not None

    def collected(self, stream: str) -> bytes:
        """All output of a stream, if it was collected."""
        return bytes(self.outputs[stream].collected or b"")

    @property
    def collected_bytes(self) -> int:
        """How many bytes of both streams were collected."""
        return sum(len(output.collected or b"") for output in self.outputs.values())

    def last_words(self) -> str:
        """The last words on stderr: the panic's text where there is one, or the last line. Only after a flush."""
        lines = [line.decode("utf-8", "replace").strip() for line in self.outputs["stderr"].last]
        for place, line in reversed(list(enumerate(lines))):
            if _PANIC.match(line):
                return " ".join(lines[place : place + 2]) if line.endswith(":") else line
        return next((line for line in reversed(lines) if not line.startswith(_NO_LINES)), "")

    def flush(self, log: Log) -> None:
        """Log incomplete lines, at the end of the call."""
        for output in self.outputs.values():
            output.flush(log)
