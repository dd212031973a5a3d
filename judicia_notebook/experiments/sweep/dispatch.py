"""Batches of cells to an executor, and their rows back: each cell exactly once.

It knows `concurrent.futures.Executor`, and no implementation of it.

- As many batches are under way as keep every worker busy, with another batch waiting for each. By the pace of the last
  batches, the next batch takes a quarter of a second. Batches become smaller towards the end, so that no worker is left
  with the rest.
- A worker that lacks a module or payload says so, and gets the batch again with the bytes.
- Rows are handed on by cell. A cell whose row is known is never handed on again, even if two workers measured it.
- Where an executor reports that a batch took its worker down (Dask tries another worker first), the units of the batch
  run one by one. The unit that does it again has the outcome ``worker_lost``.
- When the sweep ends early, waiting batches are cancelled, running calls of this process end, and complete rows stay.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from typing import Any

import msgspec

from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.experiments.sweep import laboratory
from judicia_notebook.experiments.sweep.grid import Unit
from judicia_notebook.experiments.sweep.laboratory import Batch, Measured, Missing, Plan, Row

BATCH_SECONDS = 0.25
MOST_UNITS = 256
STOP_SECONDS = 10.0
LOOK_SECONDS = 5.0
WORKER_KILLERS = ("KilledWorker",)
_WORKER_LOST = "WorkerLost: it took the worker that measured it down, alone and again"
"""Without Dask's own text, which names machines."""

Take = Callable[[str, Iterable[Row], Mapping[str, bytes]], None]


class Here(Executor):
    """Runs what is submitted at once, on the thread that submits it: a sweep without an executor."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it. The future gets its exception, except those meant for this thread, such as Ctrl-C."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Dispatch:
    """One sweep's way through an executor.

    Parameters
    ----------
    workers : callable
        How many batches the executor can run at once; asked again now and then, since a cluster may grow.
    take : callable
        Called with the worker's name, the rows it has measured, and the columns of what was counted in them, on the
        thread of `run`.
    """

    def __init__(
        self,
        executor: Executor,
        plan: Plan,
        units: Iterable[Unit],
        contents: Mapping[str, bytes],
        workers: Callable[[], int],
        take: Take,
    ) -> None:
        self._executor = executor
        self._plan = plan
        self._waiting = deque(units)
        self._alone: deque[Unit] = deque()  # units of batches that took a worker down
        self._running: dict[Future[Any], Batch] = {}
        self._contents = contents
        self._workers = workers
        self._take = take
        self._known: set[int] = set()
        self._pace = 0.0  # seconds a unit
        self._at_once, self._look_again = 1, 0.0

    def run(self) -> None:
        """Measure everything.

        Raises
        ------
        ResourceExhausted
            The executor lost its workers for good.
        LoadError, PolicyError
            A worker could not load a plugin or set its quota.
        """
        try:
            while self._waiting or self._alone or self._running:
                self._fill()
                done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._settle(future)
        except BaseException:
            self._leave()
            raise

    # Submitting ---------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        if time.monotonic() >= self._look_again:
            self._at_once = 1 if isinstance(self._executor, Here) else 2 * max(1, self._workers())
            self._look_again = time.monotonic() + LOOK_SECONDS
        while (self._waiting or self._alone) and len(self._running) < self._at_once:
            if self._alone:
                units: tuple[Unit, ...] = (self._alone.popleft(),)
            else:
                units = tuple(self._waiting.popleft() for _ in range(self._next_size()))
            self._submit(Batch(self._plan, units, {}))

    def _next_size(self) -> int:
        if isinstance(self._executor, Here) or not self._pace:
            return 1
        share = -(-len(self._waiting) // (2 * self._at_once))
        return max(1, min(int(BATCH_SECONDS / self._pace), share, MOST_UNITS, len(self._waiting)))

    def _submit(self, batch: Batch) -> None:
        try:
            future = self._executor.submit(laboratory.measure, batch)
        except RuntimeError as error:  # of which BrokenExecutor is one
            raise ResourceExhausted(f"The executor takes no more: {error}") from error
        self._running[future] = batch

    # Settling -----------------------------------------------------------------------------------------------

    def _settle(self, future: Future[Any]) -> None:
        batch = self._running.pop(future)
        try:
            result: Measured | Missing = future.result()
        except CancelledError:
            raise ResourceExhausted("The executor cancelled what the sweep had submitted.") from None
        except BrokenExecutor as error:
            raise ResourceExhausted(f"The executor lost its workers: {error}") from error
        except Exception as error:
            if type(error).__name__ not in WORKER_KILLERS:
                raise
            self._was_lost(batch)
            return
        if isinstance(result, Missing):
            # Send all bytes that any worker lacked: otherwise a batch could go to and fro between two workers.
            missing = result.digests | batch.contents.keys()
            self._submit(batch._replace(contents={digest: self._contents[digest] for digest in missing}))
            return
        if result.rows:
            pace = result.seconds / len(batch.units)
            self._pace = pace if not self._pace else (self._pace + pace) / 2
        self._hand_on(result)

    def _hand_on(self, result: Measured) -> None:
        # Reversed, so that the first of two rows of a cell wins.
        by_cell = {row.cell: row for row in reversed(result.rows) if row.cell not in self._known}
        self._known.update(by_cell)
        if by_cell:
            self._take(result.worker, by_cell.values(), result.columns)

    def _was_lost(self, batch: Batch) -> None:
        if len(batch.units) > 1:
            self._alone.extend(batch.units)
            return
        rows = []
        for cell in batch.units[0]:
            variant = self._plan.variants[cell.configuration.variant]
            record = laboratory.without_a_call(
                laboratory.LOST, _WORKER_LOST, variant.name, variant.digest, self._plan.function, variant.abi,
                variant.metering, self._plan.monitored,
            )  # fmt: skip
            rows.append(Row(cell.number, msgspec.json.encode(record)))
        self._hand_on(Measured("", tuple(rows), 0.0))

    # Leaving early ------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Cancel waiting batches, end running calls of this process, and keep complete rows."""
        for future in self._running:
            future.cancel()
        laboratory.stop(self._plan.key)  # also for a thread that has taken a batch and not begun with it
        until = time.monotonic() + STOP_SECONDS
        running = {future for future in self._running if future.running()} if self._is_local() else set()
        while running and time.monotonic() < until:
            laboratory.stop(self._plan.key)  # again and again: a call may just have been about to begin
            _, running = wait(running, timeout=0.05)
        for future in self._running:
            if future.done() and not future.cancelled() and future.exception() is None:
                result = future.result()
                if isinstance(result, Measured):
                    self._hand_on(result)

    def _is_local(self) -> bool:
        return laboratory.is_at_work(self._plan.key)
