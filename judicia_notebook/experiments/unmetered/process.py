"""One child, as this process sees it: it is asked something, and answers in time or is ended.

- What it says is read into memory as it comes, no more of it than was agreed, and is a message only once it is whole.
- Whoever waits for it watches the clock: a child that is stopped, or whose pipe is full, is killed like one that hangs.
- Whatever ends the wait, Ctrl-C too, ends the child, unless it has answered: nobody knows what it would say next.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, NamedTuple, cast

from judicia_notebook.engine.child_process import python_command
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.experiments.unmetered.protocol import FROM_CHILD, HEADER, IDLE, MOST_MESSAGE, Frame

START_SECONDS = 60.0
"""For a child's first words: a loaded machine takes its time to start Python."""

GRACE_SECONDS = 5.0
"""Beyond a call's limit of wall time, and without a byte in the middle of a message."""

_CHUNK = 1 << 20
_PROGRAM = "from judicia_notebook.experiments.unmetered import child; child.main({parent})"


class Gone(Exception):  # it says where the child is
    """A child that will say nothing more.

    Attributes
    ----------
    silent : bool
        It was killed since it said nothing for too long; otherwise it ended by itself, or was ended.
    idle : bool
        It had gone before it was asked, since nobody had asked it anything for long.
    seconds : float
        Since it was asked.
    """

    def __init__(self, why: str, *, silent: bool, seconds: float, idle: bool = False) -> None:
        super().__init__(why)
        self.silent = silent
        self.idle = idle
        self.seconds = seconds


class Alarm(NamedTuple):
    """Something to do once, where an answer takes longer than so many seconds."""

    seconds: float
    ring: Callable[[], None]


class _Wait:
    """How long somebody has waited for a child, and for how long yet."""

    def __init__(self, alarm: Alarm | None) -> None:
        self._began = time.monotonic()
        self._until: float | None = None
        self._alarm = alarm

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def at_most(self, seconds: float | None) -> None:
        """From now on, wait so long at most; None for any time."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def milliseconds(self) -> float | None:
        """Until there is something to do; None where the child alone decides.

        Raises
        ------
        Gone
            The time is over.
        """
        now = time.monotonic()
        if self._alarm is not None and now >= self._began + self._alarm.seconds:
            alarm, self._alarm = self._alarm, None
            alarm.ring()
        if self._until is not None and now >= self._until:
            raise Gone("it did not end by itself, and was killed", silent=True, seconds=now - self._began)
        ends = [self._until, None if self._alarm is None else self._began + self._alarm.seconds]
        left = min((end - now for end in ends if end is not None), default=None)
        return None if left is None else max(1.0, left * 1e3)


class Child:
    """A child process that runs `judicia_notebook.experiments.unmetered.child`.

    Attributes
    ----------
    pid : int
    ended : bool
    greeted : bool
        Whether its hello was read.
    loaded : set of str
        The keys of the plugins that it has.

    Raises
    ------
    ResourceExhausted
        The system gives no process.
    """

    def __init__(self) -> None:
        self._owner = os.getpid()
        command = python_command(_PROGRAM.format(parent=self._owner))
        with deferred():  # or an interrupt might leave a process that nobody knows of
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    bufsize=0,
                    start_new_session=True,
                )
            except OSError as error:
                raise ResourceExhausted(
                    f"The system gives no process for a call without metering: {error.strerror}."
                ) from None
        self.pid = self._process.pid
        self._into = cast("IO[bytes]", self._process.stdin).fileno()
        self._from = cast("IO[bytes]", self._process.stdout).fileno()
        os.set_blocking(self._into, False)
        os.set_blocking(self._from, False)
        self._heard = bytearray()
        self.ended = self.greeted = False
        self.loaded: set[str] = set()

    def ask(
        self,
        question: tuple[bytes, bytes] | None,
        *,
        patience: float | None,
        most_body: int = 0,
        alarm: Alarm | None = None,
    ) -> Frame:
        """Send a frame, and take the one that answers it.

        Parameters
        ----------
        question : tuple of bytes, optional
            The parts of a frame; None only listens.
        patience : float, optional
            Seconds until the answer begins; None for any time. Without it, so is what the answer's bytes may take.
        most_body : int
            Bytes that may follow the answer's message.
        alarm : Alarm, optional

        Raises
        ------
        Gone
            The child is over.
        """
        try:
            return self._exchange([memoryview(part) for part in question or () if part], patience, most_body, alarm)
        except BaseException:
            self.end()
            raise

    def _exchange(self, words: list[memoryview], patience: float | None, most_body: int, alarm: Alarm | None) -> Frame:
        wait = _Wait(alarm)
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        if words:
            poll.register(self._into, select.POLLOUT)
            wait.at_most(GRACE_SECONDS)
        else:
            wait.at_most(patience)
        while (frame := self._read_frame(most_body, wait)) is None:
            for descriptor, _ in poll.poll(wait.milliseconds()):
                if descriptor == self._from:
                    self._listen(wait)
                    wait.at_most(GRACE_SECONDS)
                elif self._speak(words, wait):
                    wait.at_most(GRACE_SECONDS)
                    if not words:
                        poll.unregister(self._into)
                        wait.at_most(patience)
        return frame

    def _speak(self, words: list[memoryview], wait: _Wait) -> bool:
        """Write what goes at once; whether that was anything."""
        try:
            written = os.write(self._into, words[0][:_CHUNK])
        except BlockingIOError:
            return False
        except BrokenPipeError:
            raise self._is_over(wait) from None
        words[0] = words[0][written:]
        if not words[0]:
            words.pop(0)
        return True

    def _listen(self, wait: _Wait) -> None:
        try:
            chunk = os.read(self._from, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            raise self._is_over(wait)
        self._heard += chunk

    def _read_frame(self, most_body: int, wait: _Wait) -> Frame | None:
        """The frame that was heard, once it is whole."""
        heard = self._heard
        if len(heard) < HEADER.size:
            return None
        tag, message, body = HEADER.unpack_from(heard)
        if tag not in FROM_CHILD or message > MOST_MESSAGE or body > most_body:
            raise Gone("it said what no child of ours says", silent=False, seconds=wait.seconds)
        end = HEADER.size + message + body
        if len(heard) < end:
            return None
        if len(heard) > end:
            raise Gone("it said more than it was asked", silent=False, seconds=wait.seconds)
        with memoryview(heard) as view:
            content = HEADER.size + message
            frame = Frame(tag, bytes(view[HEADER.size : content]), bytes(view[content:end]))
        self._heard = bytearray()
        return frame

    def _is_over(self, wait: _Wait) -> Gone:
        """The end of a child that closed its pipes: by then it has an exit code, or will have it in a moment."""
        seconds = wait.seconds
        with suppress(subprocess.TimeoutExpired):  # one that only closed its pipes is killed
            self._process.wait(1.0)
        self.end()
        code = self._process.returncode
        why = f"signal {-code} ended it" if code < 0 else f"it ended with code {code}"
        return Gone(why, silent=False, seconds=seconds, idle=code == IDLE)

    @property
    def is_over(self) -> bool:
        """Whether it will say nothing more, whoever ended it."""
        return self.ended or self._process.poll() is not None

    def kill(self) -> None:
        """End it; from any thread. Who waits for it finds it gone, and reaps it."""
        if not self.ended and os.getpid() == self._owner:
            self._process.kill()

    def end(self) -> None:
        """End it and reap it. A second call does nothing."""
        with deferred():
            if self.ended or os.getpid() != self._owner:  # a forked copy of this process has no child
                return
            self.ended = True
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.kill()  # a process that is over already takes no harm, and keeps its exit code
            self._process.wait()


def is_offered() -> bool:
    """Whether this system has what a child needs: a pipe that tells when its other end is gone, and sessions."""
    return sys.platform != "win32"
