"""One loaded module: its policy, its instances, and the ways to call it.

A `Plugin` keeps its name and its handle for as long as its runtime lives: loading another file under the same name
exchanges its code in place. Settings that the load does not name, such as grants and quotas, stay as they were.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from time import perf_counter_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from judicia_notebook.context import current_way
from judicia_notebook.engine import abi, wire
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import JudiciaError, PolicyLocked, stays_in_process
from judicia_notebook.policy.budget import CappedBudget
from judicia_notebook.policy.grants import read_requests
from judicia_notebook.policy.policy import Policy
from judicia_notebook.policy.quotas import Quota, call_quota, check_countable, make_quota
from judicia_notebook.records.record import CallRecord
from judicia_notebook.reporting import notices
from judicia_notebook.runtime import answers
from judicia_notebook.runtime.call import Call
from judicia_notebook.runtime.deployment import Deployment, origin_of
from judicia_notebook.runtime.exports import WASI_ABI
from judicia_notebook.runtime.handle import CallHandle, in_background
from judicia_notebook.runtime.inspection import Inspection, inspect
from judicia_notebook.runtime.instance import Instance
from judicia_notebook.runtime.line_sources import texts_of
from judicia_notebook.runtime.linking import differences, not_callable, relink, settings_of
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.runtime.plugin_memory import Globals, InstanceAccess
from judicia_notebook.runtime.pool import InstancePool, Instances, unloaded_error
from judicia_notebook.runtime.raw import RawFunction, numeric_type
from judicia_notebook.runtime.request import make_request
from judicia_notebook.runtime.source import Options, Source
from judicia_notebook.runtime.target import Target
from judicia_notebook.runtime.ufunc import UniversalFunction
from judicia_notebook.runtime.wasi_command import RunResult, prepare, read_args, read_stdin
from judicia_notebook.runtime.way import NotTaken, Reading
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd
    from anywidget import AnyWidget

    from judicia_notebook.analysis.bench import Bench
    from judicia_notebook.analysis.listings.annotated import Annotated
    from judicia_notebook.analysis.listings.wat import Wat
    from judicia_notebook.analysis.profiles.profile import Profile
    from judicia_notebook.analysis.traces.story import Trace
    from judicia_notebook.engine.backtraces import Locate
    from judicia_notebook.engine.guest_memory import GuestMemory
    from judicia_notebook.experiments.monitoring.result import Monitored
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.platform import Platform
    from judicia_notebook.wasm.info import Export, FuncType, Import
    from judicia_notebook.wasm.manifest import Manifest


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
        self.chosen_instances = instances  # by its loads; a command's are fresh whatever was chosen
        self._deployment = Deployment.of(name, code, policy, platform, instances=instances, config=config)
        self._unloaded = False  # its runtime sets this, when it frees the name
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
        return self._deployment.code

    def _code_with(self, metering: str | None) -> Code:
        """The module as it was compiled, or compiled for another metering.

        Raises
        ------
        PolicyError
            There is no such metering, or a limit in force cannot hold with it.
        """
        if metering is None or metering == self.metering:
            return self._code
        settings = settings_of(metering, self.features)
        self.policy.check_settings(settings)
        return relink(
            self._code,
            settings,
            trap_unknown=self.options.unknown_imports == "trap",
            cache_folder=self._platform.cache_folder,
        )

    def _code_with_counters(self, wasm: bytes, counters: int, meter: int, monitored: str, locate: Locate) -> Code:
        """The module with a monitor's counters, compiled for an engine that counts no fuel: counters would burn it.

        Parameters
        ----------
        wasm, counters : bytes and int
            Of its `Rewritten`: the module, and the bytes of the memory of the counters.
        meter : int
            Where in it the module counts its own fuel; 0 where it does not.
        monitored : str
            For the column of that name.
        locate : callable
            Where a frame of it is in the module without counters.

        Raises
        ------
        PolicyError
            A limit of fuel is in force, and cannot hold.
        CompileError
        """
        settings = self._code.linkage.engine.settings.without_fuel()
        if not meter:
            self.policy.check_settings(settings)
        return relink(
            self._code,
            settings,
            trap_unknown=self.options.unknown_imports == "trap",
            cache_folder=self._platform.cache_folder,
            rewritten=wasm,
            counters=counters,
            meter=meter,
            monitored=monitored,
            locate=locate,
        )

    @property
    def config(self) -> Mapping[str, Any]:
        """The config that on_initialize gets, over the manifest's own."""
        return MappingProxyType(self._deployment.instances.making.config)

    @property
    def metering(self) -> str:
        """What its code meters: ``full`` (fuel and time) or ``epochs`` (time alone)."""
        return self._code.metering

    @property
    def features(self) -> tuple[str, ...]:
        """The features of WebAssembly that its load has switched on, such as ``exceptions``."""
        return self._code.features

    @property
    def state(self) -> str:
        """``loaded`` (nothing of it ran yet), ``ready``, ``failed`` (to initialize) or ``unloaded``."""
        if self._unloaded:
            return "unloaded"
        instances = self._deployment.instances
        if instances.failed:
            return "failed"
        return "ready" if instances.started else "loaded"

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
        return self._deployment.instances.kind

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
        return inspect(
            self._code,
            self._code.offers,
            name=self.name,
            granted=self.policy.granted,
            features=self.features,
        )

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
        began = perf_counter_ns()
        request = b"" if payload is None else wire.encode(payload)
        return self._called(function, request, began, answers.JSON, quota, None)

    def _called(
        self,
        function: str,
        request: bytes,
        began: int,
        reading: Reading,
        quota: Quota | Mapping[str, Any] | None,
        positions: list[int] | None,
    ) -> Any:
        """Make a call; writing its request `began` then, or took no time (0). `positions` gets that of the row."""
        call_id = 0
        if (way := self._deployment.way(function, abi.NAME)) is not None:
            value = way.go(request, began, reading, positions, self._capped(quota))
            if value.__class__ is not NotTaken:
                return value
            call_id = value.call_id
        encode_ns = perf_counter_ns() - began if began else 0
        made = self._abi_call(function, request, quota, reading.finish, encode_ns=encode_ns, call_id=call_id)
        value = made.run()
        if positions is not None:
            positions.append(made.record_position)
        return value

    def attempt(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        data: bytes | bytearray | memoryview | None = None,
        numbers: Iterable[float] | None = None,
        args: Sequence[str] | None = None,
        stdin: bytes | str = b"",
        quota: Quota | Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Make any kind of call, with what the plugin caused as data instead of an exception.

        One of `payload`, `data`, `numbers` and `args` says what kind it is; with none of them the function gets no
        payload.

        Parameters
        ----------
        function : str, optional
            None for a WASI command.
        payload : Any
            As for `call`; the value is JSON.
        data : bytes
            As for `call_bytes`; the value is bytes.
        numbers : sequence of numbers
            For a numeric export, as for `raw`; the value is a number, or several.
        args, stdin : list of str, and bytes or str
            For a WASI command, as for `run`; the value is a `RunResult`.
        quota : Quota, optional
            Limits for this call alone.

        Raises
        ------
        NoSuchFunction, PluginNotReady, InvalidPayload
            There was no call.
        TypeError
            Two kinds at once.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     rt.load("example:specimen").attempt("echo_bytes", data=b"hi").value
        b'hi'
        """
        return make_request(function, payload, data, numbers, args, stdin).attempt(self, quota)

    def submit(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        data: bytes | bytearray | memoryview | None = None,
        numbers: Iterable[float] | None = None,
        args: Sequence[str] | None = None,
        stdin: bytes | str = b"",
        quota: Quota | Mapping[str, Any] | None = None,
    ) -> CallHandle:
        """A call in the background: a handle that can be waited for, awaited and cancelled.

        Its parameters are those of `attempt`, and so is the value that the handle gives.

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
        request = make_request(function, payload, data, numbers, args, stdin)
        return in_background(request.prepare(self, quota), self._platform.workers)

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
        answer: bytes = self._called(function, bytes(data), 0, answers.BYTES, quota, None)
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
        return numeric_type(self.name, self._code.functions, export)

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
        result: RunResult = prepare(self, read_args(args), read_stdin(stdin), quota).run()
        return result

    def _abi_call(
        self,
        function: str,
        request: bytes,
        quota: Quota | Mapping[str, Any] | None,
        finish: Callable[[Call, Any], Any],
        **more: Any,
    ) -> Call:
        """A call of a function of ABI 1 that is about to be made."""
        target = self._deployment.target(function, self._code.abi)
        if function not in target.code.callable:
            raise not_callable(self.name, target.code, function)

        def exchange(call: Call) -> bytes | None:
            return call.exchange(request)

        return self._begin(target, quota, exchange, finish=finish, size_in=len(request), **more)

    def _check_loaded(self) -> None:
        if self._unloaded:
            raise unloaded_error(self.name)

    def _begin(
        self,
        target: Target,
        quota: Quota | Mapping[str, Any] | None,
        body: Callable[[Call], Any],
        *,
        within: Callable[[Call], AbstractContextManager[None]] | None = None,
        make: Callable[..., Call] = Call,
        **more: Any,
    ) -> Call:
        """A call that is about to be made, for `call` and its kin.

        Parameters
        ----------
        within : callable, optional
            What the work inside the instance happens in.
        make : callable
            The class of the call.
        """
        self._check_loaded()
        more.setdefault("origin", origin_of(current_way()))
        work = body if within is None else partial(_do_within, within, body)
        return make(target, self._capped(quota) or self.policy, work, **more)

    def _capped(self, quota: Quota | Mapping[str, Any] | None) -> CappedBudget | None:
        """The limits of a call that has its own."""
        if quota is None:
            return None
        own = call_quota(quota)
        try:
            self._platform.bounds.check_quota(own)
        except PolicyLocked as error:
            self._recorder.add_audit("refused", self.name, f"a call's own {error.message}", current_way())
            raise
        if not self._code.counts_fuel:
            check_countable(self._code.linkage.engine.settings, own)
        return CappedBudget(self.policy, own)

    # Its memory ---------------------------------------------------------------------------------------------

    @property
    def memory(self) -> GuestMemory:
        """The linear memory of its instance: read it and write it between calls, or in a host function of its calls.

        It is the memory exported as ``memory``, otherwise the only exported one. Each access raises `PluginNotReady`
        where there is not exactly one instance, or a call has it; `NoSuchExport` where no memory is exported.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> text = '(module (memory (export "memory") 1) (data (i32.const 8) "hello"))'
        >>> with jn.Runtime() as rt:
        ...     p = rt.load(text, name="greeting")
        ...     p.initialize()
        ...     p.memory.text(8)
        'hello'
        """
        return self._access().memory()

    @property
    def globals(self) -> Globals:
        """The globals that its instance exports and that are numbers, by name; a mutable one can be set.

        Each access raises what one to `memory` does.
        """
        return Globals(self._access())

    def _access(self) -> InstanceAccess:
        return InstanceAccess(
            self.name, self._check_loaded, self._deployment.instances, self._deployment.activity, self._recorder
        )

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
        self._check_loaded()
        self._deployment.initialize()

    def unload(self) -> None:
        """Unload it: end its calls and free its memory.

        Running calls are cancelled, on_cleanup runs in idle instances (at most 1 s in all), memory is freed. Ctrl-C
        ends an on_cleanup that runs, and what is left is freed all the same.
        """
        with deferred():
            if self._on_unload(self):
                self._recorder.add_audit("unload", self.name, self.digest[:12], current_way())
                self._deployment.let_go("unloaded")

    def cancel_calls(self, why: str = "") -> None:
        """Cancel every call that runs or waits; `why` stands in their errors."""
        self._deployment.cancel_calls(why)

    @contextlib.contextmanager
    def _on(self, instances: InstancePool) -> Iterator[Plugin]:
        """The same plugin on other instances, for calls that leave its own alone; see `Deployment.beside`."""
        with self._deployment.beside(instances) as deployment:
            twin = object.__new__(type(self))
            vars(twin).update(vars(self), _deployment=deployment)
            yield twin

    def _replace(
        self, code: Code, *, instances: Instances | None, config: Mapping[str, Any] | None, options: Options
    ) -> list[Instance]:
        """Exchange the code in place, for `Runtime.load`. Returns the instances left over, for `retire`."""
        self.changes = differences(self._code, code)
        self.chosen_instances = instances or self.chosen_instances
        self.options = options
        return self._deployment.replace(code, instances=self.chosen_instances, config=config)

    # Its code, to read ----------------------------------------------------------------------------------------

    def wat(self, function: str | int | None = None) -> Wat:
        """The module as WebAssembly text, whatever made it; a notebook shows it folded by function.

        Parameters
        ----------
        function : str or int, optional
            Only this function: the name of an export, the function's own name, or its number in the module.

        Returns
        -------
        Wat
            ``str(wat)`` is the text, which assembles to the same code; ``.functions`` a frame, ``.save(path)`` a file.

        Raises
        ------
        NoSuchFunction

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     print(rt.load('(func (export "two") (result i32) (i32.const 2))').wat("two"))
          (func $two (;0;) (type 0) (result i32)
            i32.const 2
          )
        """
        from judicia_notebook.analysis.listings.wat import Wat

        return Wat(self.name, self._code.wasm, function)

    def source_lines(
        self, profile: Profile | None = None, *, sources: str | os.PathLike[str] | None = None
    ) -> pd.DataFrame:
        """What each line of its source costs: instructions, bytes, and where a profile is given the sampled time.

        The lines come from the module's debug information (DWARF), which compilers write with ``-g``:
        ``%%plugin define NAME --lang c --flags -g``, or ``jn.build(source, "c", flags="-g")``. Each instruction is in
        one row, so that the columns sum up to the module's code; what came from no known line has NA as file and line.

        Parameters
        ----------
        profile : Profile, optional
            One of this plugin, for ``samples`` and ``self_ms``. Samples fall on the first line of a loop or of a
            function, so it is the loop's time that stands there.
        sources : path, optional
            A folder to look for the texts of files in. Those of cells and files that this process compiled are known;
            a path that the module itself names is never opened.

        Returns
        -------
        DataFrame
            ``file``, ``line``, ``text``, ``function`` (that the line is of, an inlined one too), ``instructions``,
            ``bytes``, ``copies`` (functions of the module that have code of the line); with a profile ``samples`` and
            ``self_ms``.

        Raises
        ------
        DebugInfoError
            The debug information is damaged, or more than is read.
        ValueError
            The profile is of another module.
        """
        from judicia_notebook.analysis.listings.lines import source_lines

        self._check_lines(profile)
        return source_lines(self._code.wasm, texts_of(self.digest, sources), profile)

    def annotated(self, profile: Profile | None = None, *, sources: str | os.PathLike[str] | None = None) -> Annotated:
        """Its sources, and beside each line the instructions that it became; a notebook unfolds them.

        Parameters
        ----------
        profile, sources
            As for `source_lines`.

        Returns
        -------
        Annotated
            ``str`` of it is text; ``.save("x.html")`` makes a page.

        Raises
        ------
        DebugInfoError, ValueError
        """
        from judicia_notebook.analysis.listings.annotated import Annotated

        self._check_lines(profile)
        return Annotated(self.name, self._code.wasm, texts_of(self.digest, sources), profile)

    def _check_lines(self, profile: Profile | None) -> None:
        from judicia_notebook.analysis.listings.lines import line_costs

        if profile is not None and profile.digest != self.digest:
            raise ValueError(f"the profile is of {profile.title}, whose module is not the one that {self.name} has now")
        if not line_costs(self._code.wasm).map:
            notices.say(
                f"{printable(self.name)} has no debug information, so that no line is known. Compilers write it with "
                "-g, as in  %%plugin define NAME --lang c --flags -g"
            )

    # Experiments: the rooms above, each imported where it is asked for ---------------------------------------

    def bench(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        data: bytes | bytearray | memoryview | None = None,
        numbers: Iterable[float] | None = None,
        args: Sequence[str] | None = None,
        stdin: bytes | str = b"",
        repeats: int = 30,
        warmup: int = 3,
        quota: Quota | Mapping[str, Any] | None = None,
        metering: str | None = None,
    ) -> Bench:
        """Measure what a call costs, in a new instance (cold) and in one that has served calls before (warm).

        Its calls are rows of `Runtime.calls` like any other, with the origin ``bench``; those to warm up are among
        them, with the origin ``warmup``.

        Parameters
        ----------
        function, payload, data, numbers, args, stdin
            The call, as for `attempt`. A WASI command has no warm calls: each run has an instance of its own.
        repeats : int
            Calls of either kind. Six give an interval, thirty a good one.
        warmup : int
            Calls of either kind before them, which are not in the result.
        quota : Quota, optional
            Limits for each call.
        metering : "full", "epochs" or "none", optional
            What the code counts meanwhile; by default what the plugin's does. Metering takes time: times of one
            metering are not to be compared with those of another. "none" is the speed of bare Wasmtime, in a child
            process; in the same rounds the plugin's own metering is measured beside it: ``.metered``, ``.factor``.

        Returns
        -------
        Bench
            ``.cold`` and ``.warm`` with medians and their 95 % intervals, ``.summary`` as a frame.

        Raises
        ------
        CallError
            No call ended well; it is the first one's error.
        NoSuchFunction, PluginNotReady, InvalidPayload
        PolicyError
            No such metering, or one with which a limit of fuel cannot hold; without metering, a plugin that imports
            more than log and clock.
        JudiciaError
            Without metering the function answers otherwise than with it.
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

        request = make_request(function, payload, data, numbers, args, stdin)
        return bench(self, request, repeats=repeats, warmup=warmup, quota=quota, metering=metering)

    def profile(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        data: bytes | bytearray | memoryview | None = None,
        numbers: Iterable[float] | None = None,
        args: Sequence[str] | None = None,
        stdin: bytes | str = b"",
        quota: Quota | Mapping[str, Any] | None = None,
        samples: int = 500,
        seconds: float = 5.0,
        metering: str | None = None,
    ) -> Profile:
        """Find out where a function spends its time: its calls, sampled at 1 ms.

        It is called again until there are enough samples, so what it changes it changes again; a call that takes a
        second is made once. The rows of these calls have the origin ``profile``. A call that a quota ends, or a trap,
        is profiled up to there: see `Profile.error`.

        Parameters
        ----------
        function, payload, data, numbers, args, stdin
            The call, as for `attempt`.
        quota : Quota, optional
            Limits for each call.
        samples : int
            How many are enough.
        seconds : float
            No further call begins after these, nor after 20 000 calls.
        metering : "full" or "epochs", optional
            What its code counts, by default as the plugin's; with another one the calls are made in an instance of
            their own. "none" has no ticks to look at.

        Returns
        -------
        Profile
            ``.functions`` is a frame, ``.flame_graph()`` HTML, ``.figure()`` a figure, ``.save("x.json")`` a file.

        Raises
        ------
        CallError
            The first call failed before there was one sample.
        NoSuchFunction, PluginNotReady, InvalidPayload
        PolicyError
            No such metering, one without ticks, or one with which a limit of fuel cannot hold.
        """
        from judicia_notebook.experiments.profiler import profile

        if self._deployment.diverted is not None:
            raise JudiciaError(
                f"{self.name} is monitored, and a profile would show the counters: end that block first."
            )
        request = make_request(function, payload, data, numbers, args, stdin)
        return profile(self, request, quota=quota, samples=samples, seconds=seconds, metering=metering)

    def trace(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        data: bytes | bytearray | memoryview | None = None,
        numbers: Iterable[float] | None = None,
        args: Sequence[str] | None = None,
        stdin: bytes | str = b"",
        call_id: int | None = None,
        quota: Quota | Mapping[str, Any] | None = None,
        limit: int | str = 200,
    ) -> Trace:
        """Tell a call as a story, as strace does: host calls, denials, grows, log lines, the answer.

        Parameters
        ----------
        function, payload, data, numbers, args, stdin
            Make this call now, as for `attempt`, keep the first bytes of all that is said, and tell of that call,
            however it ended.
        call_id : int, optional
            Without such a call: which call to tell of; by default the last.
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

        is_new = bool(stdin) or any(given is not None for given in (function, payload, data, numbers, args))
        request = make_request(function, payload, data, numbers, args, stdin) if is_new else None
        return trace(self, request, call_id=call_id, quota=quota, limit=limit)

    def monitor(
        self,
        function: str | None = None,
        payload: Any = None,
        *,
        data: bytes | bytearray | memoryview | None = None,
        numbers: Iterable[float] | None = None,
        args: Sequence[str] | None = None,
        stdin: bytes | str = b"",
        what: str | Iterable[str] = ("functions", "coverage"),
        quota: Quota | Mapping[str, Any] | None = None,
    ) -> Monitored:
        """Make a call and count exactly what its code does: counters are written into the module.

        The call is made in an instance of its own, where the start function and on_initialize run again, uncounted: the
        plugin's state is neither read nor changed. What is counted is from the request's allocation to the freeing of
        the answer. The row of the call has the origin ``monitor``. Quotas hold; fuel is counted where it
        is limited.

        Parameters
        ----------
        function, payload, data, numbers, args, stdin
            The call, as for `attempt`. One that fails is counted up to there: see `Monitored.error`.
        what : str or iterable of str
            The monitors: ``functions``, ``edges``, ``coverage``, ``branches``, ``loops``, ``opcodes``, ``memory``,
            ``accesses``, ``allocations``, ``cost``, ``path``, and ``watch=NAME`` with the name of a function.
        quota : Quota, optional
            Limits for this call alone.

        Returns
        -------
        Monitored
            An attribute for each monitor, which is a frame: ``r.coverage``. `Monitored.value` is the call's.

        Raises
        ------
        RewriteError
            The module cannot be rewritten; the message names the function.
        CallError
            Its instance could not be made.
        NoSuchFunction, PluginNotReady, InvalidPayload
            There was no call.
        ValueError
            No such monitor.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> text = '(module (func (export "f") (param i32) (if (local.get 0) (then nop)))'
        >>> with jn.Runtime() as rt:
        ...     r = rt.load(text + ")", name="small").monitor("f", numbers=(1,), what="coverage")
        >>> r.coverage["count"].tolist()
        [1, 1, 1]
        """
        from judicia_notebook.experiments.monitoring.run import monitor

        if self._deployment.diverted is not None:
            raise JudiciaError(f"{self.name} is monitored already: call it, or end that block first.")
        request = make_request(function, payload, data, numbers, args, stdin)
        return monitor(self, request, what=what, quota=quota)

    def monitoring(self, *, what: str | Iterable[str] = ("functions", "coverage")) -> AbstractContextManager[Monitored]:
        """Count in all calls of it that are made in a block: ``with p.monitoring(what="edges") as r: ...``.

        As `Runtime.monitoring` of this plugin alone.
        """
        from judicia_notebook.experiments.monitoring.run import monitoring

        return monitoring((self,), what)

    # Live views ---------------------------------------------------------------------------------------------

    def panel(self, show: str | None = None, scale: float = 1.0) -> AnyWidget:
        """The live panel: what it may do, uses and did, and the controls that change it; `show` opens a tab."""
        from judicia_notebook.notebook.live.panel.panel import make_panel

        return make_panel(self, show, scale)

    def snapshot_html(self) -> str:
        """What the panel shows now, as an HTML document that needs nothing else and does nothing; for handouts.

        It has the grants, the quotas, the last 8 calls and the last 8 lines of the audit, and says of when they are.
        """
        from judicia_notebook.notebook.live.panel.card import panel_document

        return panel_document(self)

    def charts(self, scale: float = 1.0) -> AnyWidget:
        """Live charts: memory and CPU of its calls against their limits, host calls by capability, outcomes."""
        from judicia_notebook.notebook.live.charts.charts import make_charts

        return make_charts(self, scale)

    # What it did --------------------------------------------------------------------------------------------

    @property
    def last(self) -> CallRecord | None:
        """The record of the last call; None before the first."""
        last = max(self._deployment.activity.last, self._deployment.instances.last)
        return self._recorder.call_at(last) if last >= 0 else None

    @property
    def calls(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.calls`."""
        from judicia_notebook.records import frames

        return frames.calls(self._recorder, plugin=self.name)

    @property
    def host_calls(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.host_calls`."""
        from judicia_notebook.records import frames

        return frames.host_calls(self._recorder, plugin=self.name)

    @property
    def logs(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.logs`."""
        from judicia_notebook.records import frames

        return frames.logs(self._recorder, plugin=self.name)

    @property
    def audit(self) -> pd.DataFrame:
        """The plugin's rows of `Runtime.audit`."""
        from judicia_notebook.records import frames

        return frames.audit(self._recorder, plugin=self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unload()


def _do_within(within: Callable[[Call], AbstractContextManager[None]], body: Callable[[Call], Any], call: Call) -> Any:
    with within(call):
        return body(call)
