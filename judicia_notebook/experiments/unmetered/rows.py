"""The row of a call that a child makes: its own, carried over, or one that is made here of what is known."""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.context import collected, current_call, current_way, labels_in_force
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.core.structs import Kind, Owner, Verdict
from judicia_notebook.engine.settings import NONE
from judicia_notebook.errors import CallError, JudiciaError, QuotaExceeded, describe
from judicia_notebook.records.record import CallRecord, EndedCall
from judicia_notebook.runtime.deployment import origin_of
from judicia_notebook.runtime.observation import limits_in_force
from judicia_notebook.runtime.outcome import Outcome

if TYPE_CHECKING:
    from judicia_notebook.engine.limits import Limits
    from judicia_notebook.policy.budget import CappedBudget
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.request import Request

_TIMES = ("setup", "encode", "guest", "host", "decode", "lock", "cpu")


class _Limit(NamedTuple):
    """How a verdict's kind of limit is told."""

    quota: str
    unit: str


_LIMITS = {int(Kind.CPU): _Limit("cpu", "s"), int(Kind.WALL): _Limit("wall", "s")}


class CallAway:
    """A call that a child makes.

    Parameters
    ----------
    plugin : Callee
    request : Request
    budget : Policy or CappedBudget
        What it is held to.
    size_in : int
        Bytes of its request, for the row.
    """

    def __init__(self, plugin: Callee, request: Request, budget: Policy | CappedBudget, size_in: int) -> None:
        self._callee = plugin
        self._budget = budget
        self.limits: Limits = budget.limits
        self.size_in = size_in
        self.plugin, self.function = plugin.name, request.function
        abi = "raw" if request.kind == "numbers" else plugin.abi
        self._target = plugin._deployment.target(request.function, abi)
        self._began_ns = perf_counter_ns()

    def begin(self) -> None:
        """The call begins now: its child is ready."""
        self._began_ns = perf_counter_ns()

    def exceeded(self, quota: str, limit: float, used: float, unit: str) -> QuotaExceeded:
        """The error for a limit of this call."""
        return QuotaExceeded(
            quota=quota, limit=limit, used=used, unit=unit, plugin=self.plugin, function=self.function,
            per_call=self._budget.is_own(quota), ceiling=self._budget.ceiling_of(quota),
        )  # fmt: skip

    def _row(self) -> EndedCall:
        """A row of a call of which nothing is known but that it was made."""
        recorder = self._callee._recorder
        row = EndedCall()
        row.call_id = recorder.next_call_id()
        row.parent_call_id = current_call.get()
        row.subject = self._target.subject._replace(metering=NONE.metering, monitored="")
        row.origin = origin_of(current_way())
        row.instance_id = row.instance_call = 0
        row.thread = threading.current_thread().name
        row.labels = labels_in_force()
        row.started_ns = self._began_ns - recorder.began_ns
        row.queue_ns = 0
        for part in _TIMES:
            setattr(row, f"{part}_ns", 0)
        row.fuel = row.memory_bytes = row.memory_peak_bytes = -1
        row.grows_refused = row.bytes_out = row.host_calls = row.denied = 0
        row.bytes_in = self.size_in
        row.limits = limits_in_force(self.limits)
        row.policy_version = self._callee.policy.state.version
        row.outcome, row.error = "ok", ""
        return row

    def _record(self, row: EndedCall, value: Any, error: JudiciaError | None) -> Outcome:
        recorder = self._callee._recorder
        if isinstance(error, CallError):
            row.outcome, row.error = error.outcome, f"{type(error).__name__}: {describe(error)[0]}"
        position = recorder.add_call(row)
        self._target.activity.last = position
        collected(recorder, row.call_id)
        record = recorder.call_at(position)
        if isinstance(error, CallError):
            error.record = record
        return Outcome(value, error, record)

    def end(self, error: CallError) -> Outcome:
        """It ended, and the child did not say how."""
        row = self._row()
        row.guest_ns = perf_counter_ns() - self._began_ns
        return self._record(row, None, error)

    def end_by(self, verdict: Verdict, instance_call: int) -> Outcome:
        """The child's ticker ended it."""
        limit = _LIMITS.get(verdict.kind)
        if limit is None:
            raise ValueError(f"a limit of the kind {verdict.kind}")
        error = self.exceeded(limit.quota, verdict.limit / 1e9, verdict.used / 1e9, limit.unit)
        error.per_call = verdict.owner == Owner.OWN
        row = self._row()
        row.instance_id, row.instance_call = functions.instance_number(), instance_call
        row.setup_ns, row.host_ns, row.cpu_ns = verdict.setup_ns, verdict.host_ns, verdict.cpu_ns
        row.guest_ns = max(0, verdict.inside_ns - verdict.host_ns)
        row.memory_bytes, row.memory_peak_bytes = verdict.memory_before, verdict.memory
        row.grows_refused, row.host_calls, row.denied = verdict.grows_refused, verdict.host_calls, verdict.denied
        return self._record(row, None, error)

    def end_as(
        self, record: CallRecord, value: Any, error: JudiciaError | None, *, instance: int, began_ns: int
    ) -> Outcome:
        """The child made its row, in a run that `began_ns` then; both processes read the same clock."""
        row = self._row()
        row.started_ns = round(record.started_ms * 1e6) + began_ns - self._callee._recorder.began_ns
        for part in _TIMES:
            setattr(row, f"{part}_ns", round(getattr(record, f"{part}_ms") * 1e6))
        row.instance_id, row.instance_call = instance, record.instance_call or 0
        for name in ("memory_bytes", "memory_peak_bytes"):
            known = getattr(record, name)
            setattr(row, name, -1 if known is None else known)
        for name in ("grows_refused", "bytes_in", "bytes_out", "host_calls", "denied"):
            setattr(row, name, getattr(record, name))
        return self._record(row, value, error)
