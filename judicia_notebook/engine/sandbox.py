"""One instance of a module, in a store of its own, with its limits armed.

- `Linkage` is what all instances of a plugin share: the compiled module and its host functions, resolved once.
- `Sandbox` is one store and instance. One thread at a time is inside it; others may only mark it.
- The core, ``core/box.c``, enters and leaves it, runs it, and stops it at a tick: all without Python's lock.
- The core calls two functions of ours on the thread that is inside: `_on_host_call` for an import, and `_on_signal`
  when a signal came that Python handles. Neither lets an exception out: the invocation keeps it, Wasmtime unwinds the
  guest, and `Sandbox.run` raises it. What such a function returns is never believed: its last line writes a verdict
  into the core's memory. Whatever ends it before that stops the guest.
- The owner closes a store. While a thread is inside, that thread closes it when it leaves. A store that its owner never
  closed goes with the last reference to it; the thread inside holds one.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from ctypes import byref, c_double, c_float, c_uint32, c_uint64, c_void_p
from functools import partial
from time import perf_counter_ns
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from judicia_notebook.engine import capi, safety, ticks, traps
from judicia_notebook.engine.core import CORE, functions, structs
from judicia_notebook.engine.core.structs import Status, Verdict
from judicia_notebook.engine.finalizers import leave, sweep
from judicia_notebook.engine.interrupts import keep
from judicia_notebook.engine.memory import Box, Memory, MemoryAccount, images_of
from judicia_notebook.engine.slots import Export, Slots, layout
from judicia_notebook.errors import AbiViolation, CompileError, JudiciaError, ResourceExhausted
from judicia_notebook.wasm.row_loop import NAME as ROW_LOOP

if TYPE_CHECKING:
    from judicia_notebook.engine.compiler import Module
    from judicia_notebook.engine.engine import Engine
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.samples import SampleTable
    from judicia_notebook.wasm.info import ModuleInfo

_RESULTS = {"i32": c_uint32, "i64": c_uint64, "f32": c_float, "f64": c_double}
_TABLE_TOO_LARGE = re.compile(r"table minimum size of (\d+) elements exceeds table limits")
_USUAL_NUMBERS = 4  # most functions take and give no more
_EXIT_SECONDS = 1.0


class Watcher(Protocol):
    """Has the core keep the guest's stacks."""

    pointer: int
    """Of a ``jc_profile``."""


def enclosing() -> Invocation | None:
    """The call whose host call this thread is in, if it is in any."""
    sandbox = _entered.sandbox
    return None if sandbox is None else sandbox.invocation


class HostFunction(NamedTuple):
    """An import: its name, its type, and its answer, ``call(sandbox, invocation, *numbers) -> number``."""

    module: str
    name: str
    params: tuple[str, ...]
    results: tuple[str, ...]
    call: Callable[..., Any]


class _Bound(NamedTuple):
    """A host function as the trampoline wants it."""

    name: str
    call: Callable[..., Any]
    read: Callable[[bytes], tuple[Any, ...]]
    size: int
    result: Any


class _Entered(threading.local):
    sandbox: Sandbox | None = None
    levels: int = 0  # sandboxes this thread is inside of: a service may call another plugin


_entered = _Entered()
_bound: dict[int, _Bound] = {}
_bound_keys = itertools.count(1)
_sandboxes: dict[int, weakref.ref[Sandbox]] = {}  # no weakref callbacks: what a signal raises in one would be lost
_sandbox_keys = itertools.count(1)


@capi.callback(functions.HOST_FUNCTION)
def _on_host_call(box: int, key: int, slots: int, count: int) -> None:
    """Answer an import. The core calls this on the thread inside the guest."""
    sandbox: Sandbox | None = None
    try:
        sandbox = _sandboxes[box]()
        if sandbox is None or (invocation := sandbox.invocation) is None:
            raise RuntimeError("a host call outside any call")
        if invocation.ended is not None:  # a cancel or an interrupt came while this thread waited for Python's lock
            raise invocation.ended
        bound = _bound[key]
        result = bound.call(sandbox, invocation, *bound.read(ctypes.string_at(slots, bound.size)))
        if bound.result is not None:
            bound.result.from_address(slots).value = result
        sandbox.box.fields.verdict = Verdict.DONE if invocation.failure is None else Verdict.FAILED
    except BaseException as error:  # a Python exception must not cross into C
        if sandbox is not None:
            _remember(sandbox, error)
            sandbox.box.fields.verdict = Verdict.FAILED


def _run_handlers(box: int) -> None:
    """Let Python run the handlers of signals that came: it has, before it comes to the only line of this function."""
    _sandboxes[box]().box.fields.verdict = Verdict.DONE  # type: ignore[union-attr]  # its thread holds a reference


_on_signal = capi.callback(functions.SIGNAL_FUNCTION)(_run_handlers)


def _remember(sandbox: Sandbox, error: BaseException) -> None:
    invocation = sandbox.invocation
    if invocation is not None and invocation.failure is None:
        if isinstance(error, KeyboardInterrupt):
            invocation.interrupt(error)
        else:
            invocation.failure = error


def _on_lost(error: BaseException, function: FunctionType) -> None:
    """Keep the error of a function above that died before its own ``try``."""
    sandbox = _entered.sandbox
    if function is _run_handlers:
        keep(error)
    elif sandbox is not None:
        _remember(sandbox, error)


def _at_exit() -> None:
    """Let no thread into Python any more, and stop every guest; wait a moment for those that are in a host function."""
    until = time.monotonic() + _EXIT_SECONDS
    while functions.close_door() and time.monotonic() < until:
        time.sleep(0.005)


safety.guard_callbacks(capi.CALLBACKS, _on_lost)
functions.bind(capi.library)
CORE.keep(_on_host_call)
CORE.keep(_on_signal)
if functions.start(_on_host_call, _on_signal):
    raise ImportError("the core could not be started: the system has no memory left")
atexit.register(_at_exit)


class Linkage:
    """A compiled module with its imports resolved: what every instance of a plugin starts from.

    Parameters
    ----------
    module : Module
        Its images are what each instance's memories begin with.
    info : ModuleInfo
        The same module as our reader saw it: the types of its exports, which the call path must not get wrong.
    functions : iterable of HostFunction
        The answers to its imports.
    trap_unknown : bool
        Whether other function imports trap when called, instead of refusing the module.

    Raises
    ------
    CompileError
        An import's type is not the one its name has here.
    """

    def __init__(
        self,
        engine: Engine,
        module: Module,
        info: ModuleInfo,
        functions: Iterable[HostFunction],
        *,
        trap_unknown: bool = False,
    ) -> None:
        exported = [export for export in info.exports if export.kind == "func"]
        self.engine = engine
        self.export_names = {export.index: export.name for export in exported}
        self.function_names = info.names
        self.images = images_of(module.images)
        self.export_types = {export.name: export.type for export in exported if export.type is not None}
        self._keys: list[int] = []
        pre = c_void_p()
        # Instances share it and calls begin while plugins are replaced, so it goes when the last of them lets go.
        sweep()
        self.close = leave(self, partial(_close_linkage, pre, self._keys)).free
        linker = capi.linker_new(engine.pointer)
        try:
            for function in functions:
                self._define(linker, function)
            if trap_unknown:
                _raise_if(capi.linker_unknown_as_traps(linker, module.pointer))
            _raise_if(capi.linker_instantiate_pre(linker, module.pointer, byref(pre)))
            self._pre = pre
        except BaseException:
            self.close()
            raise
        finally:
            capi.linker_delete(linker)

    def _define(self, linker: int, function: HostFunction) -> None:
        key = next(_bound_keys)
        slots = layout(function.params, signed=False)
        result = _RESULTS[function.results[0]] if function.results else None
        _bound[key] = _Bound(f"{function.module} {function.name}", function.call, slots.unpack, slots.size, result)
        self._keys.append(key)
        functype = capi.new_functype(function.params, function.results)
        module, name = function.module.encode(), function.name.encode()
        try:
            _raise_if(
                capi.linker_define_func(
                    linker, module, len(module), name, len(name), functype, functions.trampoline(), key, None
                )
            )
        finally:
            capi.functype_delete(functype)

    @property
    def import_names(self) -> dict[int, str]:
        """The host functions by their keys, such as ``judicia:clock now``."""
        return {key: _bound[key].name for key in self._keys if key in _bound}

    @property
    def pre(self) -> int:
        """The prepared instantiation."""
        if not self._pre.value:
            raise ResourceExhausted("This plugin's code is already closed.")
        return self._pre.value


def _close_linkage(pre: c_void_p, keys: list[int]) -> None:
    pointer, pre.value = pre.value, None
    if pointer:
        capi.instance_pre_delete(pointer)
    for key in keys:
        _bound.pop(key, None)


def _raise_if(error: int | None) -> None:
    if error:
        raise CompileError(capi.take_error(error))


def _close(box: Box, key: int) -> None:
    functions.box_close(box.pointer)
    _sandboxes.pop(key, None)  # it is not there where an exception ended the making


class Sandbox:
    """One instance in a store of its own.

    Attributes
    ----------
    box : Box
        Its half in the core.
    account : MemoryAccount
        All its linear memories together.
    invocation : Invocation or None
        The call that is inside now.
    back_ns : int
        When the thread inside last came back from the core (``perf_counter_ns``).
    """

    def __init__(self, linkage: Linkage, pool: MemoryPool, samples: SampleTable | None = None) -> None:
        sweep()
        self.engine = linkage.engine
        self.linkage = linkage
        self.key = next(_sandbox_keys)
        self.invocation: Invocation | None = None
        self._watcher: Watcher | None = None
        self.back_ns = 0
        self._exports: dict[str, Export] = {}
        self._memory: Memory | None = None
        self.box = Box(self.engine.pointer, self.key, pool, None if samples is None else samples.pointer)
        self._delete = leave(self, partial(_close, self.box, self.key)).free
        self._fields = self.box.fields
        self.pointer = c_void_p(self.box.pointer)
        self.account = MemoryAccount(self.box)
        self._slots = Slots(_USUAL_NUMBERS)
        _sandboxes[self.key] = weakref.ref(self)

    # Entering and leaving -----------------------------------------------------------------------------------

    def enter(self, invocation: Invocation) -> None:
        """Arm the limits and become the thread inside. `leave` must follow.

        Raises
        ------
        ResourceExhausted
            Closed, forked, a thread with too small a stack, or nothing enforces time limits.
        QuotaExceeded
            It holds more memory than it may by now.
        RecursionError
            Too few Python frames are left.
        """
        safety.check_thread(_entered.levels)
        call, elements = invocation.attach(), invocation.budget.limits.table_elements
        status = functions.enter(self.pointer, call, elements)
        while status == Status.STALE:
            ticks.wait_for_beat()
            status = functions.enter(self.pointer, call, elements)
        if status:
            raise self._refusal(status, invocation)
        _entered.levels += 1
        self.invocation = invocation
        invocation.account = self.account

    def _refusal(self, status: int, invocation: Invocation) -> JudiciaError:
        """The error for an entry that the core refused."""
        if status == Status.OVER_MEMORY:
            return invocation.excess()
        safety.check_process()
        if status == Status.OCCUPIED:
            return ResourceExhausted("This instance is in use.")
        if status == Status.SHUT:
            return ResourceExhausted("This instance is closed.")
        if status == Status.EXITING:
            return ResourceExhausted("Python is exiting: no plugin can run any more.")
        return ticks.no_thread() if status == Status.NO_TICKER else _foreign()

    @property
    def broken(self) -> bool:
        """A guest that did not return normally is not entered again."""
        return bool(self._fields.broken)

    @broken.setter
    def broken(self, broken: bool) -> None:
        self._fields.broken = broken

    @property
    def in_host_call(self) -> bool:
        """Whether the thread inside is in a host function now."""
        return bool(self._fields.in_host_call)

    @property
    def memory(self) -> Memory | None:
        """The memory exported as ``memory``."""
        return self._memory if self._fields.memory else None

    def _inside(self) -> Invocation:
        if self.invocation is None:
            raise RuntimeError("no thread is inside this sandbox")
        return self.invocation

    def fuel_used(self) -> int:
        """Fuel since the entry."""
        return int(functions.fuel_used(self.pointer))

    def leave(self) -> None:
        """The other half of `enter`; closes the store if `close` was called meanwhile."""
        self.invocation = None
        _entered.levels -= 1
        functions.leave(self.pointer)

    def expel(self, invocation: Invocation) -> None:
        """`leave`, if an exception kept this thread from it."""
        if self.invocation is invocation:
            self.leave()

    def close(self) -> None:
        """Free the store, now or when the thread inside leaves."""
        self._delete()

    # Running ------------------------------------------------------------------------------------------------

    def instantiate(self) -> None:
        """Make the instance: memories, data, the start function. Inside `enter`.

        Raises
        ------
        QuotaExceeded
            The module wants more memory or table elements than it may have, or its start function ran out of time.
        GuestTrap, AbiViolation
            From the start function.
        """
        status = self.inside(functions.instantiate, self.linkage.pre, *self.linkage.images)
        if status:
            raise self.failure(status, starting=True)
        self._memory = Memory(self._fields.memory) if self._fields.memory else None

    def export(self, name: str) -> Export:
        """The exported function of this name.

        Raises
        ------
        LookupError
            There is none.
        """
        known = self._exports.get(name)
        if known is not None:
            return known
        kind = self.linkage.export_types.get(name)
        found, encoded, fields = capi.Extern(), name.encode(), self._fields
        instance = capi.Instance.from_buffer(fields, structs.Box.instance.offset)
        there = fields.context and capi.instance_export(
            fields.context, byref(instance), encoded, len(encoded), byref(found)
        )
        if kind is None or not there or found.kind != capi.EXTERN_FUNC:
            raise LookupError(name)
        made = self._exports[name] = Export(self.pointer, found, kind.params, kind.results, self._slots)
        return made

    def run(self, export: Export) -> None:
        """Enter the guest with the numbers in the export's slots; its results are there afterwards.

        Raises
        ------
        CallError
            The guest did not return; `traps.explain` chooses the error.
        """
        previous, _entered.sandbox = _entered.sandbox, self
        try:
            status = functions.run(*export.arguments)
        finally:
            self._note_wait()
            _entered.sandbox = previous
        if status:
            raise self.failure(status)

    def run_pair(self, export: Export, first: int, second: int) -> int:
        """`run` for ``(i32, i32) -> i64``: the result, unsigned."""
        words = export.words
        words[0], words[4] = first, second
        self.run(export)
        return export.wide[0]

    def inside(self, function: Callable[..., int], *arguments: Any) -> int:
        """Call a function of the core that runs the guest; its status."""
        previous, _entered.sandbox = _entered.sandbox, self
        try:
            return function(self.pointer, *arguments)
        finally:
            self._note_wait()
            _entered.sandbox = previous

    def _note_wait(self) -> None:
        """Keep apart how long this thread, back from the core, waited for Python's lock."""
        left_ns, invocation = self._fields.left_ns, self.invocation
        if left_ns and invocation is not None:
            self.back_ns = perf_counter_ns()
            invocation.lock_ns += self.back_ns - left_ns

    def failure(self, status: int, *, starting: bool = False) -> JudiciaError:
        """The error for a guest that did not return, or that is to stop."""
        self.broken = True
        code: int | None = None
        message, frames = "", list[tuple[int, str | None]]()
        fields, invocation = self._fields, self._inside()
        trap, error = fields.trap, fields.error
        fields.trap = fields.error = None
        if trap:
            code, message, frames = capi.take_trap(trap)
        elif error:
            message, frames = capi.take_error_frames(error)
        if frames and frames[-1][1] == ROW_LOOP:
            frames.pop()
        if status not in (Status.TRAPPED, Status.STOPPED):
            return _foreign()
        invocation.note_stop()
        if invocation.was_refused_a_host_call and invocation.failure is None:
            invocation.failure = _refused_host_call(invocation, starting)
        if starting and invocation.ended is None and (table := _TABLE_TOO_LARGE.search(message)):
            limit = invocation.budget.limits.table_elements
            return invocation.exceeded("table_elements", limit, int(table.group(1)), "table elements")
        return traps.explain(
            code, message, frames, invocation=invocation, account=self.account, exports=self.linkage.export_names
        )

    # Looking on ---------------------------------------------------------------------------------------------

    @property
    def watcher(self) -> Watcher | None:
        """Has the core keep the guest's stack at every tick; set while a profiler runs."""
        return self._watcher

    @watcher.setter
    def watcher(self, watcher: Watcher | None) -> None:
        self._fields.profile = None if watcher is None else watcher.pointer
        self._watcher = watcher


def _foreign() -> JudiciaError:
    return ResourceExhausted("The sandbox engine refused this instance: it is not the one it was.")


def _refused_host_call(invocation: Invocation, starting: bool) -> JudiciaError:
    """The error for a host call from where none may come."""
    place = "its start function" if starting else "judicia_alloc, while an answer was being written"
    return AbiViolation(f"a host call from {place}", plugin=invocation.plugin, function=invocation.function)
