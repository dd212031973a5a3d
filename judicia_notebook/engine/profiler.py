"""Wasmtime's guest profiler: which functions a guest was in, a thousand times a second.

- A tick of the epoch stops the guest at its next loop or function, and the profiler keeps the stack. A sample is one
  such stack, and stands for as much time as any other. The profiler's own clock measures that time: the CPU time of the
  thread inside WebAssembly, without host functions.
- A host call is no sample. Its stack is kept when it ends, with the wall time that it took.
- A tick that comes while the guest is not running would fall on its first function; in short calls most ticks do. So
  each entry, and each return from a host function, starts to wait for a tick anew.
- The core keeps the stacks (``core/box.c``), so nothing that Python does meanwhile moves a sample.
- Frames point into compiled code, so the profiler needs that very module, not another made of the same bytes.

A profiler belongs to one thread, which makes all the calls it looks at.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import threading
from collections.abc import Callable, Iterator
from ctypes import byref, c_int64, c_uint64, c_void_p
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from judicia_notebook.engine import capi, ticks
from judicia_notebook.engine.core import structs
from judicia_notebook.engine.finalizers import leave
from judicia_notebook.errors import JudiciaError
from judicia_notebook.text import printable
from judicia_notebook.wasm.address_map import AddressMap
from judicia_notebook.wasm.rust_symbols import demangle
from judicia_notebook.wasm.symbols import function_starts

if TYPE_CHECKING:
    from judicia_notebook.engine.linkage import Linkage
    from judicia_notebook.engine.sandbox import Sandbox

INTERVAL = 0.001
"""Seconds between two ticks while a profiler runs."""

MOST_SAMPLES: Final = 200_000
MOST_HOST_SAMPLES: Final = 20_000
MOST_DEPTH, _OUTERMOST = 200, 150
_NAME_LIMIT = 200
_LEFT_OUT = "… {} frames …"
_MANGLED: Final = ("_Z", "__Z")  # no author writes these; any other name is meant as it stands


class CodePlace(NamedTuple):
    """Where in a module a frame is: the number of its function, and the byte of the file that its code was made from.

    Ticks come at the head of a loop and at the start of a function, so of the innermost frame it is one of these; of
    others it is a call.
    """

    function: int
    at: int


class Sampled(NamedTuple):
    """A stack at one moment.

    Attributes
    ----------
    at_ns : int
        Since the profiler was made.
    stack : tuple of str
        Function names, outermost first; of a very deep stack its two ends.
    host : str
        The host function that ended at this moment, such as ``judicia:clock now``; empty for a sample of the guest.
    host_ns : int
        The wall time that it took.
    places : tuple of CodePlace or None
        Of each function of the stack; None where it is not known.
    """

    at_ns: int
    stack: tuple[str, ...]
    host: str
    host_ns: int
    places: tuple[CodePlace | None, ...] = ()


class Samples(NamedTuple):
    """All samples of a profiler, in order.

    Attributes
    ----------
    guest_ns : int
        CPU time inside WebAssembly, of which the samples of the guest are equal shares.
    beyond : dict
        Nanoseconds of host calls that came when `MOST_HOST_SAMPLES` stacks were kept, by host function.
    """

    samples: tuple[Sampled, ...]
    guest_ns: int
    beyond: dict[str, int]


class GuestProfiler:
    """Looks at the sandboxes that are handed to `watching`, all of one linkage.

    Parameters
    ----------
    linkage : Linkage
    name : str
        Of the plugin.
    """

    def __init__(self, linkage: Linkage, name: str) -> None:
        self.linkage = linkage
        room, beyond = MOST_SAMPLES + MOST_HOST_SAMPLES, max(1, len(linkage.import_names))
        self._function, self._took_ns = (c_uint64 * room)(), (c_int64 * room)()
        self._beyond_function, self._beyond_ns = (c_uint64 * beyond)(), (c_int64 * beyond)()
        pointer = _new(linkage, name)
        self._remains = leave(self, partial(capi.guestprofiler_delete, pointer))
        self._fields = structs.Profile(
            profiler=pointer,
            room=room,
            most_guest=MOST_SAMPLES,
            most_host=MOST_HOST_SAMPLES,
            function=ctypes.addressof(self._function),
            took_ns=ctypes.addressof(self._took_ns),
            beyond_function=ctypes.addressof(self._beyond_function),
            beyond_ns=ctypes.addressof(self._beyond_ns),
            beyond_room=beyond,
        )
        self.pointer = ctypes.addressof(self._fields)

    @property
    def host_samples(self) -> int:
        """How many stacks of host calls were kept."""
        return int(self._fields.samples - self._fields.guest_samples)

    @property
    def guest_samples(self) -> int:
        """How many stacks of the guest were kept."""
        return int(self._fields.guest_samples)

    @property
    def guest_ns(self) -> int:
        """CPU time inside WebAssembly so far, host functions left aside."""
        return int(self._fields.guest_ns)

    @contextlib.contextmanager
    def watching(self, sandbox: Sandbox) -> Iterator[None]:
        """Look at this sandbox, unless it runs other code by now."""
        if sandbox.linkage is not self.linkage:
            yield
            return
        sandbox.watcher = self
        try:
            yield
        finally:
            sandbox.watcher = None

    # Afterwards ---------------------------------------------------------------------------------------------

    def finish(self) -> Samples:
        """End the profiler, and give its samples."""
        fields = self._fields
        pointer, fields.profiler = fields.profiler, None
        if pointer is None:
            raise RuntimeError("this profiler is over")
        self._remains.forget()  # Wasmtime frees the profiler itself when it finishes it
        vector = capi.ByteVector()
        error = capi.guestprofiler_finish(pointer, byref(vector))
        if error:
            raise JudiciaError(f"Wasmtime's profiler failed: {capi.take_error(error)}")
        thread = json.loads(capi.take_bytes(vector))["threads"][0]
        read = _stacks(thread, self.linkage)
        samples, at_ms = [], 0.0
        table, names = thread["samples"], {0: "", **self.linkage.import_names}
        events = zip(self._function[: fields.samples], self._took_ns[: fields.samples], strict=True)
        for delta, stack, (key, took) in zip(table["timeDeltas"], table["stack"], events, strict=True):
            at_ms += delta
            found = read(stack)
            samples.append(Sampled(round(at_ms * 1e6), found.names, names[key], took, found.places))
        beyond = range(fields.beyond_count)
        return Samples(
            tuple(samples),
            self.guest_ns,
            {names[self._beyond_function[place]]: self._beyond_ns[place] for place in beyond},
        )


def _new(linkage: Linkage, name: str) -> int:
    text = name.encode("ascii", "replace")
    label = capi.ByteVector(len(text), ctypes.cast(ctypes.c_char_p(text), c_void_p).value)
    module = linkage.clone_module()
    try:
        modules = (capi.ProfiledModule * 1)(capi.ProfiledModule(ctypes.addressof(label), module))
        interval = int(INTERVAL * 1e9)
        pointer: int = capi.guestprofiler_new(linkage.engine.pointer, byref(label), interval, modules, 1)
    finally:
        capi.module_delete(module)  # the profiler keeps what it needs
    return pointer


class _Stack(NamedTuple):
    names: tuple[str, ...] = ()
    places: tuple[CodePlace | None, ...] = ()


def _stacks(thread: dict[str, Any], linkage: Linkage) -> Callable[[int | None], _Stack]:
    """Reads a stack of Wasmtime's tables: an index in, its functions out, outermost first."""
    table, functions = thread["stackTable"], thread["frameTable"]["func"]
    compiled = _serialized(linkage)
    numbers = _function_numbers(thread, compiled)
    names = _function_names(thread, linkage, numbers)
    places = _places(thread, compiled, numbers)
    known: dict[int | None, _Stack] = {None: _Stack()}

    def read(stack: int | None) -> _Stack:
        if stack not in known:
            found: list[str] = []
            at_places: list[CodePlace | None] = []
            at = stack
            while at is not None:
                frame = table["frame"][at]
                found.append(names[functions[frame]])
                at_places.append(places[frame])
                at = table["prefix"][at]
            found.reverse()
            at_places.reverse()
            if len(found) > MOST_DEPTH:
                innermost = MOST_DEPTH - _OUTERMOST
                left_out = len(found) - MOST_DEPTH
                found[_OUTERMOST:-innermost] = [_LEFT_OUT.format(left_out)]
                at_places[_OUTERMOST:-innermost] = [None]
            known[stack] = _Stack(tuple(found), tuple(at_places))
        return known[stack]

    return read


def _function_numbers(thread: dict[str, Any], compiled: bytes) -> dict[int, int]:
    """The number of a function in its module, by its place in Wasmtime's table, where it is known."""
    frames, addresses, starts = thread["frameTable"], thread["nativeSymbols"]["address"], function_starts(compiled)
    return {
        function: starts[addresses[symbol]]
        for function, symbol in zip(frames["func"], frames["nativeSymbol"], strict=True)
        if symbol is not None and addresses[symbol] in starts
    }


def _places(thread: dict[str, Any], compiled: bytes, numbers: dict[int, int]) -> list[CodePlace | None]:
    """Where each frame of Wasmtime's table is in the module's file."""
    frames, table = thread["frameTable"], AddressMap(compiled)
    found: list[CodePlace | None] = []
    for function, address in zip(frames["func"], frames["address"], strict=True):
        at = table.place(address) if isinstance(address, int) else None
        found.append(CodePlace(numbers[function], at) if at is not None and function in numbers else None)
    return found


def _function_names(thread: dict[str, Any], linkage: Linkage, numbers: dict[int, int]) -> list[str]:
    """The names of the functions of Wasmtime's table, in its order."""
    texts, functions = thread["stringArray"], thread["funcTable"]["name"]
    found = []
    for function, name in enumerate(functions):
        symbol = texts[name]
        written = linkage.function_names.get(numbers[function], "") if function in numbers else None
        if written is not None and not written.startswith(_MANGLED):  # Wasmtime has demangled the others
            symbol = written or f"<wasm function {numbers[function]}>"
        found.append(function_name(symbol, linkage.export_names))
    return found


def _serialized(linkage: Linkage) -> bytes:
    module = linkage.clone_module()
    try:
        vector = capi.ByteVector()
        error = capi.module_serialize(module, byref(vector))
        if error:
            raise JudiciaError(f"Wasmtime's profiler failed: {capi.take_error(error)}")
        return capi.take_bytes(vector)
    finally:
        capi.module_delete(module)


def function_name(symbol: str, exports: dict[int, str]) -> str:
    """A function as people know it: a Rust path without its hash, an export's name, or its number.

    Examples
    --------
    >>> function_name("checker::judge::h6b98be1cbe00ab9c", {}), function_name("<wasm function 7>", {7: "run"})
    ('checker::judge', 'run')
    """
    if symbol.startswith("<wasm function ") and symbol[15:-1].isdecimal():
        index = int(symbol[15:-1])
        return printable(exports.get(index, f"function {index}"), _NAME_LIMIT)
    path, _, last = demangle(symbol).rpartition("::")  # Wasmtime has demangled it already, and left the hash
    hashed = path and len(last) == 17 and last[0] == "h" and not set(last[1:]) - set("0123456789abcdef")
    return printable(path if hashed else demangle(symbol), _NAME_LIMIT)


# The ticks ------------------------------------------------------------------------------------------------------

_ticking = threading.Lock()
_profilers = 0
_usual = 0.0


@contextlib.contextmanager
def fast_ticks() -> Iterator[None]:
    """Tick every `INTERVAL` inside the block. Blocks may overlap."""
    global _profilers, _usual
    with _ticking:
        _profilers += 1
        if _profilers == 1:
            _usual = ticks.set_interval(INTERVAL)
    try:
        yield
    finally:
        with _ticking:
            _profilers -= 1
            if _profilers == 0:
                ticks.set_interval(_usual)
