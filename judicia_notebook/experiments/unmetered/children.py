"""The child at work, and a spare: so that a call that has to be killed does not cost the next one a start.

The spare is started once a call takes long, since such a call may have to be killed; from then on there is one. So
calls that are short are not disturbed by the start of a process beside them.
"""

from __future__ import annotations

from contextlib import suppress

from judicia_notebook.engine.interrupts import deferred, do_all
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.experiments.unmetered import protocol
from judicia_notebook.experiments.unmetered.process import START_SECONDS, Alarm, Child, Gone
from judicia_notebook.experiments.unmetered.protocol import Ended, Frame, Hello, Load
from judicia_notebook.experiments.unmetered.reports import read_report

LOAD_SECONDS = 180.0
"""For taking a plugin. Its code is compiled already, but the cache may have lost it meanwhile."""

SLOW_SECONDS = 0.25
"""A call that takes longer may have to be killed: a spare is started."""


class Children:
    """Children for calls of some plugins. One thread at a time asks; any may `stop`."""

    def __init__(self) -> None:
        self._at_work: Child | None = None
        self._spare: Child | None = None
        self.began_ns = 0
        """When the rows of the child at work began, on the clock of all processes."""
        self.serial = 0
        """Which of all children the one at work is, from 1."""
        self.stopped = ""
        """Why no more calls are made; empty while they are."""

    def ready(self, load: Load, wasm: bytes) -> Child:
        """A child that has this plugin.

        Raises
        ------
        Gone
            It was stopped.
        ResourceExhausted
            None would start.
        JudiciaError
            The plugin cannot be loaded there.
        """
        try:
            child = self._started()
            if load.key not in child.loaded:
                self._check(child.ask(protocol.pack(protocol.LOAD, load, wasm), patience=LOAD_SECONDS), load.name)
                child.loaded.add(load.key)
        except (Gone, ValueError) as error:
            self.discard()
            if self.stopped and isinstance(error, Gone):
                raise
            raise ResourceExhausted(
                f"The process for calls of {load.name} without metering did not come up: {error}."
            ) from None
        return child

    def _started(self) -> Child:
        """A child that has said hello."""
        child = self._at_work
        if child is None or child.is_over:
            with deferred():  # or an interrupt might leave a child that nobody knows of
                if child is not None:
                    child.end()
                self._bury_spare()
                child = self._at_work = self._spare or Child()
                self._spare = None
                self.serial += 1
        if child.greeted:
            return child
        if self.stopped:  # maybe while there was no child that could be ended
            raise Gone(self.stopped, silent=False, seconds=0.0)
        self.began_ns = protocol.unpack(Hello, child.ask(None, patience=START_SECONDS)).began_ns
        child.greeted = True
        return child

    @staticmethod
    def _check(frame: Frame, name: str) -> None:
        if frame.tag == protocol.REFUSED:
            report = protocol.unpack(Ended, frame).report
            if report is None:
                raise ValueError("it gave no reason")
            raise read_report(report, name, "")
        if frame.tag != protocol.LOADED:
            raise ValueError("it said something else")

    def ask(
        self, child: Child, question: tuple[bytes, bytes], *, patience: float | None, most_body: int, slow: float
    ) -> Frame:
        """Have a call made by a child that is ready.

        Parameters
        ----------
        slow : float
            Seconds after which a spare is started.

        Raises
        ------
        Gone
        """
        return child.ask(question, patience=patience, most_body=most_body, alarm=Alarm(slow, self._start_spare))

    def _start_spare(self) -> None:
        with deferred():  # the child at work stays: it is listened to, and its last words may not be read yet
            self._bury_spare()
            if self._spare is None and not self.stopped:
                with suppress(ResourceExhausted):  # a spare is a convenience
                    self._spare = Child()

    def _bury_spare(self) -> None:
        """Reap the spare if it is over, maybe since it was idle for long."""
        if self._spare is not None and self._spare.is_over:
            self._spare.end()
            self._spare = None

    def discard(self) -> None:
        """End the child at work: it has said its last words, or something that it should not."""
        if self._at_work is not None:
            self._at_work.end()

    def stop(self, why: str) -> None:
        """Make no more calls and end the one that runs; from any thread."""
        self.stopped = self.stopped or why or "stopped"
        for child in (self._at_work, self._spare):
            if child is not None:
                child.kill()

    def close(self) -> None:
        """End all."""
        self.stopped = self.stopped or "closed"
        children = [child for child in (self._at_work, self._spare) if child is not None]
        do_all(*(child.end for child in children))
        self._at_work = self._spare = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that there are."""
        return tuple(child.pid for child in (self._at_work, self._spare) if child is not None and not child.ended)
