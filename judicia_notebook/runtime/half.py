"""Python's half of a call that the core began alone: it takes the call over as it stands, and goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine.core import structs
from judicia_notebook.engine.core.structs import Number, Status, Step
from judicia_notebook.engine.memory import EndedAccount
from judicia_notebook.runtime.call import Call

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import MemoryAccount
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.policy.budget import CappedBudget
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.runtime.instance import Instance
    from judicia_notebook.runtime.target import Target


class Half(Call):
    """Python's half of a call.

    Parameters
    ----------
    target : Target
    budget : Policy or CappedBudget
    origin : str
    call_id : int
        The core knows the call by it.
    adopt : callable
        ``adopt(call_id)`` takes the call from the core, which ends it otherwise. After that Python has to end it.
    """

    _ended: EndedAccount | None = None
    _entered: Sandbox | None = None
    """The sandbox that this thread is inside of; none where the instance is given back."""

    def __init__(
        self,
        target: Target,
        budget: Policy | CappedBudget,
        origin: str,
        call_id: int,
        adopt: Callable[[int], object],
    ) -> None:
        super().__init__(target, budget, _no_body, origin=origin, call_id=call_id)
        self._adopt: Callable[[int], object] | None = adopt
        self.scope.digest = digest = target.subject.digest
        if (former := target.activity.former.get(digest)) is not None:
            self.hold_to(former)

    def fill(self, pointer: int, token: int = 0) -> None:
        """Take over what the core knows of the call.

        Parameters
        ----------
        pointer : int
            Of the ``jc_call``.
        token : int
            The call's, where another thread is in it.
        """
        fields, scope, instances = structs.Call.from_address(pointer), self.scope, self.target.instances
        numbers = fields.numbers
        self.size_in, self.parent = numbers[Number.BYTES_IN], numbers[Number.PARENT_CALL_ID]
        self.started_ns = numbers[Number.STARTED_NS] + self.platform.recorder.began_ns
        self.memory_before = numbers[Number.MEMORY_BYTES]
        if token:  # its box may be gone in a moment
            scope.account = instances.account_of(scope.call_id)
        elif fields.box:
            instance = instances.instance_of(fields.box, self.target.code)
            scope.exchange, scope.account = instance.exchange, instance.sandbox.account
        if scope.pointer != pointer:
            scope.take(pointer, token)

    def conclude(self) -> Any:
        """Go on with a call that the core could not end: raise its error. This thread is inside its instance.

        Raises
        ------
        CallError, KeyboardInterrupt
        """
        scope, instances = self.scope, self.target.instances
        fields = scope.fields
        instance = instances.instance_of(fields.box, self.target.code)
        self._entered = instance.sandbox
        self.encode_ns = fields.numbers[Number.ENCODE_NS]
        if fields.step != Step.MADE:
            return self._take_through(lambda: self.giving_back(None, lambda: self._fail_making(instance)))
        self.instance = instance
        self.setup_ns = fields.numbers[Number.SETUP_NS]
        if fuel := fields.numbers[Number.FUEL_USED]:  # of making the instance
            self.setup_fuel = fuel
            scope.spent = scope.spent._replace(fuel=fuel)
        self.refused_before = fields.numbers[Number.GROWS_REFUSED]
        scope.lock_ns = fields.numbers[Number.LOCK_NS]
        instance.sandbox.back_ns = fields.ended_ns
        return self._take_through(lambda: self.giving_back(instance, lambda: self._fail_inside(instance)))

    def resume(self, answer: Any) -> Any:
        """Go on with a call that the core has ended, and whose row is not written yet. Its instance is given back.

        Parameters
        ----------
        answer : Any
            For `finish`.

        Raises
        ------
        CallError, KeyboardInterrupt
        """
        scope = self.scope
        numbers = list(scope.fields.numbers)
        self.setup_ns, self.encode_ns = numbers[Number.SETUP_NS], numbers[Number.ENCODE_NS]
        self.guest_ns, self.host_ns = numbers[Number.GUEST_NS], numbers[Number.HOST_NS]
        self.decode_ns, self.lock_ns = numbers[Number.DECODE_NS], numbers[Number.LOCK_NS]
        self.inside_ns = perf_counter_ns() - scope.fields.entered_ns
        self.cpu_ns, self.fuel = numbers[Number.CPU_NS], numbers[Number.FUEL_USED]
        self.memory_before, self.memory_peak = numbers[Number.MEMORY_BYTES], numbers[Number.MEMORY_PEAK_BYTES]
        self.refused_grows, self.bytes_out = numbers[Number.GROWS_REFUSED], numbers[Number.BYTES_OUT]
        self.instance_number, self.instance_call = numbers[Number.INSTANCE_ID], numbers[Number.INSTANCE_CALL]
        self._ended = EndedAccount(scope.fields)

        def end() -> Any:
            if scope.reported is not None:
                raise scope.reported
            return answer

        return self._take_through(end)

    @property
    def account(self) -> MemoryAccount | EndedAccount | None:
        """The memories of the instance it is or was in."""
        return self._ended or super().account

    def _take_through(self, work: Callable[[], Any]) -> Any:
        def taken() -> Any:
            self._take_over()
            return work()

        return self.go_through(taken)

    def _take_over(self) -> None:
        """Take the call from the core; a second time does nothing."""
        if self._adopt is None:
            return
        if self._entered is not None:
            self.target.instances.occupy(self.scope)
            self._entered.adopt(self.scope)
        self._adopt(self.scope.call_id)
        self._adopt = None

    def _secure(self) -> None:
        """Take the call over first: otherwise the core and Python would both end it."""
        self._take_over()
        super()._secure()

    def _fail_inside(self, instance: Instance) -> Any:
        scope, exchange = self.scope, instance.exchange
        fields = scope.fields

        def fail() -> None:
            exchange.note_times()
            if fields.status == Status.OVER_MEMORY:  # its limit was lowered while the instance was made
                raise scope.excess()
            raise exchange.failure(fields.status, scope, self.size_in)

        try:
            return self.do_inside(instance, fields.entered_ns, fail)
        finally:
            instance.sandbox.leave()

    def _fail_making(self, instance: Instance) -> None:
        """Raise the error of an instance that the core could not make. The call's row names no instance."""
        scope, instances, sandbox = self.scope, self.target.instances, instance.sandbox
        fields = scope.fields
        try:
            try:
                raise sandbox.failure(fields.status, starting=fields.step == Step.STARTS)
            finally:
                self.leave_made(sandbox)
        except BaseException:
            instances.note_start(failed=True)
            sandbox.expel(scope)
            instances.forget(instance)
            raise
        finally:
            self.setup_ns = perf_counter_ns() - self.started_ns


def _no_body(_call: Call) -> None:
    raise RuntimeError("the core has made this call")
