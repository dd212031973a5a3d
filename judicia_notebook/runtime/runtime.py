"""A runtime: plugins by name, the platform they call into, and everything that is recorded of them."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, cast

from judicia_notebook import context
from judicia_notebook.context import current_way
from judicia_notebook.engine import cache
from judicia_notebook.engine.features import check_features
from judicia_notebook.engine.interrupts import deferred, do_all
from judicia_notebook.engine.memory import MemoryPool
from judicia_notebook.engine.samples import SampleTable
from judicia_notebook.engine.system_memory import MOST_MEMORY, memory_ceiling
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import (
    BuildError,
    JudiciaError,
    LoadError,
    NoSuchPlugin,
    PolicyLocked,
    ResourceExhausted,
    stays_in_process,
)
from judicia_notebook.host import wasi
from judicia_notebook.host.dispatcher import Dispatcher
from judicia_notebook.host.ownership import Owners
from judicia_notebook.host.registry import make_services
from judicia_notebook.host.services import Host
from judicia_notebook.policy.bounds import Bounds, Lock
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.policy import Policy
from judicia_notebook.policy.quotas import Quota, as_quota, overlay
from judicia_notebook.records.record import CallRecord
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.runtime import admission, at_exit, locking, resetting
from judicia_notebook.runtime.data_folder import DataFolder
from judicia_notebook.runtime.digests import Digests
from judicia_notebook.runtime.hooks import deliver
from judicia_notebook.runtime.inspection import Inspection, inspect
from judicia_notebook.runtime.linking import link, recall
from judicia_notebook.runtime.measurement import Measurement
from judicia_notebook.runtime.offers import Offers, SuppliedImports
from judicia_notebook.runtime.platform import Platform, make_recorder
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.source import Options, is_text, read_source, source_label
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    import pandas as pd
    from anywidget import AnyWidget

    from judicia_notebook.analysis.traces.story import Trace
    from judicia_notebook.experiments.monitoring.result import Monitored
    from judicia_notebook.runtime.admission import Place, Request
    from judicia_notebook.runtime.instance import Instance
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.pool import Instances
    from judicia_notebook.runtime.source import Read, Source
    from judicia_notebook.wasm.manifest import Manifest

CEILING_CPU, CEILING_WALL = 60.0, 600.0
CLOSE_SECONDS, EXIT_SECONDS = 5.0, 2.0


def default_ceiling() -> Quota:
    """What no quota may exceed: 1 GiB or a quarter of the container's memory, 60 s of CPU, 10 min of wall time."""
    return Quota(memory=memory_ceiling(), cpu=CEILING_CPU, wall=CEILING_WALL, payload=MOST_MEMORY, answer=MOST_MEMORY)


@stays_in_process("In the other process, make a runtime: jn.Runtime().")
class Runtime:
    """Plugins, their platform and their records.

    Parameters
    ----------
    data_dir : path, optional
        Where services keep their data; without it a private temporary folder, which goes with the runtime.
    database : str, optional
        Where plugins' tables are: ``postgresql://user@host/name`` or ``sqlite:///FOLDER``; by default SQLite in the
        data folder.
    seed : int, optional
        Makes ``judicia:random`` reproducible.
    clock : "real", "frozen" or "stepped"
        What ``judicia:clock`` tells.
    ceiling : Quota, optional
        What no quota may exceed; what is not given keeps its default.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     checker = rt.load("example:checker")
    ...     checker.call("check", {"output": "4 2", "answer": "4 2"})["verdict"]
    'accepted'
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        database: str | None = None,
        seed: int | None = None,
        clock: str = "real",
        ceiling: Quota | None = None,
    ) -> None:
        top = Quota(**{**default_ceiling().given(), **as_quota(ceiling).given()})
        self._recorder = make_recorder()
        samples = cast("SampleTable", self._recorder.samples)
        ours = weakref.ref(self)  # the engine keeps services by way of C, where no collector sees a cycle
        owners = Owners(lambda: _living(ours).data_dir)
        services = make_services(seed=seed, clock=clock, owners=owners, database=database)
        self.host = Host(services, owners, lambda name: _living(ours).plugin(name).digest, self._recorder)
        self.host.connect(self._recorder, deliver)
        dispatcher = Dispatcher(services.values())
        self.host.offer_imports(dispatcher.imports)
        dispatcher.add_functions(wasi.functions(services.values(), dispatcher.rates))
        pool = MemoryPool(2 * int(top.memory or MOST_MEMORY))  # type: ignore[arg-type]  # bytes by now
        self._platform = Platform(
            dispatcher, self._recorder, samples, pool, Bounds(top), cache.default_folder(), Workers(), clock
        )
        self._data = DataFolder(data_dir)
        self._digests = Digests()
        self._plugins: dict[str, Plugin] = {}
        self._everything: weakref.WeakSet[Plugin] = weakref.WeakSet()  # unloaded ones may still be running
        self._lock = threading.RLock()
        self._closing = self._closed = False
        self._owner = os.getpid()
        at_exit.end_calls_of(self)

    @property
    def ceiling(self) -> Quota:
        """What no quota may exceed: set when the runtime is made, and lowered by `lock`."""
        return self._platform.bounds.ceiling

    @property
    def locked(self) -> Lock | None:
        """What it is locked to, by whom and since when; None where it is not."""
        return self._platform.bounds.lock

    # Plugins ------------------------------------------------------------------------------------------------

    @property
    def plugins(self) -> Mapping[str, Plugin]:
        """The loaded plugins, by name."""
        return MappingProxyType(self._plugins)

    @tells_interrupts("The load was interrupted; the plugins loaded before stay.")
    def load(
        self,
        source: Source,
        *,
        name: str | None = None,
        grant: Iterable[str] = (),
        quota: Quota | Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        manifest: Manifest | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        instances: Instances | None = None,
        on_denied: str | None = None,
        unknown_imports: str | None = None,
        abi: str | None = None,
        isolate_compile: bool | None = None,
        metering: str | None = None,
        imports: Mapping[Any, Any] | None = None,
        features: str | Iterable[str] | None = None,
    ) -> Plugin:
        """Load a module. It is read, checked and compiled; nothing of it runs before its first call.

        Parameters
        ----------
        source : path, bytes or "example:NAME"
            A .wasm or .wat file, wasm bytes or WAT text, or a bundled example; or a source in C, C++, Zig or Rust,
            by its suffix (.c, .cpp, .zig, .rs), which `judicia_notebook.build` compiles.
        name : str, optional
            What to call it; by default what it calls itself. A loaded name is replaced in place: old handles stay
            valid, and what is not said here (grants, quotas, ...) is kept. The same holds where the same file is loaded
            again. Another file that claims a loaded name comes in under a new name, and a line on stderr says so.
        grant : iterable of str
            Such as ``["wall_clock", "read_database=submissions"]``.
        quota : Quota or dict, optional
        config : mapping, optional
            Handed to on_initialize, over the manifest's own.
        manifest : Manifest, dict or path, optional
            Instead of the module's own.
        instances : int or "fresh", optional
            1 (the default): one instance, whose state lives between calls. N: a pool. "fresh": a new one for each call.
        on_denied : "error" or "trap", optional
            Whether a denied host call is answered with an error value (the default) or ends the call.
        unknown_imports : "error" or "trap", optional
            Whether an import that is not offered refuses the load (the default) or traps when called.
        abi : str, optional
            ``"judicia-v1"``, ``"wasi"`` (a command, for `Plugin.run`) or ``"raw"``; by default what the exports fit.
        isolate_compile : bool, optional
            Compile in a child process with limits on memory and time; by default what has more than 4 MiB or may keep
            the compiler busy.
        metering : "full" or "epochs", optional
            What its code counts: fuel and time (the default), or time alone, which is faster. Without fuel there is no
            limit of fuel, the column ``fuel`` is NA, and a NaN's bits may differ from machine to machine. Refused where
            the runtime has a ceiling of fuel.
        imports : dict, optional
            What it imports beyond the platform, by ``"module.name"`` or ``("module", "name")``; types come from the
            module. A function is answered by a Python function or an `Import`, and granted to this plugin alone:
            ``imports=env.now`` is the grant. A global takes a number; a memory its pages of 64 KiB, the bytes that it
            begins with, or None for the least; a table its elements, or None. See `judicia_notebook.presets`.
        features : str or iterable of str, optional
            Features of WebAssembly to switch on for this plugin: "exceptions", "tail_calls", "memory64",
            "relaxed_simd", "wide_arithmetic". None is on by default.

        Raises
        ------
        LoadError
            The file cannot become a plugin; all loaded plugins stay as they were. A source that does not compile raises
            a `BuildError`, which has the compiler's messages.
        PolicyError
            A bad grant or quota; likewise.
        """
        self.check_open()
        named = self._plugins.get(name) if name is not None else None
        before = named.options if named is not None else Options()
        supplied = SuppliedImports.of(imports)
        wanted = None if features is None else check_features(features)
        options = Options(manifest, abi, unknown_imports, metering, supplied, wanted).anchored().over(before)
        with self._auditing_refusals(source, name):
            request = admission.check(
                self._platform.bounds,
                name=name,
                grant=grant,
                quota=quota,
                config=config,
                instances=instances,
                on_denied=on_denied,
                options=options,
            )
            self._platform.bounds.check_grants(request.grants)
        cache_folder = self._platform.cache_folder
        with self._telling_what_stays(source, name):
            found = read_source(
                source,
                manifest=options.manifest,
                wanted_abi=options.abi,
                recall=partial(recall, cache_folder, request.settings),
                digests=self._digests,
            )
            offers = self._offers(found, options, is_kept=supplied is None)
        if supplied is not None:  # those that are kept from an earlier load may have been revoked since
            request = request.granting(offers.grants)
        start = request.start(found.manifest, self.ceiling, source_label(source))
        with self._telling_what_stays(source, name):
            code = link(
                found,
                offers,
                trap_unknown=options.unknown_imports == "trap",
                cache_folder=cache_folder,
                isolate=isolate_compile,
                settings=request.settings,
            )
        self._digests.keep(code.wasm, code.digest)
        return self._admit(request, found, start, code)

    @contextlib.contextmanager
    def _telling_what_stays(self, source: Source, name: str | None) -> Iterator[None]:
        """Have a mistake in a text that somebody writes say which plugin it leaves as it was."""
        try:
            yield
        except LoadError as error:
            if isinstance(error, BuildError) or is_text(source):
                error.unchanged = self._loaded_from(source, name)
            raise

    @contextlib.contextmanager
    def _auditing_refusals(self, source: Source, name: str | None) -> Iterator[None]:
        """Write down a load that is refused since the runtime is locked to less."""
        try:
            yield
        except PolicyLocked as error:
            detail = f"load of {source_label(source)}: {error.message}"
            self._recorder.add_audit("refused", name or "", detail, current_way())
            raise

    def _loaded_from(self, source: Source, name: str | None) -> str:
        """The name of the plugin that a load of this source would have replaced; empty where there is none."""
        path = Path(os.fsdecode(source)).absolute() if isinstance(source, str | os.PathLike) else None
        names = (plugin.name for plugin in self._plugins.values() if path is not None and plugin.source == path)
        return name if name in self._plugins else next(names, "")

    def _offers(self, found: Read, options: Options, *, is_kept: bool) -> Offers:
        """What answers the imports of a module.

        Raises
        ------
        LoadError
        """
        try:
            return Offers(self._platform.dispatcher, found.module.imports, options.imports, is_kept=is_kept)
        except LoadError as error:
            error.source = error.source or source_label(found.source)
            raise

    def _admit(self, request: Request, found: Read, start: Snapshot, code: Code) -> Plugin:
        """Give a module its name: all of it or nothing."""
        policy: Policy | None = None
        idle: list[Instance] = []
        try:
            with deferred():
                with self._lock, self._auditing_refusals(found.source, request.name):
                    self.check_open()
                    self._platform.bounds.check_grants(request.grants)  # it may have been locked meanwhile
                    self._platform.bounds.check_quota(request.quota)
                    self._platform.bounds.check_settings(request.settings)
                    place = admission.find_place(request, found, start, self._plugins)
                    plugin = place.plugin or self._add(place, request, start, code)
                    if place.plugin is not None:
                        policy, idle = _renew(plugin, request, code, keeps=place.keeps)
                    self.host.plugin_loaded(plugin)
                    detail = "; ".join(plugin.changes) or _loaded(code)
                    what = "load" if place.plugin is None else "reload"
                    self._recorder.add_audit(what, plugin.name, detail, current_way())
                plugin._deployment.retire(idle)
        finally:
            # Guests and observers run without the lock: they may load and unload, or wait for a thread that does.
            if policy is not None:
                policy.tell()
        if place.note:
            sys.stderr.write(f"{place.note[:1].upper()}{place.note[1:]}.\n")
        return plugin

    def _add(self, place: Place, request: Request, start: Snapshot, code: Code) -> Plugin:
        """A plugin of a name that was free."""
        admission.check_instances(request.instances, start.quota)
        bounds = self._platform.bounds
        policy = Policy(place.name, self._recorder, bounds=bounds, initial=start, settings=request.settings)
        plugin = Plugin(
            place.name,
            code,
            self._platform,
            policy,
            instances=request.instances or 1,
            config=request.config or {},
            on_unload=self._forget,
            named=self._plugins.get,
            claimed=code.manifest.name if request.name is None else "",
            options=request.options,
        )
        if place.note:
            plugin.changes = (place.note,)
        self._plugins[place.name] = plugin
        self._everything.add(plugin)
        return plugin

    def inspect(self, source: Source) -> Inspection:
        """The audit of a file that is not loaded: nothing is compiled or run.

        Raises
        ------
        LoadError
        """
        return inspect(read_source(source), Offers(self._platform.dispatcher))

    def plugin(self, name: str) -> Plugin:
        """A loaded plugin.

        Raises
        ------
        NoSuchPlugin
        """
        found = self._plugins.get(name)
        if found is None:
            hint = "" if self._plugins else "Nothing is loaded yet; try  %plugin load example:checker"
            raise NoSuchPlugin(f"No plugin {name!r} is loaded.{did_you_mean(name, self._plugins)}", hint=hint)
        return found

    def reload(self, name: str) -> Plugin:
        """Read a plugin's source again: new code if it changed, a new instance in any case; the policy stays."""
        plugin = self.plugin(name)
        return self.load(plugin.source, name=name)

    def unload(self, name: str) -> None:
        """Unload a plugin and forget its name."""
        self.plugin(name).unload()

    def _forget(self, plugin: Plugin) -> bool:
        """Free the name of a plugin that is being unloaded; False if that has happened before."""
        with self._lock:
            if plugin._unloaded:
                return False
            self.host.plugin_unloaded(plugin)
            if self._plugins.get(plugin.name) is plugin:
                del self._plugins[plugin.name]
            plugin._unloaded = True  # last: an unload that is interrupted before this line is done again
            return True

    def clear(self) -> resetting.Removal:
        """Unload everything; plugins' files, tables and events and all records stay, as the returned `Removal` says."""
        names = tuple(self._plugins)
        for name in names:
            with contextlib.suppress(NoSuchPlugin):
                self.unload(name)
        return resetting.unloaded(names, self.host.left)

    def end_running(self, seconds: float) -> int:
        """Cancel the calls of plugins that are unloaded, and wait for their end; how many have not ended by then."""
        for plugin in tuple(self._everything):
            if plugin._unloaded:
                plugin.cancel_calls("the runtime is reset")
        self._wait_for_calls(seconds)
        return sum(plugin._deployment.is_busy for plugin in tuple(self._everything))

    @contextlib.contextmanager
    def forgetting(self) -> Iterator[None]:
        """Keep plugins from being loaded while the block runs.

        Raises
        ------
        ResourceExhausted
            A plugin is loaded already.
        """
        with self._lock:
            if self._plugins:
                raise ResourceExhausted(f"Meanwhile {', '.join(self._plugins)} was loaded; nothing was removed.")
            yield
            self._platform.dispatcher.rates.clear()

    # Its end, and what it keeps until then ------------------------------------------------------------------

    def close(self) -> None:
        """Unload everything and take no more; the records stay readable.

        Ctrl-C ends a wait or a hook, and the next step follows; it is raised when all is done.
        """
        if self._closed or self._owner != os.getpid():
            return
        with deferred(), self._lock:
            self._closing = True
        plugins = tuple(self._everything)
        do_all(
            *(plugin.unload for plugin in plugins),
            lambda: self._wait_for_calls(CLOSE_SECONDS),
            self._platform.workers.close,
            self.host.close,
            self._digests.clear,
            *(plugin.unload for plugin in plugins),  # again, where that was interrupted before it began
            *(
                partial(plugin._deployment.let_go, "unloaded") for plugin in plugins
            ),  # the remains, where that failed half-way
            self._data.remove_own,
        )
        self._closed = True

    def _end_calls(self) -> None:
        """Take no more calls, cancel those there are, and wait a moment for them to end; in a forked child, nothing."""
        if self._owner != os.getpid():
            return
        self.host.end()
        for plugin in tuple(self._everything):
            plugin._deployment.end("the runtime ends")
        self._wait_for_calls(EXIT_SECONDS)

    def _wait_for_calls(self, seconds: float) -> None:
        """Wait until no call of this runtime is left, other than the call this is called from."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(plugin._deployment.is_busy for plugin in tuple(self._everything)):
            time.sleep(0.002)

    def check_open(self) -> None:
        """Refuse work once the runtime is closed.

        Raises
        ------
        ResourceExhausted
        """
        if self._closing:
            raise ResourceExhausted("This runtime is closed.", hint="rt = jn.Runtime() starts another.")

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    @property
    def data_dir(self) -> Path:
        """Where services keep their data."""
        return self._data.path

    # Live views ---------------------------------------------------------------------------------------------

    def panel(self, show: str | None = None, scale: float = 1.0) -> AnyWidget:
        """`Plugin.panel`, of any of its plugins."""
        from judicia_notebook.notebook.live.panel.panel import make_panel

        return make_panel(self, show, scale)

    def snapshot_html(self) -> str:
        """Its plugins, and what the panel of each shows now, as one HTML document; see `Plugin.snapshot_html`."""
        from judicia_notebook.notebook.live.panel.card import panel_document

        return panel_document(self)

    def charts(self, scale: float = 1.0) -> AnyWidget:
        """`Plugin.charts`, of any of its plugins."""
        from judicia_notebook.notebook.live.charts.charts import make_charts

        return make_charts(self, scale)

    # Records ------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> pd.DataFrame:
        """One row a call."""
        from judicia_notebook.records import frames

        return frames.calls(self._recorder)

    @property
    def host_calls(self) -> pd.DataFrame:
        """One row a host call."""
        from judicia_notebook.records import frames

        return frames.host_calls(self._recorder)

    @property
    def samples(self) -> pd.DataFrame:
        """Enter, exit, ticks and grows of each call."""
        from judicia_notebook.records import frames

        return frames.samples(self._recorder)

    @property
    def logs(self) -> pd.DataFrame:
        """What plugins wrote to their logs."""
        from judicia_notebook.records import frames

        return frames.logs(self._recorder)

    @property
    def audit(self) -> pd.DataFrame:
        """Loads, unloads, grants, revokes, quota changes, denials, and attempts to leave the sandbox."""
        from judicia_notebook.records import frames

        return frames.audit(self._recorder)

    @property
    def policies(self) -> pd.DataFrame:
        """What each policy version granted and allowed."""
        from judicia_notebook.records import frames

        return frames.policies(self._recorder)

    @property
    def modules(self) -> pd.DataFrame:
        """What the loaded plugins' modules are, a row each: sizes, sections, instructions, features, compile time."""
        from judicia_notebook.runtime.modules import modules

        return modules(tuple(self._plugins.values()))

    @property
    def last(self) -> CallRecord | None:
        """The record of the last call of any plugin."""
        return self._recorder.call_at(self._recorder.calls.end - 1)

    @contextlib.contextmanager
    def measure(self) -> Iterator[Measurement]:
        """Collect the calls made inside the block: ``with rt.measure() as m: ...``, then ``m.calls``."""
        with context.collect(self._recorder) as call_ids:
            yield Measurement(self, call_ids)

    def monitoring(
        self, *plugins: Plugin, what: str | Iterable[str] = ("functions", "coverage")
    ) -> contextlib.AbstractContextManager[Monitored]:
        """Count exactly what plugins do in all their calls of a block: ``with rt.monitoring(p, q) as r: ...``.

        All of their calls that begin meanwhile are made in an instance of its own for each plugin, which lives through
        the block: also those by other threads, events and requests. Their own stay as they are.

        Parameters
        ----------
        *plugins : Plugin
        what : str or iterable of str
            The monitors, as for `Plugin.monitor`.

        Raises
        ------
        RewriteError, ValueError
            As `Plugin.monitor`; all plugins are as they were.
        JudiciaError
            One of them is monitored already, or is none of this runtime's.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     p = rt.load("example:specimen")
        ...     with rt.monitoring(p, what="functions") as r:
        ...         _ = p.call("echo", 1), p.call("echo", 2)
        >>> r.functions.set_index("function")["calls"]["echo"]
        np.int64(2)
        """
        from judicia_notebook.experiments.monitoring.run import monitoring

        for plugin in plugins:
            name = getattr(plugin, "name", None)
            if not isinstance(name, str):
                raise TypeError(f"rt.monitoring takes plugins, not {printable(repr(plugin), 80)}")
            if self._plugins.get(name) is not plugin:
                raise JudiciaError(f"{printable(name)} is none of this runtime's plugins.")
        return monitoring(plugins, what)

    # Telling, keeping, removing -----------------------------------------------------------------------------

    def trace(self, call_id: int | None = None) -> Trace:
        """Tell a call as a story, as strace does; by default the last call of any plugin.

        Raises
        ------
        JudiciaError
            There is no such call.
        """
        from judicia_notebook.experiments.tracer import trace_call

        return trace_call(self, call_id)

    def capture_payloads(self, limit: int | str = 200) -> contextlib.AbstractContextManager[None]:
        """Keep the first bytes of what calls and host calls say to each other, for `trace`, inside the block.

        They are kept in memory only, the latest 4 MiB of them, and are part of no frame.

        Parameters
        ----------
        limit : int or str
            Of each payload; at most 64 KiB.

        Raises
        ------
        ValueError
            No size, or more than that.
        """
        from judicia_notebook.experiments.tracer import capture_payloads

        return capture_payloads(self, limit)

    def export_trace(self, path: str | os.PathLike[str]) -> Path:
        """Write all that is recorded as a trace for ui.perfetto.dev, which opens it without sending it anywhere.

        Parameters
        ----------
        path : path
            Such as ``run.json`` or ``run.json.gz``.

        Returns
        -------
        Path
            Plugins are processes, instances are threads: calls with their host calls, memory as counters, denials, log
            lines and policy changes as instants.
        """
        from judicia_notebook.experiments.tracer import export_trace

        return export_trace(self, path)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        anonymous: bool = False,
        sweeps: Mapping[str, pd.DataFrame] | None = None,
    ) -> Path:
        """Keep everything that was recorded until now in a file, for `read_run`, a colleague, or a paper's supplement.

        The file is a zip of one CSV a frame, and a ``meta.json`` with units, versions, machine and clocks.

        Parameters
        ----------
        path : path
            Such as ``"run.zip"``. What stands there is replaced.
        anonymous : bool
            For a review that must not know whose it is: plugins, digests, threads, targets, grants' scopes and all free
            texts are replaced by numbers, instants count from 1970. Names of functions and labels stay.
        sweeps : mapping of str to DataFrame, optional
            Frames of `sweep` or `read_sweep` to keep with it, for `Run.sweeps`.

        Returns
        -------
        Path

        Raises
        ------
        OSError
        ValueError
            Of `sweeps` one is no frame of a sweep, or a name is no file's.
        """
        from judicia_notebook.analysis.runs.run import save_run

        return save_run(self._recorder, path, anonymous=anonymous, sweeps=sweeps)

    def to_parquet(
        self,
        folder: str | os.PathLike[str],
        *,
        anonymous: bool = False,
        sweeps: Mapping[str, pd.DataFrame] | None = None,
    ) -> Path:
        """Write everything that was recorded until now as Parquet, one file a frame, for other programs.

        Fields of logs, grants and quotas are JSON. `read_run` reads what `save` writes, and no Parquet.

        Parameters
        ----------
        folder : path
            A new one.
        anonymous, sweeps
            As for `save`.

        Returns
        -------
        Path

        Raises
        ------
        JudiciaError
            pyarrow is not there: ``python -m pip install 'judicia-notebook[parquet]'``.
        FileExistsError
            There is something at the path.
        OSError, ValueError
            As for `save`.
        """
        from judicia_notebook.analysis.runs.run import write_parquet

        return write_parquet(self._recorder, folder, anonymous=anonymous, sweeps=sweeps)

    def reset(self, *, confirm: bool = False) -> resetting.Removal:
        """Remove plugins with all they left: files, tables, events, notifications, shared regions and recorded rows.

        Private folders and tables go of every plugin that left any in the data folder or the database, also of those
        that another kernel loaded: other runtimes there must be closed. Running calls are cancelled first. Folders
        mapped by a grant and platform tables are never touched.

        Parameters
        ----------
        confirm : bool
            Without it nothing is removed; the returned `Removal` says what would be.

        Returns
        -------
        Removal
            What goes, in words.

        Raises
        ------
        PolicyError
            From inside a call, which would have to end itself.
        ResourceExhausted
            A call did not end, or something could not be removed; the message says what is left.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     _ = rt.load("example:checker")
        ...     waiting = rt.reset()
        ...     done = rt.reset(confirm=True)
        ...     waiting.done, done.done, list(rt.plugins)
        (False, True, [])
        """
        return resetting.reset(self, confirm=confirm)

    def lock(
        self,
        ceiling: Quota | Mapping[str, Any] | None = None,
        grants: Iterable[str] | None = None,
        *,
        by: str = "",
    ) -> Lock:
        """Let no plugin have more than this until the runtime ends: say in one line what a class may set.

        Loaded plugins lose what they have beyond it. Later grants, quotas, loads and switches of the panel beyond it
        are refused, and the refusal stands in `audit`. A lock can be made narrower by another, and never wider; neither
        `reset` nor `clear` ends it. It is of this runtime: Python in the same kernel can make another one.

        Parameters
        ----------
        ceiling : Quota or dict, optional
            What no quota may exceed; kinds that are not named stay as they are.
        grants : list of str, optional
            The only grants there may be, each as it is written here; ``[]`` for none. Without it grants are not locked.
        by : str, optional
            Who locks it; each refusal says so.

        Returns
        -------
        Lock
            Which is `locked` from then on.

        Raises
        ------
        PolicyError
            Nothing would be locked; a bad grant or limit, or one above the ceiling; a loaded plugin's code counts no
            fuel, and the lock limits it. Nothing is locked then.
        PolicyLocked
            It would allow more than the lock in force.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> with jn.Runtime() as rt:
        ...     p = rt.load("example:specimen")
        ...     lock = rt.lock(ceiling={"cpu": "500ms"}, grants=["wall_clock"], by="the lecturer")
        ...     p.policy.grant("wall_clock")
        ...     p.policy.grant("random")
        Traceback (most recent call last):
        judicia_notebook.errors.PolicyLocked: random may not be granted: this runtime was locked by the lecturer at ...
        """
        self.check_open()
        with deferred(), self._lock:  # so that no load is under way
            policies = [plugin.policy for plugin in tuple(self._everything)]  # of unloaded ones that still run, too
            lock = locking.lock(self._platform.bounds, policies, ceiling, grants, by)
            self._recorder.add_audit("lock", "", lock.allowed, current_way())
        for policy in policies:
            policy.tell()
        return lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Runtime with {', '.join(self._plugins) or 'no plugins'}>"


_shared: Runtime | None = None
_shared_lock = threading.Lock()


def get_runtime() -> Runtime:
    """The kernel's shared runtime, which the magics use; made at first use."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared.closed:
            _shared = Runtime()
        return _shared


def _renew(plugin: Plugin, request: Request, code: Code, *, keeps: bool) -> tuple[Policy | None, list[Instance]]:
    """Exchange a plugin's code. Returns the policy if it changed, for `tell`; and instances left over, for `retire`."""
    admission.check_instances(request.instances, overlay(plugin.policy.quota, request.quota.given()))
    plugin.policy.compile_with(request.settings)
    plugin._deployment.hold_back(code)  # before anything is given, and nothing below fails: all of it has been checked
    if not keeps:
        plugin.policy.forget()
    # A grant of a function that is no longer supplied would be one of a registered function of that name.
    supplied_anew = request.options.imports is not plugin.options.imports
    gone = {*plugin._code.offers.grants} - {*code.offers.grants} if supplied_anew else ()
    changed = plugin.policy.merge(request.grants, request.quota, request.on_denied, what="load", without=gone)
    idle = plugin._replace(code, instances=request.instances, config=request.config, options=request.options)
    return plugin.policy if changed else None, idle


def _loaded(code: Code) -> str:
    """What the audit says of a load: where it came from, its digest, and the features that it switched on."""
    features = f"; with {', '.join(code.features)}" if code.features else ""
    return f"{source_label(code.source)} {code.digest[:12]}{features}"


def _living(runtime: weakref.ref[Runtime]) -> Runtime:
    """The runtime itself, for a part of it that must not keep it alive."""
    found = runtime()
    if found is None:
        raise ResourceExhausted(
            "The runtime that this belonged to is gone.", hint="Keep it in a variable: rt = jn.Runtime()."
        )
    return found
