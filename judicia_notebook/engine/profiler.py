"""Wasmtime's guest profiler: which functions a guest was in, a thousand times a second.

- A tick of the epoch stops the guest at its next loop or function, and the profiler keeps the stack. A sample is one
  such stack, and stands for as much time as any other. The profiler's own clock measures that time: the CPU time of the
  thread inside WebAssembly, without host functions.
- A host call is no sample. Its stack is kept when it ends, with the wall time that it took.
- A tick that comes while the guest is not running would fall on its first function; in short calls most ticks do. So
  each entry, and each return from a host function, starts to wait for a tick anew.
- Where the system has timers that call a function by themselves (Linux), the ticks come from there: a ticker in Python
  waits for the GIL until the guest is entered.
- Frames point into compiled code, so the profiler needs that very module, not another made of the same bytes.

A profiler belongs to one thread, which makes all the calls it looks at.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from ctypes import byref, c_int, c_long, c_void_p
from functools import partial
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from judicia_notebook.engine import capi
from judicia_notebook.engine.finalizers import leave
from judicia_notebook.errors import JudiciaError
from judicia_notebook.text import printable
from judicia_notebook.wasm.rust_symbols import demangle
from judicia_notebook.wasm.symbols import function_starts

if TYPE_CHECKING:
    from judicia_notebook.engine.engine import Engine
    from judicia_notebook.engine.sandbox import Linkage, Sandbox

INTERVAL = 0.001
"""Seconds between two ticks while a profiler runs."""

MOST_SAMPLES: Final = 200_000
MOST_HOST_SAMPLES: Final = 20_000
MOST_DEPTH, _OUTERMOST = 200, 150
_NAME_LIMIT = 200
_LEFT_OUT = "… {} frames …"
_MANGLED: Final = ("_Z", "__Z")  # no author writes these; any other name is meant as it stands


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
    """

    at_ns: int
    stack: tuple[str, ...]
    host: str
    host_ns: int


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
        self.guest_samples = 0
        self.guest_ns = 0
        self._events: list[tuple[str, int]] = []  # one for each sample of Wasmtime's: the host function, and its time
        self._beyond: Counter[str] = Counter()
        self._context = c_void_p()  # of the sandbox that is being watched
        self._entered_ns = 0
        self._depth = 0
        pointer = _new(linkage, name)
        self._pointer = c_void_p(pointer)
        self._remains = leave(self, partial(capi.guestprofiler_delete, pointer))

    @property
    def host_samples(self) -> int:
        """How many stacks of host calls were kept."""
        return len(self._events) - self.guest_samples

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

    # Called by the sandbox, on the thread inside ------------------------------------------------------------

    def enter(self, context: c_void_p) -> None:
        """The guest is about to be entered."""
        self._depth += 1
        if self._depth == 1:
            self._entered_ns = thread_time_ns()
        self._context = context
        capi.set_epoch_deadline(context, 1)  # wait anew: an earlier tick would fall on the first function

    def leave(self) -> None:
        """The guest returned, or was ended."""
        if self._depth == 1:
            self.guest_ns += thread_time_ns() - self._entered_ns
        self._depth -= 1

    def host_call_begins(self) -> None:
        """The guest calls a host function: its time stops."""
        self.guest_ns += thread_time_ns() - self._entered_ns

    def host_call_ended(self, store: int, function: str, took_ns: int) -> None:
        """The host function is done."""
        if self.host_samples < MOST_HOST_SAMPLES:
            capi.guestprofiler_sample(self._pointer, store, 0)
            self._events.append((function, took_ns))
        else:
            self._beyond[function] += took_ns
        self._entered_ns = thread_time_ns()

    def resume(self) -> None:
        """The guest goes on behind a host call."""
        capi.set_epoch_deadline(self._context, 1)
        self._entered_ns = thread_time_ns()

    def sample(self, store: int) -> None:
        """Keep the stack."""
        if self.guest_samples < MOST_SAMPLES:
            before = thread_time_ns()
            capi.guestprofiler_sample(self._pointer, store, 0)
            self._events.append(("", 0))
            self.guest_samples += 1
            self._entered_ns += thread_time_ns() - before  # taking the sample is not the guest's time

    # Afterwards ---------------------------------------------------------------------------------------------

    def finish(self) -> Samples:
        """End the profiler, and give its samples."""
        pointer, self._pointer = self._pointer, c_void_p()
        if pointer.value is None:
            raise RuntimeError("this profiler is over")
        self._remains.forget()  # Wasmtime frees the profiler itself when it finishes it
        vector = capi.ByteVector()
        error = capi.guestprofiler_finish(pointer, byref(vector))
        if error:
            raise JudiciaError(f"Wasmtime's profiler failed: {capi.take_error(error)}")
        thread = json.loads(capi.take_bytes(vector))["threads"][0]
        read = _stacks(thread, self.linkage)
        samples, at_ms = [], 0.0
        table = thread["samples"]
        for delta, stack, (host, took) in zip(table["timeDeltas"], table["stack"], self._events, strict=True):
            at_ms += delta
            samples.append(Sampled(round(at_ms * 1e6), read(stack), host, took))
        return Samples(tuple(samples), self.guest_ns, dict(self._beyond))


def _new(linkage: Linkage, name: str) -> int:
    text = name.encode("ascii", "replace")
    label = capi.ByteVector(len(text), ctypes.cast(ctypes.c_char_p(text), c_void_p).value)
    module = capi.instance_pre_module(linkage.pre)
    try:
        modules = (capi.ProfiledModule * 1)(capi.ProfiledModule(ctypes.addressof(label), module))
        interval = int(INTERVAL * 1e9)
        pointer: int = capi.guestprofiler_new(linkage.engine.pointer, byref(label), interval, modules, 1)
    finally:
        capi.module_delete(module)  # the profiler keeps what it needs
    return pointer


def _stacks(thread: dict[str, Any], linkage: Linkage) -> Callable[[int | None], tuple[str, ...]]:
    """Reads a stack of Wasmtime's tables: an index in, the names of its functions out."""
    table, frames = thread["stackTable"], thread["frameTable"]["func"]
    names = _function_names(thread, linkage)
    known: dict[int | None, tuple[str, ...]] = {None: ()}

    def read(stack: int | None) -> tuple[str, ...]:
        if stack not in known:
            found, at = [], stack
            while at is not None:
                found.append(names[frames[table["frame"][at]]])
                at = table["prefix"][at]
            found.reverse()
            if len(found) > MOST_DEPTH:
                innermost = MOST_DEPTH - _OUTERMOST
                left_out = len(found) - MOST_DEPTH
                found[_OUTERMOST:-innermost] = [_LEFT_OUT.format(left_out)]
            known[stack] = tuple(found)
        return known[stack]

    return read


def _function_names(thread: dict[str, Any], linkage: Linkage) -> list[str]:
    """The names of the functions of Wasmtime's table, in its order."""
    texts, functions, frames = thread["stringArray"], thread["funcTable"]["name"], thread["frameTable"]
    addresses = thread["nativeSymbols"]["address"]
    starts = function_starts(_serialized(linkage))
    numbers = {
        function: starts[addresses[symbol]]
        for function, symbol in zip(frames["func"], frames["nativeSymbol"], strict=True)
        if symbol is not None and addresses[symbol] in starts
    }
    found = []
    for function, name in enumerate(functions):
        symbol = texts[name]
        written = linkage.function_names.get(numbers.get(function, -1))
        if written is not None and not written.startswith(_MANGLED):  # Wasmtime has demangled the others
            symbol = written or f"<wasm function {numbers[function]}>"
        found.append(function_name(symbol, linkage.export_names))
    return found


def _serialized(linkage: Linkage) -> bytes:
    module = capi.instance_pre_module(linkage.pre)
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


class _SignalEvent(ctypes.Structure):
    """``struct sigevent``, on Linux with 64 bits."""

    _fields_ = [
        ("value", c_void_p),
        ("signal", c_int),
        ("notify", c_int),
        ("function", c_void_p),
        ("attributes", c_void_p),
        ("rest", ctypes.c_char * 32),
    ]


_IN_A_THREAD, _MONOTONIC = 2, 1
_ticking = threading.Lock()
_profilers = 0
_stop: Callable[[], object] | None = None


@contextlib.contextmanager
def fast_ticks(engine: Engine) -> Iterator[None]:
    """Tick every `INTERVAL` inside the block, by the best clock there is. Blocks may overlap."""
    global _profilers, _stop
    with _ticking:
        _profilers += 1
        if _profilers == 1:
            _stop = _start_timer(engine) or _hasten_ticker(engine)
    try:
        yield
    finally:
        with _ticking:
            _profilers -= 1
            if _profilers == 0 and _stop is not None:
                _stop()


def _start_timer(engine: Engine) -> Callable[[], object] | None:
    """Start a timer of the system's that advances the epoch; the function to stop it, or None without such timers."""
    if sys.platform != "linux" or ctypes.sizeof(c_void_p) != 8:
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "timer_create"):
        return None
    event = _SignalEvent(value=engine.pointer, notify=_IN_A_THREAD, function=capi.epoch_incrementer())
    timer = c_void_p()
    if library.timer_create(_MONOTONIC, byref(event), byref(timer)) != 0:
        return None
    every = (c_long * 4)(0, int(INTERVAL * 1e9), 0, int(INTERVAL * 1e9))
    if library.timer_settime(timer, 0, every, None) != 0:
        library.timer_delete(timer)
        return None
    return partial(library.timer_delete, timer)


def _hasten_ticker(engine: Engine) -> Callable[[], object]:
    usual, engine.ticker.interval = engine.ticker.interval, INTERVAL
    return partial(setattr, engine.ticker, "interval", usual)
