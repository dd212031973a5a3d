"""From a path, bytes or an example's name to code that is ready to be instantiated. Nothing of it is run.

The order is that of trust: the bytes are found and bounded, read by our own section reader, their manifest and imports
checked, and only then does the compiler see them. Whatever is wrong is a LoadError of one line that names the source.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from judicia_notebook.engine import abi
from judicia_notebook.engine.compile_apart import DEFAULT_ABOVE, CompileLimits
from judicia_notebook.engine.compiler import assemble
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
    InvalidModule,
    JudiciaError,
    LoadError,
    ManifestError,
    NoSuchExample,
    NoSuchFunction,
    UnknownImport,
    did_you_mean,
    printable,
)
from judicia_notebook.reporting import notices, suggestions
from judicia_notebook.units import format_size, format_time
from judicia_notebook.wasm import manifest as manifests
from judicia_notebook.wasm.compile_cost import HEAVY, check_locals, compile_work
from judicia_notebook.wasm.foreign import makers_of
from judicia_notebook.wasm.info import FuncType, Import, ModuleInfo
from judicia_notebook.wasm.sections import identify, read_module
from judicia_notebook.wasm.wat_lines import with_place

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.dispatcher import Dispatcher
    from judicia_notebook.wasm.manifest import Manifest

MAX_FILE = 256 << 20
"""Bytes of a module, and of WAT text, at most."""

MAX_STORES = 16
"""Memories, and tables, of a module at most."""

EXAMPLE = "example:"
Source = str | bytes | os.PathLike[str]
RAW_ABI, WASI_ABI = "raw", "wasi"
START, REACTOR_INITIALIZE = "_start", "_initialize"
ENTRIES = abi.RESERVED | {START, REACTOR_INITIALIZE}
"""What an ABI has a use for, and a person has not."""


@dataclass(frozen=True, slots=True)
class Code:
    """A module that was read, checked and compiled: what a plugin's instances are made from."""

    source: Source
    path: Path | None
    wasm: bytes
    digest: str
    module: ModuleInfo
    manifest: Manifest
    manifest_origin: str
    abi: str
    linkage: Linkage
    functions: Mapping[str, FuncType]
    callable: Mapping[str, FuncType]
    from_cache: bool

    @property
    def is_reactor(self) -> bool:
        """Whether WASI's ``_initialize`` is to run once in each instance, before anything else of it."""
        return self.abi != WASI_ABI and self.functions.get(REACTOR_INITIALIZE) == FuncType()


def callable_functions(module: ModuleInfo, abi_name: str) -> dict[str, FuncType]:
    """The exports that can be called with a request, as the ABI has it; hooks included."""
    if abi_name != abi.NAME:
        return {}
    return {
        name: kind
        for name, kind in exported_functions(module).items()
        if (kind.params, kind.results) == abi.CALL and name not in abi.RESERVED
    }


def exported_functions(module: ModuleInfo) -> dict[str, FuncType]:
    """Every exported function."""
    return {one.name: one.type for one in module.exports if one.kind == "func" and one.type is not None}


def numeric_exports(module: ModuleInfo, abi_name: str) -> dict[str, FuncType]:
    """The exports that `Plugin.raw` calls, without those that the ABI or WASI has a use for."""
    kept = {*callable_functions(module, abi_name), *ENTRIES}
    return {
        name: kind
        for name, kind in exported_functions(module).items()
        if name not in kept and NUMBERS.issuperset((*kind.params, *kind.results))
    }


# Where it comes from ------------------------------------------------------------------------------------------


def example_folder() -> Path:
    """Where the bundled plugins lie; ``JUDICIA_NOTEBOOK_PLUGINS`` names another folder."""
    return Path(os.environ.get("JUDICIA_NOTEBOOK_PLUGINS") or Path(__file__).parents[1] / "plugins")


def examples() -> dict[str, str]:
    """The bundled plugins, by name, with their descriptions.

    Examples
    --------
    >>> "checker" in examples()
    True
    """
    found = {}
    for folder in sorted(example_folder().iterdir()):
        if (folder / f"{folder.name}.wasm").is_file():
            text = (folder / manifests.FILE).read_text() if (folder / manifests.FILE).is_file() else ""
            found[folder.name] = manifests.from_toml(text).description if text else ""
    return found


def _example_path(name: str) -> Path:
    path = example_folder() / name / f"{name}.wasm"
    if "/" in name or "\\" in name or not path.is_file():
        known = examples()
        raise NoSuchExample(f"There is no example {name!r}.{did_you_mean(name, known)}")
    return path


def label(source: Source) -> str:
    """The source as an error names it."""
    if isinstance(source, bytes | bytearray):
        return f"{len(source)} bytes"
    if not isinstance(source, str | os.PathLike):
        return type(source).__name__
    text = os.fspath(source)
    if text.lstrip().startswith("("):
        return "WAT text"
    return text if text.startswith(EXAMPLE) else Path(text).name


def _find(source: Source) -> tuple[bytes, Path | None]:
    """The bytes as they lie there, and where that is."""
    if isinstance(source, bytes | bytearray):
        return bytes(source), None
    if not isinstance(source, str | os.PathLike):
        raise LoadError(f"a source is a path, bytes or 'example:NAME', not {type(source).__name__}")
    text = os.fspath(source)
    if text.lstrip().startswith("("):
        return text.encode(), None
    try:
        path = _example_path(text[len(EXAMPLE) :]) if text.startswith(EXAMPLE) else Path(text).expanduser()
        path = path.absolute()  # and not resolved: where a link leads may change
        return _read_bounded(path), path
    except (ValueError, RuntimeError) as error:  # a zero byte in the name, a home folder that does not exist
        raise LoadError(f"it is no path: {error}") from None


def _anchored(source: Source, path: Path | None) -> Source:
    """The source, as the file that it is wherever the notebook goes."""
    if path is None or isinstance(source, bytes) or os.fspath(source).startswith(EXAMPLE) or Path(source) == path:
        return source
    return path


def _read_bounded(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        folder = path.absolute().parent
        raise LoadError(
            f"there is no such file in {folder}{'' if folder.is_dir() else ', which is no folder'}"
        ) from None
    except OSError as error:
        raise LoadError(f"it cannot be read ({error.strerror})") from None
    try:
        status = os.fstat(descriptor)
        _check_file(status)
    except InvalidModule:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(status.st_size + 1)  # all that is asked for is set aside at once
    if len(data) != status.st_size:
        raise InvalidModule("it changed while it was being read")
    return data


def _check_file(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InvalidModule("it is a directory; give the .wasm file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidModule("it is not a regular file")
    if status.st_size > MAX_FILE:
        raise InvalidModule(f"it is too large: {format_size(status.st_size)}, at most {format_size(MAX_FILE)}")


def _to_wasm(data: bytes, path: Path | None) -> bytes:
    if len(data) > MAX_FILE:
        raise InvalidModule(f"it is too large: more than {format_size(MAX_FILE)}")
    if (path is not None and path.suffix == ".wat") or identify(data) == "wat":
        return assemble(data)
    return data


# What it is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """A module that was read and not compiled."""

    source: Source
    path: Path | None
    wasm: bytes
    digest: str
    module: ModuleInfo
    manifest: Manifest
    manifest_origin: str
    abi: str
    text: bytes = b""
    """The WAT it was assembled from, if it was."""


def read(source: Source, *, manifest: Any = None, wanted_abi: str | None = None) -> Read:
    """Read a module and its manifest.

    Raises
    ------
    LoadError, NoSuchExample
    """
    try:
        data, path = _find(source)
        wasm = _to_wasm(data, path)
        text = data if wasm is not data else b""
        try:
            module = read_module(wasm)
        except InvalidModule as error:
            raise _in_the_text(error, text, None) from None
        found, origin = (
            (manifests.from_value(manifest), "given") if manifest is not None else manifests.read_manifest(module, path)
        )
        chosen = _choose_abi(module, found, str(origin), wanted_abi)
        digest = hashlib.sha256(wasm).hexdigest()
        return Read(_anchored(source, path), path, wasm, digest, module, found, str(origin), chosen, text)
    except ManifestError as error:
        raise ManifestError(
            f"{error.source}: {error.message}" if error.source else error.message, source=label(source)
        ) from None
    except LoadError as error:
        error.source = error.source or label(source)
        raise


E = TypeVar("E", bound=LoadError)


def _in_the_text(error: E, text: bytes, module: ModuleInfo | None) -> E:
    """The error with the line of the WAT in place of a byte of the binary that nobody has seen."""
    placed = with_place(error.message, text.decode("utf-8", "replace"), module) if text else None
    return error if placed is None else type(error)(placed, hint=error.hint)


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
    return _in_the_text(error, found.text, found.module)


def _choose_abi(module: ModuleInfo, manifest: Manifest, origin: str, wanted: str | None) -> str:
    if wanted not in (None, abi.NAME, WASI_ABI, RAW_ABI):
        raise AbiMismatch(f"there is no ABI {wanted!r}; there is {abi.NAME!r}, {WASI_ABI!r} and {RAW_ABI!r}")
    if wanted is None and manifest.abi != 1:
        raise AbiMismatch(f"it is written for ABI {manifest.abi}, and this runtime offers ABI 1")
    missing = abi.missing_exports(module)
    if wanted == RAW_ABI:
        return RAW_ABI
    if wanted == WASI_ABI or (wanted is None and missing and _is_command(module)):
        if not _is_command(module):
            found = exported_functions(module).get(START)
            lacks = f"its {START} is {found}" if found else f"it exports no {START}"
            lacks = "it exports no memory" if found == FuncType() else lacks
            raise AbiMismatch(f"it is no WASI command, which exports memory and {START} () -> (): {lacks}")
        return WASI_ABI
    if not missing:
        if misshapen := abi.misshapen_hooks(module):
            raise AbiMismatch(f"its {', its '.join(misshapen)}, and must be a function (i32, i32) -> i64")
        return abi.NAME
    meant = any(module.export(name) is not None for name in (abi.ALLOC, abi.FREE))  # nobody has these by chance
    if wanted == abi.NAME or origin != "derived" or meant:
        raise AbiMismatch(
            f"it lacks exports of ABI 1: {', '.join(missing)}",
            hint='abi="raw" loads it for its numeric exports alone.' if meant and wanted is None else "",
        )
    return RAW_ABI


def _is_command(module: ModuleInfo) -> bool:
    memory = module.export("memory")
    return memory is not None and memory.kind == "memory" and exported_functions(module).get(START) == FuncType()


# Compiling and linking ----------------------------------------------------------------------------------------


def load(
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
        compiled = engine.fetch(found.digest, cache_folder)
        if compiled is None:
            check_locals(found.module)
            if cache_folder is None:
                notices.fallback("cache", "There is no folder for compiled modules, so that every load compiles.")
            apart = _may_be_heavy(found) if isolate is None else isolate
            with announced(f"{label(found.source)} ({format_size(len(found.wasm))})"):
                try:
                    compiled = engine.compile(
                        found.wasm, found.digest, cache_folder=cache_folder, apart=_compile_limits() if apart else None
                    )
                except CompileError as error:
                    raise _refused(error, found) from None
        with deferred():
            try:
                linkage = Linkage(engine, compiled, found.module, used, trap_unknown=trap_unknown)
            finally:
                compiled.close()
    except LoadError as error:
        error.source = error.source or label(found.source)
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
    """What the compiler may take here: it must not be the kernel that the system ends for want of memory."""
    limits, there = CompileLimits(), memory_limit()
    return limits if there is None else replace(limits, memory_bytes=min(limits.memory_bytes, there * 3 // 4))


def _may_be_heavy(found: Read) -> bool:
    """Whether compiling it may take more than this process, where nothing can stop a compiler, should be kept with."""
    return len(found.wasm) > DEFAULT_ABOVE or compile_work(found.module, enough=HEAVY) > HEAVY


def _begin(timer: threading.Timer) -> None:
    """Start a timer, if there is a thread for it: what it would say is no reason to refuse a load."""
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
        with deferred():  # starting a thread waits for it
            _begin(timer)
        yield
        end = "it took {}; the next load is quick."
    finally:
        timer.cancel()
        if said.is_set():
            notices.say(f"... {end.format(format_time(time.monotonic() - began))}")


def _resolve(imports: Sequence[Import], dispatcher: Dispatcher, *, trap_unknown: bool) -> Iterable[Any]:
    done = set()
    missing = [one for one in imports if one.kind != "func" or dispatcher.find(one.module, one.name) is None]
    if missing and not (trap_unknown and all(one.kind == "func" for one in missing)):
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
    first, *others = dict.fromkeys((one.module, one.name, one.kind) for one in missing)
    lines = makers_of(missing)
    if all(one.kind == "func" for one in missing):
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
    before = {f"{one.module} {one.name}" for one in old.module.imports}
    after = {f"{one.module} {one.name}" for one in new.module.imports}
    found += [f"now imports {one}" for one in sorted(after - before)]
    found += [f"no longer imports {one}" for one in sorted(before - after)]
    asked = sorted(set(new.manifest.capabilities) - set(old.manifest.capabilities))
    found += [f"now asks for {one}" for one in asked]
    return tuple(found)


def not_callable(plugin: str, code: Code, function: str) -> JudiciaError:
    """The error for a call of what takes no request, with what can be done instead."""
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
    return f"it lacks what ABI 1 needs: {', '.join(missing)}" if missing else 'abi="raw" was asked for'
