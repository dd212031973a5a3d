"""`Plugin.bench`: the same call again and again, in new instances and in a kept one, in turns.

- It makes instances of its own, so the plugin's instances and their state stay as they are. Grants, quotas and config
  are the plugin's. The calls take the way that the plugin's own calls take, so they cost what those cost.
- Cold and warm calls take turns, so that a slow moment of the machine falls on both. A command has cold ones alone.
- Calls without metering take turns with metered ones: in each round, the one that was first is second in the next.
- Calls to warm up have an origin of their own, so that nobody who reads the rows later takes them for measured ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.analysis.bench import Bench, Side
from judicia_notebook.context import via
from judicia_notebook.engine.settings import NONE
from judicia_notebook.errors import CallError
from judicia_notebook.experiments.unmetered.answers import Comparison
from judicia_notebook.experiments.unmetered.cells import Unmetered
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.runtime.exports import WASI_ABI
from judicia_notebook.runtime.instance import Making
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.runtime.pool import InstancePool

if TYPE_CHECKING:
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.request import Request


class _Place(Protocol):
    """Where calls of one metering are made, each in a new instance (cold) or in the one that is kept (warm)."""

    metering: str

    def call(self, *, warm: bool) -> Outcome: ...

    def close(self) -> None: ...


class _Here:
    """In this process, in instances of the bench's own."""

    def __init__(
        self, plugin: Callee, request: Request, quota: Quota | Mapping[str, Any] | None, metering: str | None
    ) -> None:
        self._plugin, self._request, self._quota = plugin, request, quota
        making = Making(plugin._code_with(metering), plugin.config)
        self.metering = making.code.metering
        with ExitStack() as stack:
            self._cold = stack.enter_context(plugin._on(InstancePool(plugin.name, making, "fresh", plugin.policy)))
            self._warm = stack.enter_context(plugin._on(InstancePool(plugin.name, making, 1, plugin.policy)))
            self.close = stack.pop_all().close

    def call(self, *, warm: bool) -> Outcome:
        self._plugin._check_loaded()
        return self._request.attempt(self._warm if warm else self._cold, self._quota)


class _Apart:
    """In a child process, without metering."""

    metering = NONE.metering

    def __init__(self, plugin: Callee, request: Request, quota: Quota | Mapping[str, Any] | None) -> None:
        self._request, self._quota = request, quota
        self._unmetered = Unmetered(plugin)

    def call(self, *, warm: bool) -> Outcome:
        return self._unmetered.attempt(self._request, self._quota, fresh=not warm)

    def close(self) -> None:
        self._unmetered.close()


class _Rounds:
    """The calls of one place, cold and warm, and their rows."""

    def __init__(self, place: _Place, warmup: int) -> None:
        self.place = place
        self._warmup = warmup
        self.cold: list[CallRecord] = []
        self.warm: list[CallRecord] = []
        self.errors: list[CallError] = []

    def call(self, turn: int, *, warm: bool) -> Outcome:
        """The call of a turn; those below 0 warm up."""
        if turn == 0 and warm and not self._warmup:
            with via("warmup"):
                self._once(warm=True)  # the first call in an instance is cold
        with via("warmup" if turn < 0 else "bench"):
            outcome = self._once(warm=warm)
        record = outcome.record
        if record is not None and turn >= 0:
            if not warm:
                self.cold.append(record)
            elif record.instance_call != 1 or record.outcome != "ok":
                self.warm.append(record)  # after a failure the next call is cold, in a new instance
        return outcome

    def _once(self, *, warm: bool) -> Outcome:
        outcome = self.place.call(warm=warm)
        if isinstance(outcome.error, CallError):
            self.errors.append(outcome.error)
        elif outcome.error is not None:
            try:
                raise outcome.error
            finally:
                del outcome  # its error's traceback has this frame
        return outcome

    def found(self, plugin: str, function: str) -> Bench:
        """What they came to."""
        sides = Side(tuple(self.cold)), Side(tuple(self.warm))
        return Bench(plugin, function, self._warmup, *sides, self.place.metering)


@tells_interrupts("The bench was interrupted; its calls are in p.calls.")
def bench(
    plugin: Callee,
    request: Request,
    *,
    repeats: int,
    warmup: int,
    quota: Quota | Mapping[str, Any] | None,
    metering: str | None,
) -> Bench:
    """Carry out `Plugin.bench`, whose docstring says more."""
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats is at least 1 and warmup at least 0, not {repeats!r} and {warmup!r}")
    answers = Comparison(f"{plugin.name}.{request.function}")
    sides = (False,) if plugin.abi == WASI_ABI else (False, True)  # a command's instance cannot be entered twice
    with via("bench"), ExitStack() as stack:
        places: list[_Place] = []
        if metering == NONE.metering:
            places.append(_Apart(plugin, request, quota))
            stack.callback(places[0].close)
        places.append(_Here(plugin, request, quota, None if places else metering))
        stack.callback(places[-1].close)
        rounds = [_Rounds(place, warmup) for place in places]
        for turn in range(-warmup, repeats):
            for warm in sides:
                for one in rounds if turn % 2 else rounds[::-1]:
                    outcome = one.call(turn, warm=warm)
                    if len(rounds) > 1 and not warm and outcome.error is None:
                        answers.add(one.place.metering, outcome.value)
    answers.check()
    found = rounds[0].found(plugin.name, request.function)
    errors = rounds[0].errors
    if errors and all(side.failed == len(side.records) for _, side in found.sides):
        raise errors[0]
    if len(rounds) == 1:
        return found
    return dataclasses.replace(found, metered=rounds[1].found(plugin.name, request.function))
