"""From a module that was read to code that is ready to be instantiated: compiled, its imports resolved. Nothing is run.

Only here does the compiler see a module, and only after its imports, types and sizes were checked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import abi, memory
from judicia_notebook.engine.compile_apart import DEFAULT_ABOVE, CompileLimits
from judicia_notebook.engine.compiler import assemble
from judicia_notebook.engine.features import explain_features
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.linkage import HostFunction, Linkage
from judicia_notebook.engine.native_code import native_code_bytes
from judicia_notebook.engine.settings import NONE, SETTINGS
from judicia_notebook.engine.slots import NUMBERS
from judicia_notebook.engine.startup import get_compiler, get_engine, usual_settings
from judicia_notebook.engine.supplies import provider_images, provider_text
from judicia_notebook.engine.system_memory import memory_limit
from judicia_notebook.errors import (
    AbiMismatch,
    CompileError,
    CompileLimit,
    GuestTrap,
    JudiciaError,
    LoadError,
    NoSuchFunction,
    PolicyError,
    ResourceExhausted,
    UnknownImport,
)
from judicia_notebook.reporting import notices, suggestions
from judicia_notebook.runtime.exports import (
    RAW_ABI,
    REACTOR_INITIALIZE,
    WASI_ABI,
    callable_functions,
    exported_functions,
    numeric_exports,
)
from judicia_notebook.runtime.source import ModuleSource, Read, in_the_text, source_label
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.units import format_size, format_time
from judicia_notebook.wasm.compile_cost import HEAVY, check_locals, compile_work
from judicia_notebook.wasm.features import declared_features, take_census
from judicia_notebook.wasm.info import FuncType, Import
from judicia_notebook.wasm.recognition import group_imports, recognize
from judicia_notebook.wasm.sections import read_module

if TYPE_CHECKING:
    from judicia_notebook.engine.backtraces import Locate
    from judicia_notebook.engine.compiler import Module
    from judicia_notebook.engine.engine import CachingCompiler, Engine
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.engine.settings import EngineSettings
    from judicia_notebook.engine.supplies import Supply
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.runtime.offers import Offers
    from judicia_notebook.wasm.packed_info import Recalled

MAX_STORES = 16
"""Memories, and tables, of a module at most."""


@dataclass(frozen=True, slots=True)
class Code(ModuleSource):
    """A module that was read, checked and compiled: what a plugin's instances are made from."""

    linkage: Linkage
    offers: Offers
    functions: Mapping[str, FuncType]
    callable: Mapping[str, FuncType]
    from_cache: bool
    compile_ms: float | None
    native_code_bytes: int | None
    monitored: str = ""  # the names of the monitors whose counters were written into it

    @property
    def counts_fuel(self) -> bool:
        """Whether fuel is counted, by the engine or by its own code."""
        return self.linkage.engine.settings.fuel or bool(self.linkage.meter)

    @property
    def metering(self) -> str:
        """What its engine meters: ``full``, ``epochs`` or ``none``."""
        return self.linkage.engine.settings.metering

    @property
    def features(self) -> tuple[str, ...]:
        """The features of WebAssembly that its load has switched on."""
        return self.linkage.engine.settings.features

    @property
    def is_reactor(self) -> bool:
        """Whether WASI's ``_initialize`` is to run once in each instance, before anything else of it."""
        return self.abi != WASI_ABI and self.functions.get(REACTOR_INITIALIZE) == FuncType()


def settings_of(metering: str | None, features: Any = ()) -> EngineSettings:
    """The settings of the engine for plugins with this metering; by default those that are usual in this process.

    Parameters
    ----------
    metering : str, optional
    features : str or iterable of str
        What is switched on.

    Raises
    ------
    PolicyError
        There is no such metering or feature, or none in this process.
    """
    settings = _metered(metering).with_features(features)
    if "exceptions" in settings.features and not memory.AVAILABLE:
        raise PolicyError(
            "The feature exceptions cannot be switched on: on this system the engine keeps exceptions in memory of its "
            "own, which no quota counts."
        )
    return settings


def _metered(metering: str | None) -> EngineSettings:
    if metering is None:
        return usual_settings()
    if metering == NONE.metering != usual_settings().metering:
        raise PolicyError(
            'metering="none" cannot be stopped from within, so no plugin is loaded with it.',
            hint='p.bench(..., metering="none") measures it in a process of its own.',
        )
    if metering not in SETTINGS:
        raise PolicyError(f"metering is {' or '.join(map(repr, SETTINGS))}, not {metering!r}.")
    return SETTINGS[metering]


def recall(cache_folder: Path | None, settings: EngineSettings | None, wasm: bytes, digest: str) -> Recalled | None:
    """What the cache knows of a module's bytes, so that they need not be read again."""
    if cache_folder is None:
        return None
    try:
        engine = get_engine(settings)
    except ResourceExhausted:  # `link` will say so, if there is no fault in the module
        return None
    return engine.recall(wasm, digest, cache_folder)


def link(
    found: Read,
    offers: Offers,
    *,
    trap_unknown: bool,
    cache_folder: Path | None,
    isolate: bool | None = None,
    settings: EngineSettings | None = None,
    rewritten: bytes | None = None,
    counters: int | None = None,
    meter: int = 0,
    monitored: str = "",
    locate: Locate | None = None,
) -> Code:
    """Compile what was read and resolve its imports.

    Parameters
    ----------
    offers : Offers
        What answers its imports.
    isolate : bool, optional
        Whether to compile in a child process; by default what has more than 4 MiB or may keep the compiler busy.
    settings : EngineSettings, optional
        Those of the engine to compile it for, and to run it in; by default the process's usual ones.
    rewritten : bytes, optional
        What to compile in place of the module: the same with a monitor's counters, which nothing here shows.
    counters : int, optional
        Bytes of the memory that has them.
    meter : int
        Where in it the code counts its own fuel; 0 where it does not.
    monitored : str
        The names of those monitors.
    locate : callable, optional
        Where a frame of what was rewritten is in the module.

    Raises
    ------
    UnknownImport, AbiMismatch, CompileError
    """
    try:
        engine = get_engine(settings)
        for what, count in (("memories", len(found.module.memories)), ("tables", len(found.module.tables))):
            if count > MAX_STORES:
                raise CompileLimit(f"it has {count} {what}, at most {MAX_STORES} are allowed")
        used = list(_resolve(found.module.imports, offers, trap_unknown=trap_unknown))
        compiled = _compiled(
            engine, found if rewritten is None else _rewritten(found, rewritten), cache_folder, isolate
        )
        known = 0 if found.recalled is None else found.recalled.code_bytes
        if cache_folder is not None and rewritten is None and known != compiled.cached_bytes > 0:
            manifest = found.manifest if found.manifest_origin == "section" else None
            engine.remember(found.module, manifest, found.digest, cache_folder, compiled.cached_bytes)
        provider = _provider(engine, offers.supplies) if offers.supplies else None
        with deferred():
            try:
                code_bytes = native_code_bytes(compiled)
                linkage = Linkage(
                    engine,
                    compiled,
                    found.module,
                    used,
                    offers.supplies,
                    provider,
                    trap_unknown=trap_unknown,
                    counters=counters,
                    meter=meter,
                    digest=found.digest,
                    locate=locate,
                )
            finally:
                compiled.close()
    except LoadError as error:
        error.source = error.source or source_label(found.source)
        error.recognized = recognize(found.module).labels
        if isinstance(error, UnknownImport):
            _explain(error, found)
        raise
    return Code(
        found.source,
        found.path,
        found.wasm,
        found.digest,
        found.module,
        found.manifest,
        found.manifest_origin,
        found.abi,
        linkage,
        offers,
        exported_functions(found.module),
        callable_functions(found.module, found.abi),
        compiled.from_cache,
        compiled.compile_ms,
        code_bytes,
        monitored,
    )


def _provider(engine: Engine, supplies: Sequence[Supply]) -> Linkage:
    """The module that exports what a load supplies.

    Raises
    ------
    CompileError
    """
    images = provider_images(supplies)
    wasm = assemble(provider_text(supplies, has_content=images is None))
    info = read_module(wasm)
    compiled = engine.compile(info, hashlib.sha256(wasm).hexdigest())
    try:
        compiled.images = compiled.images if images is None else images
        return Linkage(engine, compiled, info, ())
    finally:
        compiled.close()


def relink(code: Code, settings: EngineSettings, **options: Any) -> Code:
    """The same module, compiled for another engine; `options` are those of `link`.

    Raises
    ------
    UnknownImport, AbiMismatch, CompileError
    """
    return link(_as_read(code), code.offers, settings=settings, **options)


def _rewritten(found: Read, wasm: bytes) -> Read:
    """A module that was read, with other bytes: the cache must not take one for the other."""
    return replace(found, wasm=wasm, digest=hashlib.sha256(wasm).hexdigest(), module=read_module(wasm), recalled=None)


def _compiled(engine: CachingCompiler, found: Read, cache_folder: Path | None, isolate: bool | None) -> Module:
    """The module, from the cache or compiled now.

    Raises
    ------
    CompileError
    """
    compiled = engine.fetch(found.module, found.digest, cache_folder, found.recalled)
    if compiled is not None:
        return compiled
    check_locals(found.module)
    if cache_folder is None:
        notices.fallback("cache", "There is no folder for compiled modules, so that every load compiles.")
    apart = _may_be_heavy(found) if isolate is None else isolate
    with announced(f"{source_label(found.source)} ({format_size(len(found.wasm))})"):
        began = time.perf_counter_ns()
        try:
            compiled = engine.compile(
                found.module, found.digest, cache_folder=cache_folder, apart=_compile_limits() if apart else None
            )
        except CompileError as error:
            raise _refused(error, found, engine.settings.features) from None
        compiled.compile_ms = (time.perf_counter_ns() - began) / 1e6
        return compiled


def compile_for(settings: EngineSettings, code: ModuleSource, cache_folder: Path) -> None:
    """Leave a module in the cache as the engine of another process, with these settings, takes it from there.

    Raises
    ------
    CompileError
    """
    _compiled(get_compiler(settings), _as_read(code), cache_folder, None).close()


def _as_read(code: ModuleSource) -> Read:
    """The same module, as if it were not compiled yet."""
    return Read(**{field.name: getattr(code, field.name) for field in dataclasses.fields(ModuleSource)})


def _compile_limits() -> CompileLimits:
    """The compiler's limits on this machine: for want of memory the system must not end the kernel."""
    limits, there = CompileLimits(), memory_limit()
    return limits if there is None else replace(limits, memory_bytes=min(limits.memory_bytes, there * 3 // 4))


def _may_be_heavy(found: Read) -> bool:
    """Whether compiling may take too long, or too much memory, for this process, where nothing can stop a compiler."""
    return len(found.wasm) > DEFAULT_ABOVE or compile_work(found.module, enough=HEAVY) > HEAVY


def _begin(timer: threading.Timer) -> None:
    """Start a timer, if there is a thread for it: a load does not fail for want of a message."""
    with contextlib.suppress(RuntimeError):
        timer.start()


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Say on stderr what is being compiled, if that takes more than a second."""
    began = time.monotonic()
    said = threading.Event()

    def say() -> None:
        said.set()
        notices.say(f"Compiling {what} ...")

    timer = threading.Timer(1.0, say)
    timer.daemon = True
    end = "given up after {}."
    try:
        with deferred():  # `Thread.start` waits on a Condition, where an interrupt would end as a RuntimeError
            _begin(timer)
        yield
        end = "it took {}; the next load is quick."
    finally:
        timer.cancel()
        if said.is_set():
            notices.say(f"... {end.format(format_time(time.monotonic() - began))}")


def _resolve(imports: Sequence[Import], offers: Offers, *, trap_unknown: bool) -> Iterable[HostFunction]:
    """The functions that answer these imports, each name once.

    Raises
    ------
    UnknownImport, AbiMismatch
    """
    missing = [item for item in imports if not offers.has(item)]
    if missing and not (trap_unknown and all(item.kind == "func" for item in missing)):
        raise _unknown(missing, offers.dispatcher)
    types: dict[tuple[str, str], Any] = {}
    for wanted in imports:
        key = (wanted.module, wanted.name)
        function = offers.find(wanted) if key not in types else None
        if function is not None:
            types[key] = FuncType(function.params, function.results)
            _check_type(wanted, types[key])
            yield function
        elif key in types:
            _check_type(wanted, types[key])
        elif offers.has(wanted):
            types[key] = wanted.type
        elif (made := _trapping(wanted)) is not None:
            types[key] = wanted.type
            yield made


def _check_type(wanted: Import, expected: Any) -> None:
    if wanted.type != expected:
        name = printable(f"{wanted.module}.{wanted.name}", 160)
        raise AbiMismatch(f"it imports {name} as {wanted.type}; here it is {expected}")


def _trapping(wanted: Import) -> HostFunction | None:
    """A function that traps, in place of one that is not offered; None leaves odd types to the engine."""
    kind = wanted.type
    if not isinstance(kind, FuncType) or not {*kind.params, *kind.results} <= NUMBERS:
        return None

    def trap(_: Sandbox, invocation: Invocation, *__: float) -> float:
        name = repr(printable(f"{wanted.module}.{wanted.name}", 160))
        raise GuestTrap(
            trap="unknown_import",
            plugin=invocation.plugin,
            function=invocation.function,
            hint=f"It called {name}, which this runtime does not offer.",
        )

    return HostFunction(wanted.module, wanted.name, kind.params, kind.results, trap)


def _unknown(missing: Sequence[Import], dispatcher: Dispatcher) -> UnknownImport:
    """The error for imports that are not offered: all of them, whose they are, and the ways out."""
    (module, name, kind), *others = dict.fromkeys((item.module, item.name, item.kind) for item in missing)
    groups = group_imports(missing)
    return UnknownImport(module, name, kind=kind, known=dispatcher.modules, others=others, groups=groups)


def _explain(error: UnknownImport, found: Read) -> None:
    """Add what loads the module as it is, and the line that shows all of its imports with their ways out."""
    error.hint = "Only functions can be left to trap, so unknown_imports does not load it."
    if all(group.kind == "func" for group in error.groups):
        error.hint = 'unknown_imports="trap" loads it anyway; on a line that is  --unknown-imports trap'
    source = "" if found.path is None else os.fsdecode(found.source)
    lines = [suggestions.magic("inspect", source), suggestions.python("rt.inspect", source)] if source else []
    error.listing = suggestions.hint("", *lines) or error.listing


def differences(old: Code, new: Code) -> tuple[str, ...]:
    """What a load under a loaded name changed, in words."""
    found = [f"{name} switched on" for name in new.features if name not in old.features]
    found += [f"{name} switched off" for name in old.features if name not in new.features]
    if old.digest == new.digest:
        return tuple(found)
    found.insert(0, f"code {old.digest[:12]} -> {new.digest[:12]}")
    if old.manifest.version != new.manifest.version:
        found.append(f"version {old.manifest.version} -> {new.manifest.version}")
    before = {f"{item.module} {item.name}" for item in old.module.imports}
    after = {f"{item.module} {item.name}" for item in new.module.imports}
    found += [f"now imports {name}" for name in sorted(after - before)]
    found += [f"no longer imports {name}" for name in sorted(before - after)]
    requests = sorted(set(new.manifest.capabilities) - set(old.manifest.capabilities))
    found += [f"now asks for {capability}" for capability in requests]
    return tuple(found)


def not_callable(plugin: str, code: Code, function: str) -> JudiciaError:
    """The error for a call of a function that takes no request, with the way to use it instead."""
    if code.abi == WASI_ABI:
        hint = suggestions.hint("To run it:  ", suggestions.magic("run", plugin), 'p.run(args=[...], stdin=b"...")')
        return NoSuchFunction(f"{plugin} is a WASI command: it has no functions to call.", hint=hint)
    raw = f"{way}(...)" if (way := suggestions.python("p.raw", function)) else ""
    if function in code.functions and code.abi == RAW_ABI:
        return AbiMismatch(
            f"{plugin} was loaded as raw: {_why_raw(code)}.",
            hint=suggestions.hint("Its numeric exports can be called: ", raw),
        )
    if function in code.functions:
        return NoSuchFunction(
            f"{plugin}.{function} is {code.functions[function]}, and a call needs (i32, i32) -> i64.",
            hint=f"{raw} calls it with numbers." if raw else "",
        )
    there = numeric_exports(code.module, code.abi) if code.abi == RAW_ABI else code.callable
    return NoSuchFunction(f"{plugin} exports no function {function!r}.{did_you_mean(function, there)}")


def _why_raw(code: Code) -> str:
    missing = abi.missing_exports(code.module)
    return f"it lacks exports that ABI 1 needs: {', '.join(missing)}" if missing else 'abi="raw" was asked for'


def _features_used(found: Read) -> Collection[str]:
    """The features that a module uses; of a large one those that it declares, which takes no seconds to find."""
    if len(found.wasm) <= _MOST_CODE:
        with contextlib.suppress(LoadError):  # an instruction that is unknown
            return take_census(found.module).features
    return declared_features(found.module)


_MOST_CODE = 32 << 20  # bytes


def _refused(error: CompileError, found: Read, on: Iterable[str]) -> CompileError:
    """The compiler's refusal, with what to do where the module uses features that are off."""
    if not isinstance(error, CompileLimit):
        error.hint = explain_features(_features_used(found), on) or error.hint
    return in_the_text(error, found.text, found.module)
