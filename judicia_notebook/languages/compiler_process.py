"""A compiler as a process: bounded in time, memory and output, and ended with every process that it has started.

It is not a sandbox. A compiler reads, writes and runs what a source asks it to, with the user's rights. The limits keep
a source that compiles for ever, or that writes gigabytes, from taking the machine along.

- It works in an empty folder of its own, and gets of our environment the path of programs alone.
- A small program, the supervisor, starts it with its limits, so that no process of it runs without them, and ends it
  where this process has ended and can do so no more.
- The supervisor leads a process group. However the wait ends (an answer, a limit, Ctrl-C), the whole group is killed,
  and that happens before the leader is reaped: until then no other process can have its number.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import BuildError
from judicia_notebook.languages.language import Command
from judicia_notebook.languages.toolchain import environment
from judicia_notebook.units import format_time

_BOUNDED = importlib.util.find_spec("resource") is not None  # Windows has no such limits
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_CHUNK = 1 << 16
_SLICE = 0.1  # seconds between two looks at the clock
_MOST_LINE = 16 << 20  # bytes of a line; rustc quotes lines of the source in one line of JSON
_MOST_SHOWN = 4000  # characters of a line that are kept in `Ended.said`
_LATEST = 16  # lines


@dataclass(frozen=True, slots=True)
class CompilerLimits:
    """What each process of a compiler may take: bytes of address space, of a file and of its messages.

    Its CPU time is at most `cpu_factor` times the seconds that its command may take: it may use several processors.
    """

    memory_bytes: int = 6 << 30
    file_bytes: int = 256 << 20
    said_bytes: int = 1 << 20
    cpu_factor: int = 4


DEFAULTS = CompilerLimits()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a compiler ended: its exit code, below 0 the signal that ended it, and what it said first and last."""

    code: int
    said: str


class _Lines:
    """The lines of an output, as they come: each is heard, the first and the last are kept, and all is bounded."""

    def __init__(self, hear: Callable[[str], object], most: int) -> None:
        self._hear = hear
        self._most = most
        self._line = bytearray()
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=_LATEST)

    def feed(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._keep(part)
            self.end()
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._line += part[: max(0, _MOST_LINE - len(self._line))]

    def end(self) -> None:
        """The line is complete."""
        line = self._line.decode("utf-8", "replace")
        self._line.clear()
        self._hear(line)
        shown = line[:_MOST_SHOWN]
        if self._most > 0:
            self._most -= len(shown) + 1
            self._first.append(shown)
        else:
            self._last.append(shown)

    def said(self) -> str:
        if self._line:
            self.end()
        return "\n".join([*self._first, *self._last])


def run(
    command: Command,
    folder: Path,
    tick: Callable[[float], object],
    hear: Callable[[str], object] = lambda _: None,
    limits: CompilerLimits | None = None,
) -> Ended:
    """Run a compiler in its folder, to its end.

    Parameters
    ----------
    tick : callable
        Called with the seconds since the start, some times a second.
    hear : callable
        Called with each line that the compiler says.

    Raises
    ------
    BuildError
        It took too long, or the system gave no process.
    """
    bounds = limits or DEFAULTS
    lines = _Lines(hear, bounds.said_bytes)
    process = None
    try:
        with deferred():  # or an interrupt might leave a process that nobody knows of; the end of the block raises it
            process = _start(command, folder, bounds)
        _listen(process, command.seconds, tick, lines)
    finally:
        if process is not None:
            _end(process)
    return Ended(process.returncode, lines.said())


def _start(command: Command, folder: Path, limits: CompilerLimits) -> subprocess.Popen[bytes]:
    home = {"HOME": str(folder), "TMPDIR": str(folder)}
    try:
        return subprocess.Popen(
            _bounded(command, limits),
            cwd=folder,
            env={**environment(), **home, **command.environment},
            stdin=subprocess.PIPE if _BOUNDED else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(f"the system gives no process for {command.words[0]}: {error.strerror}") from None


def _bounded(command: Command, limits: CompilerLimits) -> list[str]:
    if not _BOUNDED:
        return list(command.words)
    cpu = str(int(command.seconds) * limits.cpu_factor + 1)
    numbers = (str(os.getpid()), str(limits.memory_bytes), cpu, str(limits.file_bytes))
    return [sys.executable, "-I", "-S", str(_SUPERVISOR), *numbers, *command.words]


def _listen(process: subprocess.Popen[bytes], seconds: float, tick: Callable[[float], object], lines: _Lines) -> None:
    """Read all that it says until it ends, or the compiler would wait for ever."""
    if os.name == "nt":
        _listen_at_the_end(process, seconds, lines)
        return
    began = time.monotonic()
    pipe = cast("IO[bytes]", process.stdout).fileno()
    os.set_blocking(pipe, False)
    poller = select.poll()
    poller.register(pipe, select.POLLIN | select.POLLHUP)
    is_open = True
    while True:
        took = time.monotonic() - began
        if took > seconds:
            raise _too_long(seconds)
        tick(took)
        is_over = _is_over(process)
        if is_open and poller.poll(0 if is_over else _SLICE * 1000):
            chunk = os.read(pipe, _CHUNK)
            is_open = bool(chunk)
            lines.feed(chunk)
        elif is_over:
            return
        elif not is_open:
            time.sleep(_SLICE / 10)


def _listen_at_the_end(process: subprocess.Popen[bytes], seconds: float, lines: _Lines) -> None:
    """As `_listen`, where a pipe cannot be polled."""
    try:
        lines.feed(process.communicate(timeout=seconds)[0])
    except subprocess.TimeoutExpired:
        raise _too_long(seconds) from None


def _too_long(seconds: float) -> BuildError:
    return BuildError(
        f"the compiler was ended after {format_time(seconds)}, which is how long it may take",
        hint="A macro, a template or a computation at compile time may have no end.",
    )


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether the leader of the group has ended; it is not reaped, so that its number stays its own."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group, and reap its leader."""
    with deferred():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()
