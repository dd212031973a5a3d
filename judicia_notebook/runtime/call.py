"""One call, from the request to the recorded row.

`Call.run` is the straight walk through the house: wait for an instance, make one if the slot is empty, enter it, hand
over the request, take the answer, leave, record. The walk is the same for JSON, bytes, raw numbers and lifecycle hooks;
only the part inside the instance, `Call.body`, differs.

The times of a row: ``encode`` and ``decode`` are JSON and copying, ``setup`` is making and arming the instance,
``host`` is the time of host functions, ``guest`` the rest of the time inside. They add up to the wall time. Two
waits are kept apart: ``queue`` for an instance, and ``lock`` for Python's lock when the guest has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import collected, current_call, labels_in_force
from judicia_notebook.engine import interrupts, safety, wire
from judicia_notebook.engine.abi import Exchange
from judicia_notebook.engine.entry import enclosing
from judicia_notebook.engine.invocation import UNCOUNTED_JSON
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.traps import FUEL_IS_KNOWN
from judicia_notebook.errors import (
    AbiViolation,
    CallError,
    GuestError,
    GuestTrap,
    InvalidPayload,
    JudiciaError,
    NoSuchFunction,
    PluginNotReady,
    QuotaExceeded,
    ResourceExhausted,
    describe,
)
from judicia_notebook.errors.call import STATE_LOST
from judicia_notebook.host.scope import CallScope
from judicia_notebook.policy.budget import CappedBudget
from judicia_notebook.records.captures import THE_CALL
from judicia_notebook.records.record import CallRecord, EndedCall
from judicia_notebook.reporting.interrupts import interrupted
from judicia_notebook.runtime import facts
from judicia_notebook.runtime.exports import REACTOR_INITIALIZE
from judicia_notebook.runtime.instance import Instance, Making, Observer
from judicia_notebook.runtime.observation import limits_in_force
from judicia_notebook.runtime.pool import Ticket
from judicia_notebook.units import format_time
from judicia_notebook.wasm.json_shape import TooManyValues

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import EndedAccount, MemoryAccount
    from judicia_notebook.engine.row_loops import Loop
    from judicia_notebook.policy.policy import FormerPolicy, Policy
    from judicia_notebook.runtime.target import Target
    from judicia_notebook.wasm.info import FuncType

MAKING_FRAMES = 40


class Call:
    """A call that is about to be made.

    Parameters
    ----------
    target : Target
    budget : Policy or CappedBudget
    body : callable
        ``body(call) -> value``: the work inside the instance.
    finish : callable, optional
        ``finish(call, value) -> value``: the work on the value, once the instance is free again.
    size_in : int
        Bytes of the request, for the limit of a payload and for the row.
    origin : str
        By which way it is made, for the row.
    parent : int
        The call that caused it; 0 for the call of the context, if there is one.
    encode_ns : int
        The time that writing the request took.
    call_id : int
        Its number; 0 for the next one.
    """

    # Defaults stand on the class: what a call never touches costs it nothing.
    instance: Instance | None = None
    error: BaseException | None = None
    cpu_ns = 0
    fuel = -1
    setup_fuel = setup_refused = 0  # of making the instance
    queue_ns = setup_ns = encode_ns = guest_ns = decode_ns = inside_ns = host_ns = lock_ns = 0
    memory_before = memory_peak = -1
    refused_before = refused_grows = bytes_out = instance_call = instance_number = 0
    started_ns = _queued_ns = 0
    record_position = -1

    def __init__(
        self,
        target: Target,
        budget: Policy | CappedBudget,
        body: Callable[[Call], Any],
        *,
        finish: Callable[[Call, Any], Any] | None = None,
        size_in: int = 0,
        origin: str = "user",
        parent: int = 0,
        encode_ns: int = 0,
        call_id: int = 0,
    ) -> None:
        self.target = target
        self.platform = target.platform
        self.body = body
        self.finish = finish
        self.size_in = size_in
        is_observed = target.instances.observer is not None and origin != "lifecycle"
        self.origin = "monitor" if is_observed else origin
        recorder = target.platform.recorder
        subject = target.subject
        self.parent = parent or current_call.get()
        if encode_ns:
            self.encode_ns = encode_ns
        self.scope = CallScope(
            budget, target.policy, recorder, subject.plugin, subject.function, call_id or recorder.next_call_id()
        )
        self.scope.pool = target.instances

    # The walk -----------------------------------------------------------------------------------------------

    def run(self, on: Instance | None = None, ticket: Ticket | None = None) -> Any:
        """Make the call.

        Parameters
        ----------
        on : Instance, optional
            An instance that the call has already; without it the call waits for its turn.
        ticket : Ticket, optional
            The call's place in the queue. Its turn has come, or will never come.

        Raises
        ------
        CallError
            What the plugin, a limit or a person did; it carries the call's record.
        PluginNotReady
            The call did not begin; there is no record.
        ResourceExhausted
            It did not begin, or this process has no memory for it; there is no record.
        KeyboardInterrupt
            The user pressed Ctrl-C; the record says cancelled.
        """
        return self.go_through(lambda: self._on_instance(on) if on is not None else self._in_turn(ticket))

    def go_through(self, work: Callable[[], Any]) -> Any:
        """Do the work of a call and end it: record it, and raise what ended it."""
        safety.check_process()  # before any lock: its owner may not exist in a forked child
        safety.check_headroom(MAKING_FRAMES)  # without frames half-way, ctypes may raise an error of its own
        scope = self.scope
        outer = enclosing()
        if outer is not None:
            scope.outer = outer
        value = None
        on_main = interrupts.enter(scope)
        token = current_call.set(scope.call_id)
        running = self.target.activity.running
        try:
            running[scope.call_id] = self
            try:
                value = work()
                if self.finish is not None:
                    value = self.finish(self, value)
            except MemoryError as error:
                self._secure()
                self.error = ResourceExhausted(
                    f"This process has no memory left for the call of {scope.where}: {error}."
                )
            except BaseException as error:
                self._secure()
                self.error = error
            self._settle()
        finally:
            try:  # another thread may send an exception here, too
                if self.target.instances.is_busy_with(scope):
                    self.abandon()  # an exception came between taking the slot and giving it back
            finally:
                try:
                    running.pop(scope.call_id, None)
                finally:
                    try:
                        current_call.reset(token)
                        if on_main:
                            interrupts.leave(scope)
                    finally:
                        scope.release()
        if self.error is not None or scope.interrupted is not None:
            raise self._take_error()
        return value

    def _secure(self) -> None:
        """Leave the instance, where an exception of another thread came before."""
        if self.instance is not None:
            self.instance.sandbox.expel(self.scope)

    def _take_error(self) -> BaseException:
        """What ended the call, which forgets it: the error's traceback holds the call, and the frames of its caller.

        If the call held the error as well, those frames, and all they have, would live until Python's collector came.
        """
        scope, error = self.scope, self.error
        raised = scope.interrupted
        self.error = None
        scope.forget_errors()
        if raised is None and error is not None:
            return error
        return self._interrupt(KeyboardInterrupt() if raised is None else raised)

    def _interrupt(self, error: BaseException) -> BaseException:
        """The interrupt, with a sentence on what became of this call."""
        if self._queued_ns and not self.started_ns:
            return interrupted(error, f"{self.scope.where} was interrupted while it waited for an instance.")
        kept = self.instance is None or not self.instance.sandbox.broken or self.target.instances.kind == "fresh"
        lost = "" if kept else STATE_LOST
        after = format_time((perf_counter_ns() - self.started_ns) / 1e9) if self.started_ns else "a moment"
        return interrupted(error, f"{self.scope.where} was interrupted after {after}.{lost}")

    def abandon(self) -> None:
        """Give back the slot and the instance of a call that runs no more; from any thread."""
        self.target.activity.running.pop(self.scope.call_id, None)
        self.target.instances.release(self.scope, self.instance, keep=False)

    def join_queue(self, ticket: Ticket) -> None:
        """Take a place in the queue now, to `run` with it later.

        Raises
        ------
        PluginNotReady, ResourceExhausted
        """
        safety.check_process()
        self._queued_ns = perf_counter_ns()
        self.target.instances.join(ticket, self._queue_limit())

    def _queue_limit(self) -> int:
        return self.target.policy.limits.queue

    def _check_payload(self) -> None:
        # A hook's request is the user's configuration: the limit of one call of another function does not apply to it.
        budget = self.target.policy if self.origin == "lifecycle" else self.scope.budget
        limit = budget.limits.payload_bytes
        if self.size_in > limit:
            raise self.scope.exceeded("payload", limit, self.size_in, "bytes")

    def _in_turn(self, ticket: Ticket | None) -> Any:
        """Wait for an instance, and give it back."""
        instances = self.target.instances
        if ticket is None:
            self._check_payload()
            self._queued_ns = perf_counter_ns()
        try:
            if ticket is None:
                found = instances.acquire(self.scope, self._queue_limit())
            else:
                found = instances.collect(ticket, self.scope)
        finally:
            self.queue_ns = perf_counter_ns() - self._queued_ns
        return self.giving_back(found, partial(self._on_instance, found))

    def giving_back(self, found: Instance | None, work: Callable[[], Any]) -> Any:
        """Do the work in the call's slot, and give back the slot and the instance."""
        instances = self.target.instances
        try:
            value = work()
        except BaseException as error:
            instance = self.instance or found
            keep = self._spares(error) and instance is not None and not instance.sandbox.broken
            if isinstance(error, CallError) and instance is not None and not keep:
                error.state_lost = instances.kind != "fresh"
            instances.release(self.scope, instance, keep=keep)
            raise
        instances.release(self.scope, self.instance, keep=True)
        return value

    def _spares(self, error: BaseException) -> bool:
        """Whether the instance may serve the next call: the guest itself reported failure, or was not entered."""
        if isinstance(error, GuestError | InvalidPayload | NoSuchFunction):
            return True
        if not isinstance(error, QuotaExceeded) or self.inside_ns:
            return False
        # The guest was not entered. A limit of the plugin's would stop the next call in this instance, too.
        return error.quota == "payload" or error.per_call

    def _on_instance(self, found: Instance | None) -> Any:
        began = perf_counter_ns()
        self.started_ns = began
        self._check_payload()
        making = self.target.instances.making
        if found is not None and found.code is not making.code:
            making = Making(found.code, self.target.config)
        if making.code is not self.target.code:
            self.target = self.target.on(making)
        self.scope.digest = making.code.digest
        if (former := self.target.activity.former.get(making.code.digest)) is not None:
            self.hold_to(former)
        try:
            instance = self.instance = found if found is not None else self._make()
        except BaseException:
            self.setup_ns = perf_counter_ns() - began
            raise
        sandbox, scope = instance.sandbox, self.scope
        sandbox.enter(scope)
        try:
            scope.exchange = instance.exchange
            instance.exchange.reset()
            self.memory_before = sandbox.account.used
            self.refused_before = sandbox.account.grows_refused
            scope.host_ns = scope.lock_ns = 0
            observer = self.target.instances.observer
            if observer is None:
                entered = perf_counter_ns()
                self.setup_ns = entered - began
                return self.do_inside(instance, entered, partial(self.body, self))
            return self._observed(observer, instance, began)
        finally:
            sandbox.leave()

    def _observed(self, observer: Observer, instance: Instance, began: int) -> Any:
        """The work inside an instance, which an observer looks at before and after."""
        observer.begin(instance)
        try:
            entered = perf_counter_ns()
            self.setup_ns = entered - began
            return self.do_inside(instance, entered, partial(self.body, self))
        finally:
            observer.end(instance, self.origin)

    def do_inside(self, instance: Instance, entered: int, work: Callable[[], Any]) -> Any:
        """Do the work inside an instance, and measure it."""
        sandbox, scope, whole = instance.sandbox, self.scope, False
        try:
            try:
                value = work()
                whole = True  # otherwise the rest is why it was stopped, and that takes Python's lock several times
            finally:
                if self.origin != "lifecycle":
                    instance.calls += 1
                self.instance_call = instance.calls  # the next call may have it before the row is written
                ended = perf_counter_ns()
                self.inside_ns = ended - entered
                self.lock_ns = scope.lock_ns + (0 if whole or sandbox.back_ns < entered else ended - sandbox.back_ns)
                self.host_ns = scope.host_ns
                self._measure(instance)
            if scope.reported is not None:
                raise scope.reported
            return value
        except CallError as error:
            if scope.reported is not None and error is not scope.ended and error is not scope.reported:
                raise scope.reported from error
            raise

    def hold_to(self, policy: FormerPolicy) -> None:
        """Hold this call to the policy that its code had before it was replaced; from any thread."""
        scope = self.scope
        scope.policy = policy
        scope.hold_to(scope.budget.under(policy) if isinstance(scope.budget, CappedBudget) else policy)

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox this call is in; only inside."""
        if self.instance is None:
            raise RuntimeError("this call is not in an instance")
        return self.instance.sandbox

    @property
    def loops(self) -> dict[FuncType, Loop]:
        """The loops over rows that were made for its instance; only inside."""
        if self.instance is None:
            raise RuntimeError("this call is not in an instance")
        return self.instance.loops

    @property
    def account(self) -> MemoryAccount | EndedAccount | None:
        """The memories of the instance it is or was in."""
        return None if self.instance is None else self.instance.sandbox.account

    def exchange(self, request: bytes) -> bytes | None:
        """Hand the request to the function this call is for, and take its answer; only inside.

        Raises
        ------
        NoSuchFunction
            The plugin was replaced while the call waited, and the new code does not have it.
        """
        function = self.target.subject.function
        if function not in self.target.code.callable:
            raise NoSuchFunction(f"{self.scope.where} is gone: the plugin was replaced while the call waited.")
        export = self.sandbox.export(function)
        self.capture("request", lambda: request)
        answer = self.scope.exchange.call(export, request, self.scope)
        self.bytes_out = len(answer) if answer else 0
        self.capture("answer", lambda: answer or b"")
        return answer

    def capture(self, what: str, text: Callable[[], bytes]) -> None:
        """Keep the first bytes of the request or the answer, where a trace wants them."""
        captures = self.platform.recorder.captures
        if captures.limit:
            captures.add(self.scope.call_id, THE_CALL, what, text())

    def read(self, answer: bytes, read: Callable[[CallScope, bytes], Any]) -> Any:
        """The value that `read` makes of the answer, once the instance is free: on the call's clocks, within its time.

        Raises
        ------
        CallError
            The answer has more values than it may have, or a limit or a cancel came first.
        ValueError
            From `read`.
        """
        scope, began = self.scope, perf_counter_ns()
        try:
            return read(scope, answer)
        except TooManyValues as error:
            raise scope.exceeded("json_values", scope.budget.limits.json_values, error.used, "values") from None
        finally:
            self.decode_ns += perf_counter_ns() - began
            if len(answer) > UNCOUNTED_JSON:
                self.cpu_ns = scope.cpu_ns

    def _measure(self, instance: Instance) -> None:
        sandbox, exchange, inside = instance.sandbox, instance.exchange, self.inside_ns
        account = sandbox.account
        written, read = exchange.write_ns, exchange.read_ns
        guest = inside - written - read - self.host_ns - self.lock_ns
        if guest < 0:  # clocks are read at different moments: a time that is measured twice goes off the guest's
            written = min(written, inside)
            read, guest = min(read, inside - written), 0
        self.encode_ns += written
        self.guest_ns = guest
        self.decode_ns += read
        self.cpu_ns = self.scope.cpu_ns
        used = sandbox.fuel_used()
        self.fuel = -1 if used < 0 else self.setup_fuel + used
        self.memory_peak = account.used
        self.refused_grows = account.grows_refused - self.refused_before + self.setup_refused

    # Making an instance -------------------------------------------------------------------------------------

    def _make(self) -> Instance:
        """A new instance: memories, data, start function, on_initialize."""
        target, scope = self.target, self.scope
        generation = target.instances.generation_of(target.code)
        sandbox = Sandbox(target.code.linkage, self.platform.pool, self.platform.samples)
        try:
            sandbox.enter(scope)
            try:
                sandbox.instantiate()
                exchange = scope.exchange = Exchange(sandbox)
                if target.code.is_reactor:
                    sandbox.run(sandbox.export(REACTOR_INITIALIZE))
            finally:
                self.leave_made(sandbox)
            instance = Instance.made(target.code, sandbox, exchange, generation)
            self._initialize(instance)
        except BaseException:
            target.instances.note_start(failed=True)
            sandbox.expel(scope)
            sandbox.close()
            raise
        target.instances.note_start(failed=False)
        return instance

    def leave_made(self, sandbox: Sandbox) -> None:
        """Leave a sandbox in which an instance was made, or could not be; and keep what that took."""
        scope = self.scope
        self.cpu_ns = scope.cpu_ns
        self.setup_fuel = max(0, sandbox.fuel_used())
        scope.spent = scope.spent._replace(fuel=scope.spent.fuel + self.setup_fuel)
        self.setup_refused = self.refused_grows = sandbox.account.grows_refused
        self.memory_peak = sandbox.account.used
        sandbox.leave()

    def _initialize(self, instance: Instance) -> None:
        if self.origin == "lifecycle" or "on_initialize" not in self.target.code.callable:
            return
        part = hook(self.target, "on_initialize")
        self.scope.share_budget(part.scope)
        remove = self.scope.on_cancel(part.scope.cancel)
        try:
            part.run(on=instance)
        except (GuestError, GuestTrap, AbiViolation) as error:
            raise PluginNotReady(f"{self.scope.plugin} failed to initialize: {describe(error)[0]}") from error
        finally:
            remove()
            fuel = max(0, part.fuel)
            self.scope.take_over(part.scope, fuel)
            self.setup_fuel += fuel
            self.cpu_ns = self.scope.cpu_ns

    # The row ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Record the call, unless it never began."""
        error = self.error
        if self.scope.process is not None:
            self.scope.process.flush(self.scope)
        if self.scope.interrupted is not None and not isinstance(error, CallError):
            error = self.scope.ended or error
        began = self.started_ns != 0 or isinstance(error, CallError)
        if not began or (isinstance(error, JudiciaError) and not isinstance(error, CallError)):
            return
        if isinstance(error, CallError):
            facts.complete(error, self.scope, self.account)
        self._record(error)
        self.target.activity.last = self.record_position
        collected(self.platform.recorder, self.scope.call_id)
        if isinstance(self.error, CallError):
            self.error.record = self.platform.recorder.call_at(self.record_position)

    def _record(self, error: BaseException | None) -> None:
        scope, instance, recorder = self.scope, self.instance, self.platform.recorder
        if error is None:
            outcome, text = "ok", ""
        elif isinstance(error, CallError):
            outcome, text = error.outcome, f"{type(error).__name__}: {describe(error)[0]}"
        else:
            outcome, text = "host_failure", f"{type(error).__name__}: {error}"
        state = scope.policy.state
        row = EndedCall()
        row.call_id = scope.call_id
        row.parent_call_id = self.parent
        row.subject = self.target.subject
        row.origin = self.origin
        row.instance_id = instance.number if instance else self.instance_number
        was_entered = instance is not None and self.memory_before >= 0
        row.instance_call = max(self.instance_call, 1) if was_entered else self.instance_call  # a hook does not count
        row.thread = threading.current_thread().name
        row.labels = labels_in_force()
        row.started_ns = (self.started_ns or perf_counter_ns()) - recorder.began_ns
        row.queue_ns = self.queue_ns
        row.setup_ns = self.setup_ns
        row.encode_ns = self.encode_ns
        row.guest_ns = self.guest_ns
        row.host_ns = self.host_ns
        row.lock_ns = self.lock_ns
        row.decode_ns = self.decode_ns
        row.cpu_ns = self.cpu_ns
        row.fuel = self._known_fuel(error)
        row.memory_bytes = self.memory_before
        row.memory_peak_bytes = self.memory_peak
        row.grows_refused = self.refused_grows
        row.bytes_in = self.size_in
        row.bytes_out = self.bytes_out
        row.host_calls = scope.host_calls
        row.denied = scope.denied
        row.limits = limits_in_force(scope.budget.limits)
        row.policy_version = state.version
        row.outcome = outcome
        row.error = text
        self.record_position = recorder.add_call(row)

    def _known_fuel(self, error: BaseException | None) -> int:
        if error is None or isinstance(error, GuestError):
            return self.fuel
        if isinstance(error, QuotaExceeded) and error.quota == "fuel":
            return int(error.limit) - (self.scope.spent.fuel - self.setup_fuel)
        if isinstance(error, GuestTrap) and error.trap in FUEL_IS_KNOWN:
            return self.fuel
        return -1

    @property
    def record(self) -> CallRecord | None:
        """The row, once the call is over; None where it never began or was dropped since."""
        return self.platform.recorder.call_at(self.record_position) if self.record_position >= 0 else None


def hook(target: Target, name: str, budget: Policy | CappedBudget | None = None) -> Call:
    """A lifecycle hook of a plugin, as a call: its own row, clocks and quotas."""
    body: dict[str, Any] = {"name": target.subject.plugin, "version": target.code.manifest.version}
    if name == "on_initialize":
        body |= {"granted": sorted(target.policy.granted), "config": {**target.code.manifest.config, **target.config}}
    request = wire.encode(body)

    def run(call: Call) -> None:
        call.exchange(request)

    return Call(target.at(name), budget or target.policy, run, size_in=len(request), origin="lifecycle")
