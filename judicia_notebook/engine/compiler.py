"""Compiling: the engine's configuration, a module from its bytes, and compiled modules as bytes.

Where memories are ours, Wasmtime makes code of each data segment; so `Compiler.take_images` takes out of a module what
`memory` can copy in, and a compiled module carries those images until `Linkage` has them.

Every WebAssembly feature is set here, not left to a default that changes with a release. The features that plugins'
compilers emit are on; all others are attack surface, and off, unless the engine's settings switch them on. The settings
are part of the key under which compiled modules are kept.

The child process of `compile_apart` uses a `Compiler` alone. Guests run in an `Engine`, which is a `Compiler`, too.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from ctypes import byref, c_void_p
from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import capi, memory
from judicia_notebook.engine.features import OPTIONAL
from judicia_notebook.engine.finalizers import leave
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.settings import FULL, EngineSettings
from judicia_notebook.errors import CompileError, InvalidModule, ResourceExhausted
from judicia_notebook.wasm import memory_images
from judicia_notebook.wasm.memory_images import Image, ImagedModule

if TYPE_CHECKING:
    from judicia_notebook.wasm.info import ModuleInfo

MAX_WASM_STACK = 512 << 10
"""Bytes of native stack a guest may use before it traps."""

FEATURES = {
    # On: what today's compilers emit for plugins.
    "wasm_bulk_memory": True,
    "wasm_multi_value": True,
    "wasm_reference_types": True,
    "wasm_simd": True,
    "wasm_multi_memory": True,  # safe here, since all memories of an instance share one account
    "gc_support": True,  # for externref alone: the heap behind it is one of our memories, and stays empty
    # Off: nothing a plugin needs.
    "wasm_threads": False,  # a shared memory would bypass our memories
    "shared_memory": False,
    "wasm_memory64": False,
    "wasm_custom_page_sizes": False,
    "wasm_tail_call": False,
    "wasm_relaxed_simd": False,
    "wasm_function_references": False,
    "wasm_gc": False,
    "wasm_exceptions": False,
    "wasm_stack_switching": False,
    "wasm_wide_arithmetic": False,
    "wasm_branch_hinting": False,
    "wasm_compact_imports": False,
    "wasm_component_model": False,
    # One answer on every machine, for the same input; NaNs are a matter of the engine's settings.
    "wasm_relaxed_simd_deterministic": True,
    "parallel_compilation": True,
    "native_unwind_info": True,
}

_OF_WASM = frozenset(name for name in FEATURES if name.startswith("wasm_")) - {"wasm_relaxed_simd_deterministic"}

_RESERVATIONS = (4 << 30, 1 << 30, 256 << 20, 64 << 20)
_GUARDS = {4 << 30: 32 << 20, 1 << 30: 32 << 20, 256 << 20: 1 << 20, 64 << 20: 64 << 10}


def _reservation() -> int:
    """Address space for each memory: with 4 GiB no access needs a bounds check. Less where the system gives less."""
    if not memory.AVAILABLE:
        return _RESERVATIONS[0]
    for size in _RESERVATIONS:
        if memory.can_reserve(size * 16):
            return size
    raise ResourceExhausted(
        "This process may not reserve even 1 GiB of address space, and the sandbox engine needs that.",
        hint="Look at `ulimit -v`; raise it before starting the kernel.",
    )


def describe(settings: EngineSettings) -> dict[str, Any]:
    """What a method section says of an engine with these settings, as plain values."""
    switches = FEATURES | settings.switches()
    return {
        "metering": settings.metering,
        "fuel": settings.fuel,
        "epochs": settings.epochs,
        "nan_canonicalization": settings.canonical_nans,
        "compiler": "Cranelift",
        "optimization": "speed",
        "features": [name.removeprefix("wasm_") for name, on in switches.items() if on and name in _OF_WASM],
        "simd": f"128 bits, relaxed SIMD {'on and deterministic' if switches['wasm_relaxed_simd'] else 'off'}",
        "memory": "of our own: reserved at once, committed as it grows" if memory.AVAILABLE else "Wasmtime's own",
        "most_wasm_stack_bytes": MAX_WASM_STACK,
    }


class Module:
    """A compiled module, held by a pointer of Wasmtime's until `close` or until the last reference to it goes.

    Attributes
    ----------
    images : tuple of Image
        What its memories hold when they are made, apart from what the compiled code writes. They belong to these very
        bytes that were compiled, so both go together.
    cached_bytes : int
        The size of its file in the cache; 0 where it has none.
    compile_ms : float or None
        What compiling it took; None where its code came from the cache.
    """

    __slots__ = ("__weakref__", "_pointer", "_remains", "cached_bytes", "compile_ms", "digest", "from_cache", "images")

    def __init__(self, pointer: int, digest: str, from_cache: bool) -> None:
        self._pointer: int | None = pointer
        self._remains = leave(self, partial(capi.module_delete, pointer))  # a load may be interrupted anywhere
        self.digest = digest
        self.from_cache = from_cache
        self.images: tuple[Image, ...] = ()
        self.cached_bytes = 0
        self.compile_ms: float | None = None

    @property
    def pointer(self) -> int:
        if self._pointer is None:
            raise ResourceExhausted("This compiled module is already closed.")
        return self._pointer

    def close(self) -> None:
        """Let go of it. Linkages made from it keep what they need."""
        self._pointer = None
        self._remains.free()


class Compiler:
    """The half of an engine that compiles: Wasmtime's, with our settings.

    Parameters
    ----------
    reservation : int, optional
        Bytes of address space for each memory; by default as many as the system gives.
    settings : EngineSettings
        What is added to the guests' code. Modules that were compiled with other settings have another `key`.

    Raises
    ------
    ResourceExhausted
        Address space is too small.
    """

    def __init__(self, reservation: int | None = None, settings: EngineSettings = FULL) -> None:
        self.reservation = reservation or _reservation()
        self.settings = settings
        config = capi.config_new()
        self._features = FEATURES | settings.switches()
        for name, value in self._features.items():
            capi.config_set(config, name, value)
        capi.config_set_choice(config, "strategy", 1)  # Cranelift
        capi.config_set_choice(config, "cranelift_opt_level", 1)  # for speed
        capi.config_set(config, "max_wasm_stack", MAX_WASM_STACK)
        capi.config_set(config, "memory_reservation", self.reservation)
        # Where a memory may not move, Wasmtime itself refuses a grow beyond the reservation. With little address space
        # it asks us instead: we refuse the grow, and count it.
        capi.config_set(config, "memory_may_move", self.checks_each_access)
        capi.config_set(config, "memory_guard_size", _GUARDS[self.reservation])
        if memory.AVAILABLE:
            memory.install(config)
        self.pointer: int = capi.engine_new(config)
        self.key = f"wasmtime-{capi.VERSION}-{platform.system()}-{platform.machine()}-{self._settings_key()}"

    def describe(self) -> dict[str, Any]:
        """What a method section says of it, as plain values."""
        return describe(self.settings) | {
            "memory_reservation_bytes": self.reservation,
            "memory_guard_bytes": _GUARDS[self.reservation],
            "checks_each_access": self.checks_each_access,
        }

    @property
    def checks_each_access(self) -> bool:
        """Whether address space is too small for guards to catch every access out of bounds."""
        return self.reservation < _RESERVATIONS[0]

    def _settings_key(self) -> str:
        # A module compiled without its images must not run without them, nor one with all its segments get them again.
        images = memory_images.VERSION if memory.AVAILABLE else 0
        text = repr(
            (sorted(self._features.items()), self.reservation, _GUARDS[self.reservation], MAX_WASM_STACK, images)
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @staticmethod
    def take_images(module: ModuleInfo) -> ImagedModule:
        """What to compile of a module, and the images of its memories; none where Wasmtime makes the memories."""
        return memory_images.take_images(module) if memory.AVAILABLE else ImagedModule(module.data)

    @staticmethod
    def read_images(module: ModuleInfo) -> tuple[Image, ...]:
        """The images alone."""
        return memory_images.read_images(module) if memory.AVAILABLE else ()

    def validate(self, wasm: bytes) -> None:
        """Have the engine validate a module, with the features that are on; nothing is compiled.

        Raises
        ------
        CompileError
            It is not valid, or needs a feature that is off.
        """
        error = capi.module_validate(self.pointer, wasm, len(wasm))
        if error:
            raise CompileError(_refusal(capi.take_error(error)))

    def compile_here(self, wasm: bytes, digest: str = "") -> Module:
        """Compile these bytes, all their data segments included, in this process.

        Raises
        ------
        CompileError
        """
        pointer = c_void_p()
        with deferred():  # an interrupt before `Module` holds the pointer would leave a module that is never freed
            error = capi.module_new(self.pointer, wasm, len(wasm), byref(pointer))
            if error:
                raise CompileError(_refusal(capi.take_error(error)))
            return Module(pointer.value or 0, digest, from_cache=False)

    def serialize(self, module: Module) -> bytes:
        """A compiled module as bytes.

        Raises
        ------
        CompileError
        """
        vector = capi.ByteVector()
        error = capi.module_serialize(module.pointer, byref(vector))
        if error:
            raise CompileError(capi.take_error(error))
        return capi.take_bytes(vector)

    def deserialize(self, compiled: bytes, digest: str) -> Module:
        """The module of bytes that `serialize` made with the same settings, in this process or another.

        Raises
        ------
        CompileError
        """
        pointer = c_void_p()
        with deferred():
            error = capi.module_deserialize(self.pointer, compiled, len(compiled), byref(pointer))
            if error:
                raise CompileError(_refusal(capi.take_error(error)))
            return Module(pointer.value or 0, digest, from_cache=False)

    def deserialize_file(self, path: str, digest: str) -> Module | None:
        """Map the file of a compiled module; None where Wasmtime does not take it."""
        pointer = c_void_p()
        with deferred():
            error = capi.module_deserialize_file(self.pointer, path.encode(), byref(pointer))
            if error:
                capi.take_error(error)
                return None
            return None if pointer.value is None else Module(pointer.value, digest, from_cache=True)


def _refusal(message: str) -> str:
    """Wasmtime's chain of causes on one line."""
    lines = [line.strip() for line in message.splitlines() if line.strip() and line.strip() != "Caused by:"]
    causes = [line.split(": ", 1)[1] if line[:1].isdigit() and ": " in line else line for line in lines]
    return ": ".join(dict.fromkeys(causes))


@functools.cache
def _validator() -> int:
    """An engine that compiles nothing: it knows which features there are, those that are off by default among them."""
    config = capi.config_new()
    for name, value in (FEATURES | FULL.with_features(tuple(OPTIONAL)).switches()).items():
        capi.config_set(config, name, value)
    engine: int = capi.engine_new(config)
    return engine


def validate(wasm: bytes) -> None:
    """Check a module as Wasmtime does before it compiles one, with all features that a load can switch on.

    Raises
    ------
    InvalidModule
        The message names a byte of the module.
    """
    error = capi.module_validate(_validator(), wasm, len(wasm))
    if error:
        raise InvalidModule(_refusal(capi.take_error(error)))


def assemble(text: str | bytes) -> bytes:
    """WAT text to wasm bytes.

    Raises
    ------
    InvalidModule
        With the assembler's message, which names line and column.
    """
    data = text.encode() if isinstance(text, str) else text
    try:
        return capi.wat_to_wasm(data)
    except ValueError as error:
        raise InvalidModule(str(error).strip()) from None
