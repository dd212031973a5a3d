"""One loaded module: its policy, its instances, and the ways to call it.

A `Plugin` keeps its name and its handle for as long as its runtime lives: loading another file under the same name
exchanges its code in place. Settings that the load does not name, such as grants and quotas, stay as they were.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from judicia_notebook.context import current_call, current_way
from judicia_notebook.engine import wire
from judicia_notebook.engine.finalizers import sweep
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import CallError, JudiciaError, NoSuchFunction, PluginNotReady, stays_in_process
from judicia_notebook.host.scope import CallScope
from judicia_notebook.policy.grants import read_requests
from judicia_notebook.policy.policy import CappedBudget, FormerPolicy, Policy
from judicia_notebook.policy.quotas import Quota, call_quota, make_quota
from judicia_notebook.records.record import CallRecord, Subject
from judicia_notebook.runtime.call import Call, hook
from judicia_notebook.runtime.exports import WASI_ABI
from judicia_notebook.runtime.facts import no_json
from judicia_notebook.runtime.handle import CallHandle, in_background
from judicia_notebook.runtime.inspection import Inspection, inspect
from judicia_notebook.runtime.linking import differences, not_callable
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.runtime.pool import Instance, InstancePool, Instances, Making
from judicia_notebook.runtime.raw import RawFunction
from judicia_notebook.runtime.source import Options, Source
from judicia_notebook.runtime.target import Activity, Target
from judicia_notebook.runtime.ufunc import UniversalFunction
from judicia_notebook.runtime.wasi_command import RunResult, run
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from anywidget import AnyWidget

    from judicia_notebook.analysis.bench import Bench
    from judicia_notebook.analysis.profiles.profile import Profile
    from judicia_notebook.analysis.traces.story import Trace
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.platform import Platform
    from judicia_notebook.wasm.info import Export, FuncType, Import
    from judicia_notebook.wasm.manifest import Manifest

CLEANUP_SECONDS = 1.0
ORIGINS = frozenset({"bench", "sweep"})
"""Ways of making calls that a row's origin names; see `via`."""


@stays_in_process("In the other process, load it: jn.Runtime().load(source). jn.sweep does that for a grid of calls.")
class Plugin:
    """A module loaded into a runtime. `Runtime.load` makes them.

    Attributes
    ----------
    name : str
    policy : Policy
        Live grants and quotas.
    changes : tuple of str
        What the last load under this name changed; empty after the first.
    """

    def __init__(
        self,
        name: str,
        code: Code,
        platform: Platform,
        policy: Policy,
        *,
        instances: Instances,
        config: Mapping[str, Any],
        on_unload: Callable[[Plugin], bool],
        named: Callable[[str], Plugin | None],
        claimed: str = "",
        options: Options | None = None,
    ) -> None:
        self.name = name
        self.claimed = claimed  # the name in its manifest, if that is why it came in; "" where the caller named it
        self.options = options or Options()
        self.policy = policy
        self.changes: tuple[str, ...] = ()
        self._recorder = platform.recorder
        self._platform = platform
        self.kept_instances = instances
        self._instances = InstancePool(name, Making(code, dict(config)), _kind(instances, code), policy)
        policy.observe(partial(_follow, weakref.ref(self)))
        self._unloaded = False  # its runtime sets this, when it frees the name
        self._targets: dict[str, Target] = {}
        self._activity = Activity()
        self._on_unload = on_unload
        self._named = named

    # What it is ---------------------------------------------------------------------------------------------

    @property
    def source(self) -> Source:
        """What it was loaded from."""
        return self._code.source

    @property
    def current(self) -> Plugin:
        """The plugin of this name: this one, or what was loaded under its name after this one was unloaded."""
        return (self._named(self.name) or self) if self._unloaded else self

    @property
    def _code(self) -> Code:
        """The module as it was read and compiled."""
        return self._instances.making.code

    @property
    def config(self) -> Mapping[str, Any]:
        """The config that on_initialize gets, over the manifest's own."""
        return MappingProxyType(self._instances.making.config)

    @property
    def state(self) -> str:
        """``loaded`` (nothing of it ran yet), ``ready``, ``failed`` (to initialize) or ``unloaded``."""
        if self._unloaded:
            return "unloaded"
        if self._instances.failed:
            return "failed"
        return "ready" if self._instances.started else "loaded"

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return self._code.manifest

    @property
    def manifest_origin(self) -> str:
        """``section``, ``plugin.toml``, ``derived`` or ``given``."""
        return self._code.manifest_origin

    @property
    def digest(self) -> str:
        """SHA-256 of the wasm bytes, in hex."""
        return self._code.digest

    @property
    def abi(self) -> str:
        """``judicia-v1``, ``wasi`` or ``raw``."""
        return self._code.abi

    @property
    def is_command(self) -> bool:
        """Whether it is a WASI command: something to `run`, with no functions to call."""
        return self._code.abi == WASI_ABI

    @property
    def exports(self) -> tuple[Export, ...]:
        """What the module exports, in its own order."""
        return self._code.module.exports

    @property
    def imports(self) -> tuple[Import, ...]:
        """What the module imports: all it can reach."""
        return self._code.module.imports

    @property
    def functions(self) -> tuple[str, ...]:
        """The names that `call` takes."""
        return tuple(self._code.callable)

    @property
    def instances(self) -> int | str:  # jedi completes nothing on an object that has a property typed as a Literal
        """How many instances live between calls, or ``"fresh"``."""
        return self._instances.kind

    @property
    def requested(self) -> tuple[str, ...]:
        """What the manifest asks for and is not granted; what cannot be granted is in `inspect`."""
        granted = self.policy.granted
        return tuple(grant for grant in read_requests(self.manifest.capabilities).grants if grant not in granted)

    @property
    def requested_quota(self) -> dict[str, Any]:
        """Quotas the manifest asks for beyond what it has, by kind; they wait for the user."""
        requests, has = make_quota(self.manifest.quota).given(), self.policy.quota.given()
        return {
            kind: value
            for kind, value in requests.items()
            if has[kind] is not None and (value is None or value > has[kind])
        }

    def inspect(self) -> Inspection:
        """Everything about it that can be known without running it."""
        return inspect(self._code, self._platform.dispatcher, name=self.name, granted=self.policy.granted)

    def __repr__(self) -> str:
        return f"<Plugin {self.name} {self.manifest.version} {self.state}, {self.digest[:12]}>"

    # Calling ------------------------------------------------------------------------------------------------

    def call(self, function: str, payload: Any = None, *, quota: Quota | Mapping[str, Any] | None = None) -> Any:
        """Call a function with JSON and get its JSON answer.

        Parameters
        ----------
        function : str
        payload : Any
            Anything with a JSON form: plain values, dataclasses, datetimes, NumPy. None sends nothing.
        quota : Quota, optional
            Limits for this call alone; in force is the least of these and the plugin's.

        Returns
        -------
        Any
            None where the function gave no value.

        Raises
        ------
        CallError
            What the plugin, a limit or a person did; ``error.record`` has its costs.
        NoSuchFunction, PluginNotReady, InvalidPayload

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.load("example:specimen").call("echo", {"a": 1})
        {'a': 1}
        """
        return self.json_call(function, payload, quota).run()

    def attempt(self, function: str, payload: Any = None, *, quota: Quota | Mapping[str, Any] | None = None) -> Outcome:
        """`call`, with what the plugin caused as data instead of an exception."""
        made = self.json_call(function, payload, quota)
        try:
            return Outcome(made.run(), None, made.record)
        except (CallError, PluginNotReady) as error:
            return Outcome(None, error, made.record)

    def submit(
        self, function: str, payload: Any = None, *, quota: Quota | Mapping[str, Any] | None = None
    ) -> CallHandle:
        """`call` in the background: a handle that can be waited for, awaited and cancelled.

        Raises
        ------
        NoSuchFunction, PluginNotReady, InvalidPayload, ResourceExhausted
            It was not submitted.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     handle = rt.load("example:specimen").submit("echo", [1, 2])
        ...     handle.result(timeout=10)
        [1, 2]
        """
        return in_background(self.json_call(function, payload, quota), self._platform.workers)

    async def call_async(
        self, function: str, payload: Any = None, *, quota: Quota | Mapping[str, Any] | None = None
    ) -> Any:
        """`call` without blocking the event loop. Cancelling the task cancels the call."""
        handle = self.submit(function, payload, quota=quota)
        try:
            return await handle
        except asyncio.CancelledError:
            handle.cancel()
            raise

    def call_bytes(self, function: str, data: bytes, *, quota: Quota | Mapping[str, Any] | None = None) -> bytes:
        """Call a function with bytes and get its bytes, without JSON; ``b""`` where it gave no value.

        Raises
        ------
        CallError, NoSuchFunction, PluginNotReady
        """
        request = bytes(data)
        made = self._abi_call(function, request, 0, quota, lambda _, answer: answer or b"")
        answer: bytes = made.run()
        return answer

    def raw(self, export: str) -> RawFunction:
        """An export that takes and returns numbers.

        Raises
        ------
        NoSuchFunction
            No such function, or its type has more than i32, i64, f32 and f64 in it.
        """
        return RawFunction(self, export, self._numeric(export))

    def ufunc(self, export: str) -> UniversalFunction:
        """An export that takes and returns numbers, as a function of arrays and columns; NumPy calls such a ufunc.

        Raises
        ------
        NoSuchFunction
            As for `raw`.

        Examples
        --------
        >>> import numpy as np
        >>> import judicia_notebook as jn
        >>> text = '(module (func (export "half") (param f64) (result f64) (f64.mul (local.get 0) (f64.const 0.5))))'
        >>> with jn.Runtime() as rt:
        ...     rt.load(text, name="halves").ufunc("half")(np.array([1.0, 5.0]))
        array([0.5, 2.5])
        """
        return UniversalFunction(self, export, self._numeric(export))

    def _numeric(self, export: str) -> FuncType:
        """The type of an export that takes and returns numbers."""
        kind = self._code.functions.get(export)
        if kind is None:
            raise NoSuchFunction(
                f"{self.name} exports no function {export!r}.{did_you_mean(export, self._code.functions)}"
            )
        if not {*kind.params, *kind.results} <= {"i32", "i64", "f32", "f64"}:
            raise NoSuchFunction(f"{self.name}.{export} is {kind}, and only i32, i64, f32 and f64 can be passed.")
        return kind

    def run(
        self, args: Sequence[str] = (), stdin: bytes | str = b"", *, quota: Quota | Mapping[str, Any] | None = None
    ) -> RunResult:
        """Run a WASI command in an instance of its own. It sees the plugin's name before its arguments.

        Raises
        ------
        CallError
            It did not come to its end. A returncode other than 0 raises nothing; the record's outcome is guest_error.
        NoSuchFunction, InvalidPayload, PluginNotReady
        """
        return run(self, args, stdin, quota)

    def json_call(
        self,
        function: str,
        payload: Any,
        quota: Quota | Mapping[str, Any] | None,
        instances: InstancePool | None = None,
    ) -> Call:
        """A call with JSON that is about to be made, for `call` and its kin; `instances` are its own unless given."""
        began = perf_counter_ns()
        request = b"" if payload is None else wire.encode(payload)
        return self._abi_call(function, request, perf_counter_ns() - began, quota, _decode, instances)

    def _abi_call(
        self,
        function: str,
        request: bytes,
        encode_ns: int,
        quota: Quota | Mapping[str, Any] | None,
        finish: Callable[[Call, Any], Any],
        instances: InstancePool | None = None,
    ) -> Call:
        target = self._target(function, self._code.abi)
        if instances is not None:
            target = target._replace(instances=instances)
        if function not in target.code.callable:
            raise not_callable(self.name, target.code, function)

        def exchange(call: Call) -> bytes | None:
            return call.exchange(request)

        way = current_way()
        origin = way if way in ORIGINS else "user"
        return self._begin(
            target, quota, exchange, finish=finish, size_in=len(request), origin=origin, encode_ns=encode_ns
        )

    def _begin(
        self, target: Target, quota: Quota | Mapping[str, Any] | None, body: Callable[[Call], Any], **more: Any
    ) -> Call:
        """A call that is about to be made; for `call` and its kin."""
        if self._unloaded:
            raise PluginNotReady(f"{self.name} is unloaded.", hint=f"Load it again under the name {self.name}.")
        if quota is None:
            return Call(target, self.policy, body, **more)
        return Call(target, CappedBudget(self.policy, call_quota(quota, self.policy.ceiling)), body, **more)

    def _target(self, function: str, abi_name: str) -> Target:
        """The target of a call of this function now."""
        targets, (code, config) = (
            self._targets,
            self._instances.making,
        )  # in this order: a replace changes them in the other
        target = targets.get(function)
        if target is None or target.subject.abi != abi_name:
            subject = Subject(self.name, code.digest, function, abi_name)
            target = Target(self._platform, self.policy, code, self._instances, subject, config, self._activity)
            if function in code.functions:
                targets[function] = target
        return target

    # Lifecycle ----------------------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Make an instance now: its start function and on_initialize run, under the plugin's quotas.

        Raises
        ------
        CallError
            What they ran into.
        PluginNotReady
            Unloaded.
        """
        if self._instances.idle:
            return
        target = self._target("on_initialize", self._code.abi)

        def body(call: Call) -> None:
            if call.instance is not None and call.instance.calls == 0 and "on_initialize" in call.target.code.callable:
                self._instances.note_start(failed=True)  # until it has gone well
                call.sandbox.broken = True
                hook(call.target, "on_initialize").body(call)
                call.sandbox.broken = call.scope.reported is not None
                self._instances.note_start(failed=call.sandbox.broken)

        self._begin(target, None, body, origin="lifecycle").run()

    def unload(self) -> None:
        """Unload it: end its calls and free its memory.

        Running calls are cancelled, on_cleanup runs in idle instances (at most 1 s in all), memory is freed. Ctrl-C
        ends an on_cleanup that runs, and what is left is freed all the same.
        """
        with deferred():
            if self._on_unload(self):
                self._platform.recorder.add_audit("unload", self.name, self.digest[:12], current_way())
                self.let_go("unloaded")

    def let_go(self, why: str) -> None:
        """End its calls and free its instances; a second call frees what the first left."""
        with deferred():
            idle = self._instances.close()  # first, so that no call begins behind the cancelling
            self.cancel_calls(why)
            self.retire(idle)

    def cancel_calls(self, why: str = "the runtime ends") -> None:
        """Cancel every call that runs or waits."""
        for call in tuple(self._activity.running.values()):
            call.scope.cancel(why)

    def _end(self) -> None:
        """Take no more calls and cancel those there are: the interpreter is about to go."""
        self._instances.close()
        self.cancel_calls()

    @property
    def _busy(self) -> bool:
        """Whether there is a call that runs or waits, other than the one this is called from."""
        return bool(self._activity.running.keys() - {current_call.get()})

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
        if first is not None:
            raise first

    def _clean_up(self, instance: Instance, seconds: float) -> None:
        target = self._target("on_cleanup", self._code.abi).on(Making(instance.code, self._instances.making.config))
        call = hook(target, "on_cleanup", CappedBudget(self.policy, Quota(cpu=CLEANUP_SECONDS, wall=seconds)))
        with contextlib.suppress(JudiciaError):  # it is going anyway, and its row says what happened
            call.run(on=instance)

    def hold_back(self, new: Code) -> None:
        """Hold the present code to its present rights: it may still run or clean up while its successor gets more."""
        activity, old = self._activity, self._code.digest
        activity.former.pop(new.digest, None)
        if new.digest == old:
            return
        former = activity.former[old] = FormerPolicy(self.policy, self.policy.snapshot())
        for call in tuple(activity.running.values()):  # a call that begins now looks up `former` by its digest
            if call.scope.digest == old:
                call.hold_to(former)

    def _replace(
        self, code: Code, *, instances: Instances | None, config: Mapping[str, Any] | None, options: Options
    ) -> list[Instance]:
        """Exchange the code in place, for `Runtime.load`. Returns the instances left over, for `retire`."""
        self.changes = differences(self._code, code)
        self.kept_instances = instances or self.kept_instances
        self.options = options
        making = Making(code, self._instances.making.config if config is None else dict(config))
        idle = self._instances.renew(making, _kind(self.kept_instances, code))
        self._targets = {}
        return idle

    # Experiments: the rooms above, each imported where it is asked for ---------------------------------------

    def bench(
        self,
        function: str,
        payload: Any = None,
        *,
        repeats: int = 30,
        warmup: int = 3,
        quota: Quota | Mapping[str, Any] | None = None,
    ) -> Bench:
        """Measure what a call costs, in a new instance (cold) and in one that has served calls before (warm).

        Its calls are rows of `Runtime.calls` like any other, with the origin ``bench``; those to warm up are among
        them.

        Parameters
        ----------
        function : str
        payload : Any
            As for `call`.
        repeats : int
            Calls of either kind. Six give an interval, thirty a good one.
        warmup : int
            Calls of either kind before them, which are not in the result.
        quota : Quota, optional
            Limits for each call.

        Returns
        -------
        Bench
            ``.cold`` and ``.warm`` with medians and their 95 % intervals, ``.summary`` as a frame.

        Raises
        ------
        CallError
            No call ended well; it is the first one's error.
        NoSuchFunction, PluginNotReady, InvalidPayload
        ValueError
            Fewer than one repeat.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     found = rt.load("example:specimen").bench("echo", [1, 2], repeats=10)
        >>> found.cold.wall_ms.median > found.warm.wall_ms.median
        True
        """
        from judicia_notebook.experiments.bench import bench

        return bench(self, function, payload, repeats=repeats, warmup=warmup, quota=quota)

    def profile(
        self,
        function: str,
        payload: Any = None,
        *,
        quota: Quota | Mapping[str, Any] | None = None,
        samples: int = 500,
        seconds: float = 5.0,
    ) -> Profile:
        """Find out where a function spends its time: its calls, sampled at 1 ms.

        It is called again until there are enough samples, so what it changes it changes again; a call that takes a
        second is made once. The rows of these calls have the origin ``profile``. A call that a quota ends, or a trap,
        is profiled up to there: see `Profile.error`.

        Parameters
        ----------
        function : str
        payload : Any
            As for `call`.
        quota : Quota, optional
            Limits for each call.
        samples : int
            How many are enough.
        seconds : float
            No further call begins after these, nor after 20 000 calls.

        Returns
        -------
        Profile
            ``.functions`` is a frame, ``.flame_graph()`` HTML, ``.figure()`` a figure, ``.save("x.json")`` a file.

        Raises
        ------
        CallError
            The first call failed before there was one sample.
        NoSuchFunction, PluginNotReady, InvalidPayload
        """
        from judicia_notebook.experiments.profiler import profile

        return profile(self, function, payload, quota=quota, samples=samples, seconds=seconds)

    def trace(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        call_id: int | None = None,
        quota: Quota | Mapping[str, Any] | None = None,
        limit: int | str = 200,
    ) -> Trace:
        """Tell a call as a story, as strace does: host calls, denials, grows, log lines, the answer.

        Parameters
        ----------
        function : str, optional
            Call it now, keep the first bytes of all that is said, and tell of that call, however it ended.
        payload : Any
            For that call.
        call_id : int, optional
            Without a `function`: which call to tell of; by default the last.
        quota : Quota, optional
            For that call.
        limit : int or str
            How many bytes of each payload to keep; at most 64 KiB.

        Raises
        ------
        NoSuchFunction, PluginNotReady, InvalidPayload
            The call could not be made.
        JudiciaError
            There is no such call.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     story = rt.load("example:specimen").trace("echo", [1, 2])
        >>> story.steps[0].text.partition("), ")[0], story.steps[-1].text.partition(" · ")[0]
        ('specimen.echo([1,2]', 'specimen.echo = ok [1,2]')
        """
        from judicia_notebook.experiments.tracer import trace

        return trace(self, function, payload, call_id=call_id, quota=quota, limit=limit)

    # What it did --------------------------------------------------------------------------------------------

    def panel(self, show: str | None = None, scale: float = 1.0) -> AnyWidget:
        """The live panel: what it may do, uses and did, and the controls that change it; `show` opens a tab."""
        from judicia_notebook.notebook.live.panel.panel import make_panel

        return make_panel(self, show, scale)

    def charts(self, scale: float = 1.0) -> AnyWidget:
        """Live charts: memory and CPU of its calls against their limits, host calls by capability, outcomes."""
        from judicia_notebook.notebook.live.charts.charts import make_charts

        return make_charts(self, scale)

    @property
    def last(self) -> CallRecord | None:
        """The record of the last call; None before the first."""
        return self._platform.recorder.call_at(self._activity.last) if self._activity.last >= 0 else None

    @property
    def calls(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.calls`."""
        from judicia_notebook.records import frames

        return frames.calls(self._platform.recorder, plugin=self.name)

    @property
    def host_calls(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.host_calls`."""
        from judicia_notebook.records import frames

        return frames.host_calls(self._platform.recorder, plugin=self.name)

    @property
    def logs(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.logs`."""
        from judicia_notebook.records import frames

        return frames.logs(self._platform.recorder, plugin=self.name)

    @property
    def audit(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.audit`."""
        from judicia_notebook.records import frames

        return frames.audit(self._platform.recorder, plugin=self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unload()


def _decode(call: Call, answer: bytes | None) -> Any:
    """The value an answer stands for; None for no value."""
    if answer is None:
        return None
    scope = call.scope
    try:
        return call.read(answer, CallScope.read_json)
    except ValueError as error:
        raise no_json(scope, answer, error) from None


def _kind(wanted: Instances, code: Code) -> Instances:
    """The pool's kind. A command's instance cannot be entered twice, whatever the caller wants."""
    return "fresh" if code.abi == WASI_ABI else wanted


def _seconds_left(until: float) -> float:
    """Until a moment on the monotonic clock."""
    return until - time.monotonic()


def _follow(plugin: weakref.ref[Plugin], _: Policy) -> None:
    """After a change of the policy: more calls may begin, or fewer instances may stay."""
    found = plugin()
    if found is not None:
        found.retire(found._instances.settle())  # noqa: SLF001
