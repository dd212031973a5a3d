"""From a module that was read to code that is ready to be instantiated: compiled, its imports resolved. Nothing is run.

Only here does the compiler see a module, and only after its imports, types and sizes were checked.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import abi
from judicia_notebook.engine.compile_apart import DEFAULT_ABOVE, CompileLimits
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.sandbox import HostFunction, Linkage
from judicia_notebook.engine.slots import NUMBERS
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.engine.system_memory import memory_limit
from judicia_notebook.errors import (
    AbiMismatch,
    CompileError,
    CompileLimit,
    GuestTrap,
    JudiciaError,
    LoadError,
    NoSuchFunction,
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
from judicia_notebook.runtime.source import ModuleSource, in_the_text, source_label
from judicia_notebook.text import did_you_mean, printable
from judicia_notebook.units import format_size, format_time
from judicia_notebook.wasm.compile_cost import HEAVY, check_locals, compile_work
from judicia_notebook.wasm.foreign import makers_of
from judicia_notebook.wasm.info import FuncType, Import

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.runtime.source import Read

MAX_STORES = 16
"""Memories, and tables, of a module at most."""


@dataclass(frozen=True, slots=True)
class Code(ModuleSource):
    """A module that was read, checked and compiled: what a plugin's instances are made from."""

    linkage: Linkage
    functions: Mapping[str, FuncType]
    callable: Mapping[str, FuncType]
    from_cache: bool

    @property
    def is_reactor(self) -> bool:
        """Whether WASI's ``_initialize`` is to run once in each instance, before anything else of it."""
        return self.abi != WASI_ABI and self.functions.get(REACTOR_INITIALIZE) == FuncType()


def link(
    found: Read, dispatcher: Dispatcher, *, trap_unknown: bool, cache_folder: Path | None, isolate: bool | None = None
) -> Code:
    """Compile what was read and resolve its imports.

    Parameters
    ----------
    isolate : bool, optional
        Whether to compile in a child process; by default what has more than 4 MiB or may keep the compiler busy.

    Raises
    ------
    UnknownImport, AbiMismatch, CompileError
    """
    try:
        engine = get_engine()
        for what, count in (("memories", len(found.module.memories)), ("tables", len(found.module.tables))):
            if count > MAX_STORES:
                raise CompileLimit(f"it has {count} {what}, at most {MAX_STORES} are allowed")
        used = list(_resolve(found.module.imports, dispatcher, trap_unknown=trap_unknown))
        compiled = engine.fetch(found.module, found.digest, cache_folder)
        if compiled is None:
            check_locals(found.module)
            if cache_folder is None:
                notices.fallback("cache", "There is no folder for compiled modules, so that every load compiles.")
            apart = _may_be_heavy(found) if isolate is None else isolate
            with announced(f"{source_label(found.source)} ({format_size(len(found.wasm))})"):
                try:
                    compiled = engine.compile(
                        found.module,
                        found.digest,
                        cache_folder=cache_folder,
                        apart=_compile_limits() if apart else None,
                    )
                except CompileError as error:
                    raise _refused(error, found) from None
        with deferred():
            try:
                linkage = Linkage(engine, compiled, found.module, used, trap_unknown=trap_unknown)
            finally:
                compiled.close()
    except LoadError as error:
        error.source = error.source or source_label(found.source)
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
        exported_functions(found.module),
        callable_functions(found.module, found.abi),
        compiled.from_cache,
    )


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


def _resolve(imports: Sequence[Import], dispatcher: Dispatcher, *, trap_unknown: bool) -> Iterable[Any]:
    done = set()
    missing = [item for item in imports if item.kind != "func" or dispatcher.find(item.module, item.name) is None]
    if missing and not (trap_unknown and all(item.kind == "func" for item in missing)):
        raise _unknown(missing, dispatcher)
    for wanted in imports:
        key = (wanted.module, wanted.name)
        function = dispatcher.find(*key) if wanted.kind == "func" else None
        if function is None:
            if key not in done and (made := _trapping(wanted)) is not None:
                yield made
            done.add(key)
            continue
        expected = FuncType(function.params, function.results)
        if wanted.type != expected:
            name = printable(f"{wanted.module}.{wanted.name}", 160)
            raise AbiMismatch(f"it imports {name} as {wanted.type}; here it is {expected}")
        if key not in done:
            done.add(key)
            yield function


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
    """The error for imports that are not offered: all of them, whose they are, and the way around."""
    first, *others = dict.fromkeys((item.module, item.name, item.kind) for item in missing)
    lines = makers_of(missing)
    if all(item.kind == "func" for item in missing):
        lines.append('unknown_imports="trap" loads it anyway; on a line that is  --unknown-imports trap')
    else:
        lines.append("Only functions can be left to trap, so unknown_imports does not load it.")
    module, name, kind = first
    return UnknownImport(module, name, kind=kind, known=dispatcher.modules, others=others, hint="\n".join(lines))


def differences(old: Code, new: Code) -> tuple[str, ...]:
    """What a load under a loaded name changed, in words."""
    if old.digest == new.digest:
        return ()
    found = [f"code {old.digest[:12]} -> {new.digest[:12]}"]
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


_GC_TYPE = "gc types are disallowed but found type which requires gc"
_NO_EXTERNREF = (
    "Of the reference types only funcref is on here; externref is not. Rust 1.82 and later: leave out wasm-bindgen, "
    "or build with RUSTFLAGS=-Ctarget-cpu=mvp and -Zbuild-std. clang: -mno-reference-types."
)


def _refused(error: CompileError, found: Read) -> CompileError:
    """The compiler's refusal, in words and with what to do where that is known."""
    if _GC_TYPE in error.message:
        error = CompileError(error.message.replace(_GC_TYPE, "it has the type externref, which is off"))
        error.hint = _NO_EXTERNREF
    return in_the_text(error, found.text, found.module)
