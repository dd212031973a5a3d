"""The code of a plugin that is in force, the instances that it runs in, and the calls that are made of it.

A plugin keeps one deployment for as long as it lives. A load over its name replaces the code in it; a bench or a
monitor makes calls in instances beside its own, through a deployment that shares policy, records and running calls.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import current_call, current_way
from judicia_notebook.engine.finalizers import sweep
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import JudiciaError, PluginNotReady
from judicia_notebook.policy.budget import CappedBudget
from judicia_notebook.policy.policy import FormerPolicy, Policy
from judicia_notebook.policy.quotas import Quota
from judicia_notebook.records.record import Subject
from judicia_notebook.runtime.call import Call, hook
from judicia_notebook.runtime.exports import RAW_ABI, WASI_ABI
from judicia_notebook.runtime.instance import Instance, Making
from judicia_notebook.runtime.pool import InstancePool, Instances
from judicia_notebook.runtime.target import Activity, RunningCall, Target
from judicia_notebook.runtime.way import Way, kind_of, running_calls

if TYPE_CHECKING:
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.platform import Platform

CLEANUP_SECONDS = 1.0
ORIGINS = frozenset({"bench", "sweep", "warmup"})
"""Ways of making calls that a row's origin names; see `via`."""


class Deployment:
    """Where the calls of a plugin go.

    Attributes
    ----------
    name : str
    policy : Policy
    platform : Platform
    instances : InstancePool
        What runs its code; it knows which code that is.
    activity : Activity
        The calls that run, in these instances and in those beside them.
    diverted : Deployment or None
        Where its calls go while it is monitored.
    """

    def __init__(self, name: str, policy: Policy, platform: Platform, instances: InstancePool) -> None:
        self.name = name
        self.policy = policy
        self.platform = platform
        self.instances = instances
        self.activity = Activity()
        self.diverted: Deployment | None = None
        self._targets: dict[str, Target] = {}
        self._ways: dict[tuple[str, str, str], Way | None] = {}
        policy.observe(partial(_follow, weakref.ref(self)))

    @classmethod
    def of(
        cls,
        name: str,
        code: Code,
        policy: Policy,
        platform: Platform,
        *,
        instances: Instances,
        config: Mapping[str, Any],
    ) -> Deployment:
        """A deployment of this code, with instances yet to be made."""
        pool = InstancePool(name, Making(code, dict(config)), _kind(instances, code), policy)
        return cls(name, policy, platform, pool)

    @property
    def code(self) -> Code:
        """The module as it was read and compiled."""
        return self.instances.making.code

    # Where a call goes --------------------------------------------------------------------------------------

    def target(self, function: str, abi_name: str) -> Target:
        """The target of a call of this function now."""
        if (twin := self.diverted) is not None:
            return self._diverting(twin).own_target(function, abi_name)
        return self.own_target(function, abi_name)

    def own_target(self, function: str, abi_name: str) -> Target:
        """The same in its own instances, also while calls of it are made in others."""
        targets = self._targets  # before the code: a replace changes them in the other order
        code, config = self.instances.making
        target = targets.get(function)
        if target is None or target.subject.abi != abi_name:
            subject = Subject(self.name, code.digest, function, abi_name, code.metering, code.monitored)
            target = Target(self.platform, self.policy, code, self.instances, subject, config, self.activity)
            if function in code.functions:
                targets[function] = target
        return target

    def way(self, function: str, abi_name: str) -> Way | None:
        """The way that calls of this function take in the core; None where they take none."""
        ways, via = self._ways, current_way()  # before the code: a replace changes them in the other order
        try:
            return ways[function, abi_name, via]
        except KeyError:
            target = self.target(function, abi_name)
            if target.instances.observer is not None:
                return None
            code = target.code
            known = code.functions if abi_name == RAW_ABI else code.callable if code.abi == abi_name else {}
            kind = kind_of(known[function], abi_name) if function in known else None
            place, origin = tuple(code.functions).index(function) if kind is not None else 0, origin_of(via)
            way = None if kind is None else Way(target, kind, origin, place)
            if function in code.functions:
                ways[function, abi_name, via] = way
            return way

    @contextlib.contextmanager
    def beside(self, instances: InstancePool) -> Iterator[Deployment]:
        """The same deployment on other instances, for calls that leave its own alone.

        Policy, records and running calls are shared: a cancel, a change of the policy and a replacement of the code
        reach these calls, too. At the end of the block the instances are closed.
        """
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), instances=instances, diverted=None, _targets={}, _ways={})
        activity = self.activity
        activity.apart.append(instances)
        # Behind that line: an earlier replacement of the code is known here, a later one finds the instances.
        if (former := activity.former.get(instances.making.code.digest)) is not None:
            instances.hold(former.live.former)
        try:
            yield twin
        finally:
            activity.last = max(activity.last, instances.last)
            try:
                self.retire(instances.close())
            finally:
                activity.apart.remove(instances)

    @contextlib.contextmanager
    def divert(self, instances: InstancePool) -> Iterator[None]:
        """Have all calls of it made on other instances, by whomever, in the block. Its own are left alone.

        Raises
        ------
        JudiciaError
            They are already.
        """
        with self.beside(instances) as twin:
            with deferred():
                if self.diverted is not None:
                    raise JudiciaError(f"{self.name} is monitored already; one block ends before the next begins.")
                self.diverted = twin
                self._ways = {}
            try:
                yield
            finally:
                with deferred():
                    self.diverted = None
                    self._ways = {}

    def _diverting(self, twin: Deployment) -> Deployment:
        """Where calls go meanwhile."""
        if twin.code.digest != self.code.digest:
            raise PluginNotReady(
                f"{self.name} was replaced while it was monitored: its new code is not.",
                hint="End the block, and monitor it again.",
            )
        return twin

    # What runs ----------------------------------------------------------------------------------------------

    @property
    def running_calls(self) -> tuple[RunningCall, ...]:
        """The calls that run or wait, the oldest first."""
        return running_calls(self.own_target("", self.code.abi))

    @property
    def is_busy(self) -> bool:
        """Whether there is a call that runs or waits, other than the one this is called from."""
        pools = (self.instances, *self.activity.apart)
        others = self.activity.running.keys() | {walker.id for pool in pools for walker in pool.walkers()}
        return bool(others - {current_call.get()})

    def cancel_calls(self, why: str) -> None:
        """Cancel every call that runs or waits."""
        for call in self.running_calls:
            call.scope.cancel(why)

    # Its end, and the end of code that is replaced ----------------------------------------------------------

    def let_go(self, why: str) -> None:
        """End its calls and free its instances; a second call frees what the first left."""
        with deferred():
            idle = self.instances.close()  # first, so that no call begins behind the cancelling
            self.cancel_calls(why)
            self.retire(idle)

    def end(self, why: str) -> None:
        """Take no more calls and cancel those there are: the interpreter is about to go."""
        self.instances.close()
        self.cancel_calls(why)

    def retire(self, idle: list[Instance]) -> None:
        """Run on_cleanup in instances that no call will get, and free them. The first exception is raised at the end.

        Guests run here, so no lock of the runtime may be held.
        """
        first: BaseException | None = None
        until = time.monotonic() + CLEANUP_SECONDS  # for all of them together
        for instance in idle:
            left = _seconds_left(until)
            if first is None and left > 0 and "on_cleanup" in instance.code.callable:
                try:
                    self._clean_up(instance, left)
                except BaseException as error:  # Ctrl-C, for example; it has ended the hook
                    first = error
            instance.sandbox.close()
        sweep()
        try:
            if first is not None:
                raise first
        finally:
            del first  # its traceback has this frame

    def _clean_up(self, instance: Instance, seconds: float) -> None:
        target = self.own_target("on_cleanup", self.code.abi).on(Making(instance.code, self.instances.making.config))
        call = hook(target, "on_cleanup", CappedBudget(self.policy, Quota(cpu=CLEANUP_SECONDS, wall=seconds)))
        with contextlib.suppress(JudiciaError):  # it is going anyway, and its row says what happened
            call.run(on=instance)

    def hold_back(self, new: Code) -> None:
        """Hold the present code to its present rights: it may still run or clean up while its successor gets more."""
        activity, old = self.activity, self.code.digest
        activity.former.pop(new.digest, None)
        if new.digest == old:
            self.instances.hold(None)
            return
        former = activity.former[old] = FormerPolicy(self.policy, self.policy.snapshot())
        for pool in (self.instances, *activity.apart):
            if pool.making.code.digest == old:
                pool.hold(former.live.former)
        for call in self.running_calls:  # a call that begins now looks up `former` by its digest
            if call.scope.digest == old:
                call.hold_to(former)

    def replace(self, code: Code, *, instances: Instances, config: Mapping[str, Any] | None) -> list[Instance]:
        """Put other code in force. Returns the instances left over, for `retire`."""
        making = Making(code, self.instances.making.config if config is None else dict(config))
        idle = self.instances.renew(making, _kind(instances, code))
        self._targets = {}
        self._ways = {}
        return idle

    def initialize(self) -> None:
        """Make an instance now, unless there is one: its start function and on_initialize run, under the quotas."""
        if self.diverted is not None:
            self.diverted.initialize()
            return
        if self.instances.idle:
            return

        def body(call: Call) -> None:
            if call.instance is not None and call.instance.calls == 0 and "on_initialize" in call.target.code.callable:
                self.instances.note_start(failed=True)  # until it has gone well
                call.sandbox.broken = True
                hook(call.target, "on_initialize").body(call)
                call.sandbox.broken = call.scope.reported is not None
                self.instances.note_start(failed=call.sandbox.broken)

        Call(self.target("on_initialize", self.code.abi), self.policy, body, origin="lifecycle").run()


def origin_of(via: str) -> str:
    """The origin of calls that are made by this way."""
    return via if via in ORIGINS else "user"


def _kind(wanted: Instances, code: Code) -> Instances:
    """The pool's kind. A command's instance cannot be entered twice, whatever the caller wants."""
    return "fresh" if code.abi == WASI_ABI else wanted


def _seconds_left(until: float) -> float:
    """Until a moment on the monotonic clock."""
    return until - time.monotonic()


def _follow(deployment: weakref.ref[Deployment], _: Policy) -> None:
    """After a change of the policy: more calls may begin, or fewer instances may stay."""
    found = deployment()
    if found is not None:
        found.retire(found.instances.settle())
