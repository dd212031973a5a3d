"""A runtime: plugins by name, the platform they call into, and everything that is recorded of them."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from judicia_notebook import host, labels, loading
from judicia_notebook.changes import Snapshot
from judicia_notebook.delivery import deliver
from judicia_notebook.engine import cache
from judicia_notebook.engine.memory import MemoryPool
from judicia_notebook.errors import (
    LoadError,
    ManifestError,
    NoSuchPlugin,
    PolicyError,
    ResourceExhausted,
    did_you_mean,
    stays_in_process,
    tells_interrupts,
)
from judicia_notebook.grants import parse_grants
from judicia_notebook.host import wasi
from judicia_notebook.host.dispatcher import Dispatcher
from judicia_notebook.host.ownership import Owners
from judicia_notebook.inspection import Inspection, inspect
from judicia_notebook.machine import MOST_MEMORY, memory_ceiling
from judicia_notebook.measuring import Telling
from judicia_notebook.metrics.recorder import CallRecord, Recorder
from judicia_notebook.plugin import Plugin
from judicia_notebook.policy import Policy, current_way
from judicia_notebook.quotas import DEFAULTS, Quota, as_quota, check_within, make_quota, overlay
from judicia_notebook.targets import Platform
from judicia_notebook.workers import Workers

if TYPE_CHECKING:
    import pandas as pd
    from anywidget import AnyWidget

    from judicia_notebook.instances import Instances
    from judicia_notebook.loading import Source
    from judicia_notebook.manifest import Manifest

CEILING_CPU, CEILING_WALL = 60.0, 600.0
CLOSE_SECONDS, EXIT_SECONDS = 5.0, 2.0


def default_ceiling() -> Quota:
    """What no quota may exceed: 1 GiB or a quarter of the container's memory, 60 s of CPU, 10 min of wall time."""
    return Quota(memory=memory_ceiling(), cpu=CEILING_CPU, wall=CEILING_WALL, payload=MOST_MEMORY, answer=MOST_MEMORY)


@stays_in_process("In the other process, make one: jn.Runtime().")
class Runtime(Telling):
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
        self.ceiling = Quota(**{**default_ceiling().given(), **as_quota(ceiling).given()})
        self.recorder = Recorder()
        ours = weakref.ref(self)  # the engine keeps services by way of C, where no collector sees a cycle
        owners = Owners(lambda: _living(ours).data_dir)
        services = host.services(seed=seed, clock=clock, owners=owners, database=database)
        self.host = host.Host(services, owners, lambda name: _living(ours).plugin(name).digest, self.recorder)
        self.host.connect(self.recorder, deliver)
        dispatcher = Dispatcher(services)
        dispatcher.add_functions(wasi.functions(services, dispatcher.rates))
        pool = MemoryPool(2 * int(self.ceiling.memory or MOST_MEMORY))  # type: ignore[arg-type]  # bytes by now
        self._platform = Platform(dispatcher, self.recorder, pool, self.ceiling, cache.default_folder(), Workers())
        self._given_data_dir = Path(data_dir).absolute() if data_dir is not None else None
        self._own_data_dir: Path | None = None
        self._data_lock = threading.Lock()
        self._plugins: dict[str, Plugin] = {}
        self._options: dict[str, _Options] = {}
        self._everything: weakref.WeakSet[Plugin] = weakref.WeakSet()  # unloaded ones may still be running
        self._lock = threading.RLock()
        self._closed = False
        self.owner = os.getpid()
        _open.add(self)

    # Plugins ------------------------------------------------------------------------------------------------

    @property
    def plugins(self) -> Mapping[str, Plugin]:
        """The loaded plugins, by name."""
        return MappingProxyType(self._plugins)

    @tells_interrupts("The load was interrupted; what was loaded before stays.")
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
    ) -> Plugin:
        """Load a module. It is read, checked and compiled; nothing of it runs before its first call.

        Parameters
        ----------
        source : path, bytes or "example:NAME"
            A .wasm or .wat file, wasm bytes or WAT text, or a bundled example.
        name : str, optional
            What to call it; by default what it calls itself. A loaded name is replaced in place: old handles stay
            valid, and what is not said here (grants, quotas, ...) is kept.
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

        Raises
        ------
        LoadError
            The file cannot become a plugin; whatever is loaded stays as it was.
        PolicyError
            A bad grant or quota; likewise.
        """
        self._check_open()
        if name is not None:
            _check_name(name)
        _check_choice("on_denied", on_denied, ("error", "trap"))
        _check_choice("unknown_imports", unknown_imports, ("error", "trap"))
        grants = parse_grants([grant] if isinstance(grant, str) else grant)
        wanted = as_quota(quota)
        check_within(self.ceiling, wanted)
        kept = self._options.get(name or "", _Options())
        options = _Options(manifest or kept.manifest, abi or kept.abi, unknown_imports or kept.unknown_imports)
        found = loading.read(source, manifest=options.manifest, wanted_abi=options.abi)
        lowered = _lowered_by(found.manifest, self.ceiling, loading.label(source))
        chosen = name or found.manifest.name
        code = loading.load(
            found,
            self._platform.dispatcher,
            trap_unknown=options.unknown_imports == "trap",
            cache_folder=self._platform.cache_folder,
            isolate=isolate_compile,
        )
        with self._lock:
            plugin = self._plugins.get(chosen)
            known = plugin is not None
            if plugin is None:
                start = Snapshot(grants, overlay(lowered, wanted.given()), on_denied or "error")  # type: ignore[arg-type]
                _check_instances(instances, start.quota)
                policy = Policy(chosen, self.recorder, ceiling=self.ceiling, initial=start)
                plugin = Plugin(
                    chosen,
                    code,
                    self._platform,
                    policy,
                    instances=instances or 1,
                    config=config or {},
                    on_unload=self._forget,
                    named=self._plugins.get,
                )
                self._plugins[chosen] = plugin
                self._everything.add(plugin)
            else:
                _check_instances(instances, overlay(plugin.policy.quota, wanted.given()))
                plugin.policy.merge(grants, wanted, on_denied, what="load")  # type: ignore[arg-type]  # checked above
                plugin.replace(code, instances=instances, config=config)
            self._options[chosen] = options
            self.host.plugin_loaded(plugin)
            detail = "; ".join(plugin.changes) or f"{loading.label(source)} {code.digest[:12]}"
            self.recorder.add_audit("reload" if known else "load", chosen, detail, current_way())
        return plugin

    def inspect(self, source: Source) -> Inspection:
        """The audit of a file that is not loaded: nothing is compiled or run.

        Raises
        ------
        LoadError
        """
        return inspect(loading.read(source), self._platform.dispatcher)

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
            if plugin.unloaded:
                return False
            plugin.unloaded = True
            self.host.plugin_unloaded(plugin)
            if self._plugins.get(plugin.name) is plugin:
                del self._plugins[plugin.name]
                self._options.pop(plugin.name, None)
            return True

    def clear(self) -> None:
        """Unload everything; the records stay."""
        for name in tuple(self._plugins):
            with contextlib.suppress(NoSuchPlugin):
                self.unload(name)

    def close(self) -> None:
        """Unload everything and take no more; the records stay readable."""
        if self._closed or self.owner != os.getpid():
            return
        self.clear()
        self._closed = True
        self._wait_for_calls(CLOSE_SECONDS)
        self._platform.workers.close()
        self.host.close()
        if self._own_data_dir is not None:
            self._remove_data_dir()

    def end_calls(self) -> None:
        """Take no more calls, cancel those there are, and wait a moment for them to end."""
        self.host.end()
        for plugin in tuple(self._everything):
            plugin.end()
        self._wait_for_calls(EXIT_SECONDS)

    def _wait_for_calls(self, seconds: float) -> None:
        """Wait until no call of this runtime is left, but for one that this is called from."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(plugin.busy for plugin in tuple(self._everything)):
            time.sleep(0.002)

    def _check_open(self) -> None:
        if self._closed:
            raise ResourceExhausted("This runtime is closed.", hint="rt = jn.Runtime() starts another.")

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def data_dir(self) -> Path:
        """Where services keep their data."""
        if self._given_data_dir is not None:
            self._given_data_dir.mkdir(parents=True, exist_ok=True)
            return self._given_data_dir
        with self._data_lock:
            if self._own_data_dir is None:
                self._own_data_dir = Path(tempfile.mkdtemp(prefix="judicia-"))
                self._remove_data_dir = weakref.finalize(self, _remove, self._own_data_dir, os.getpid())
            return self._own_data_dir

    def panel(self, show: str | None = None, scale: float = 1.0) -> AnyWidget:
        """`Plugin.panel`, of any of its plugins."""
        from judicia_notebook.notebook.live.panel import make_panel

        return make_panel(self, show, scale)

    def charts(self, scale: float = 1.0) -> AnyWidget:
        """`Plugin.charts`, of any of its plugins."""
        from judicia_notebook.notebook.live.charts import make_charts

        return make_charts(self, scale)

    # Records ------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> pd.DataFrame:
        """One row a call."""
        from judicia_notebook.metrics import frames

        return frames.calls(self.recorder)

    @property
    def host_calls(self) -> pd.DataFrame:
        """One row a host call."""
        from judicia_notebook.metrics import frames

        return frames.host_calls(self.recorder)

    @property
    def samples(self) -> pd.DataFrame:
        """Enter, exit, ticks and grows of each call."""
        from judicia_notebook.metrics import frames

        return frames.samples(self.recorder)

    @property
    def logs(self) -> pd.DataFrame:
        """What plugins wrote to their logs."""
        from judicia_notebook.metrics import frames

        return frames.logs(self.recorder)

    @property
    def audit(self) -> pd.DataFrame:
        """Loads, unloads, grants, revokes, quota changes, denials."""
        from judicia_notebook.metrics import frames

        return frames.audit(self.recorder)

    @property
    def policies(self) -> pd.DataFrame:
        """What each policy version granted and allowed."""
        from judicia_notebook.metrics import frames

        return frames.policies(self.recorder)

    @property
    def last(self) -> CallRecord | None:
        """The record of the last call of any plugin."""
        return self.recorder.call_at(self.recorder.calls.end - 1)

    def label(self, **values: object) -> contextlib.AbstractContextManager[None]:
        """Label the rows of calls made inside the block: ``with rt.label(variant="A"): ...``"""
        return labels.label(**values)

    @contextlib.contextmanager
    def measure(self) -> Iterator[Measurement]:
        """Collect the calls made inside the block: ``with rt.measure() as m: ...``, then ``m.calls``."""
        with labels.collect(self.recorder) as call_ids:
            yield Measurement(self, call_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Runtime with {', '.join(self._plugins) or 'no plugins'}>"


class Measurement:
    """The calls of one ``with rt.measure()`` block, also while it is still open."""

    def __init__(self, runtime: Runtime, call_ids: list[int]) -> None:
        self._runtime = runtime
        self._call_ids = call_ids

    def _of(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["call_id"].isin(self._call_ids)].reset_index(drop=True)

    @property
    def calls(self) -> pd.DataFrame:
        """Their rows of `Runtime.calls`."""
        return self._of(self._runtime.calls)

    @property
    def host_calls(self) -> pd.DataFrame:
        """Their rows of `Runtime.host_calls`."""
        return self._of(self._runtime.host_calls)

    @property
    def samples(self) -> pd.DataFrame:
        """Their rows of `Runtime.samples`."""
        return self._of(self._runtime.samples)


_shared: Runtime | None = None
_shared_lock = threading.Lock()


def get_runtime() -> Runtime:
    """The kernel's shared runtime, which the magics use; made at first use."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared.closed:
            _shared = Runtime()
        return _shared


def _living(runtime: weakref.ref[Runtime]) -> Runtime:
    """The runtime itself, for a part of it that must not keep it alive."""
    found = runtime()
    if found is None:
        raise ResourceExhausted(
            "The runtime that this belonged to is gone.", hint="Keep it in a variable: rt = jn.Runtime()."
        )
    return found


_open: weakref.WeakSet[Runtime] = weakref.WeakSet()


def _end_all_calls() -> None:
    """At the interpreter's exit no thread may be inside a guest: its next callback would find no interpreter."""
    for runtime in tuple(_open):
        if runtime.owner == os.getpid():
            runtime.end_calls()


atexit.register(_end_all_calls)
if hasattr(threading, "_register_atexit"):  # private, but the only moment before Python waits for users' own threads
    threading._register_atexit(_end_all_calls)  # noqa: SLF001


def _remove(folder: Path, owner: int) -> None:
    """Remove a runtime's temporary folder, unless this is a forked child of its owner."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


class _Options(NamedTuple):
    """What a load said of how to read the file; kept for the next load under the same name."""

    manifest: Any = None
    abi: str | None = None
    unknown_imports: str | None = None


def _lowered_by(manifest: Manifest, ceiling: Quota, source: str) -> Quota:
    """The defaults, with what the manifest lowers by itself; what it asks beyond waits for the user.

    Raises
    ------
    ManifestError
        A quota kind or value that does not exist.
    """
    try:
        asked = make_quota(manifest.quota)
    except PolicyError as error:
        raise ManifestError(error.message, source=source) from None
    lowered: dict[str, Any] = {}
    for kind, most in DEFAULTS.given().items():
        value = getattr(asked, kind)
        bounds = [bound for bound in (most, getattr(ceiling, kind)) if isinstance(bound, int | float)]
        if isinstance(value, int | float) and (not bounds or value <= min(bounds)):
            lowered[kind] = value
        elif bounds and isinstance(most, int | float) and min(bounds) < most:
            lowered[kind] = min(bounds)
    return overlay(DEFAULTS, lowered)


def _check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise PolicyError(f"{name} is {' or '.join(map(repr, choices))}, not {value!r}.")


def _check_instances(instances: Any, quota: Quota) -> None:
    if instances is None or instances == "fresh":
        return
    if isinstance(instances, bool) or not isinstance(instances, int) or instances < 1:
        raise PolicyError(f"instances is a number from 1 or 'fresh', not {instances!r}.")
    if isinstance(quota.instances, int) and instances > quota.instances:
        raise PolicyError(f"instances={instances} is above the plugin's quota of {quota.instances} instances.")


def _check_name(name: str) -> None:
    from judicia_notebook.manifest import NAME

    if not NAME.fullmatch(name):
        raise LoadError(f"a plugin's name is of a-z, 0-9, _ and -, beginning with a letter; {name!r} is not")
