"""One instance of a module, in a store of its own, with its limits armed.

- `Linkage` is what all instances of a plugin share: the compiled module and its host functions, resolved once.
- `Sandbox` is one store and instance. One thread at a time is inside it; others may only mark it.
- Wasmtime calls two functions of ours on the thread that is inside: `_on_tick` when the epoch has moved, and
  `_on_host_call` for an import. Neither lets an exception out: the invocation keeps it, Wasmtime unwinds the guest, and
  `Sandbox.run` raises it. Each store keeps its own; two threads cannot swap theirs.
- The owner closes a store. While a thread is inside, that thread closes it when it leaves. A store that its owner never
  closed goes with the last reference to it; the thread inside holds one.
"""

from __future__ import annotations

import ctypes
import itertools
import re
import threading
import weakref
from collections.abc import Callable, Iterable
from ctypes import byref, c_double, c_float, c_uint32, c_uint64, c_void_p
from functools import partial
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from judicia_notebook.engine import capi, memory, safety, traps
from judicia_notebook.engine.finalizers import leave, sweep
from judicia_notebook.engine.slots import Export, Slots, layout
from judicia_notebook.engine.ticks import STALE
from judicia_notebook.errors import AbiViolation, CompileError, JudiciaError, ResourceExhausted

if TYPE_CHECKING:
    from judicia_notebook.engine.compiler import Module
    from judicia_notebook.engine.engine import Engine
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.limits import Budget
    from judicia_notebook.engine.memory import MemoryAccount, MemoryPool
    from judicia_notebook.wasm.info import ModuleInfo

_RESULTS = {"i32": c_uint32, "i64": c_uint64, "f32": c_float, "f64": c_double}
_TABLE_TOO_LARGE = re.compile(r"table minimum size of (\d+) elements exceeds table limits")
UNLIMITED_FUEL = 1 << 62
_USUAL_NUMBERS = 4  # most functions take and give no more


Observer = Callable[["Invocation", str, int, int], None]


class Watcher(Protocol):
    """Watches the thread inside a sandbox. It is called on that thread, at each step between guest and host."""

    def enter(self, context: c_void_p) -> None:
        """The guest is about to be entered."""

    def leave(self) -> None:
        """The guest returned, or was ended."""

    def host_call_begins(self) -> None:
        """The guest calls a host function."""

    def host_call_ended(self, store: int, function: str, took_ns: int) -> None:
        """The host function is done."""

    def resume(self) -> None:
        """The guest goes on behind a host call."""

    def sample(self, store: int) -> None:
        """A tick came while the guest ran."""


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


@capi.callback(capi.TICK)
def _on_tick(context: int, data: int, delta: Any, kind: Any) -> int | None:
    """Let the guest go on, or not. Wasmtime calls this on the thread inside the guest."""
    try:
        sandbox = _sandboxes[data]()
        invocation = sandbox.invocation if sandbox is not None else None
        if sandbox is not None and invocation is not None and invocation.failure is None and sandbox.tick(invocation):
            delta[0], kind[0] = 1, 0  # call again at the next tick; go on without yielding
            return None
    except BaseException as error:  # a Python exception must not cross into Wasmtime
        _remember(error)
    return capi.error_new(b"stopped")  # type: ignore[no-any-return]


@capi.callback(capi.HOST_CALL)
def _on_host_call(env: int, caller: int, slots: int, count: int) -> int | None:
    """Answer an import. Wasmtime calls this on the thread inside the guest."""
    try:
        began = perf_counter_ns()
        sandbox = _entered.sandbox
        if sandbox is None or (invocation := sandbox.invocation) is None:
            raise RuntimeError("a host call outside any call")
        bound = _bound[env]
        outer, sandbox.in_host_call = sandbox.in_host_call, True
        before = invocation.host_ns
        watcher = sandbox.watcher if not outer else None
        if watcher is not None:
            watcher.host_call_begins()
        try:
            if outer or sandbox.starting:
                raise sandbox.refuse_host_call()
            result = bound.call(sandbox, invocation, *bound.read(ctypes.string_at(slots, bound.size)))
        finally:
            sandbox.in_host_call = outer
            invocation.host_ns += perf_counter_ns() - began
            if watcher is not None:
                watcher.host_call_ended(sandbox.store, bound.name, invocation.host_ns - before)
        if bound.result is not None:
            bound.result.from_address(slots).value = result
        if invocation.failure is None and invocation.check() is None:
            if watcher is not None:
                watcher.resume()
            return None
    except BaseException as error:  # a Python exception must not cross into Wasmtime
        _remember(error)
    return capi.trap_new(b"stopped", 7)  # type: ignore[no-any-return]


def _remember(error: BaseException) -> None:
    sandbox = _entered.sandbox
    if sandbox is not None and sandbox.invocation is not None and sandbox.invocation.failure is None:
        if isinstance(error, KeyboardInterrupt):
            sandbox.invocation.interrupt(error)
        else:
            sandbox.invocation.failure = error


safety.guard_callbacks(capi.CALLBACKS, _remember)


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
        self.images = module.images
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
                    linker, module, len(module), name, len(name), functype, _on_host_call, key, None
                )
            )
        finally:
            capi.functype_delete(functype)

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


def _delete_store(store: int, key: int) -> None:
    capi.store_delete(store)
    _sandboxes.pop(key, None)  # it is not there where an exception ended the making


class Sandbox:
    """One instance in a store of its own.

    Attributes
    ----------
    account : MemoryAccount
        All its linear memories together.
    memory : Memory or None
        The one exported as ``memory``.
    invocation : Invocation or None
        The call that is inside now.
    broken : bool
        A guest that did not return normally is not entered again.
    watcher : Watcher or None
        Takes the guest's stack at every tick; set while a profiler runs.
    observer : callable or None
        Called with (invocation, event, cpu_ns, used bytes) for ticks, grows and refused grows. It may not refer to the
        sandbox, which would then have to wait for the garbage collector.
    """

    def __init__(self, linkage: Linkage, budget: Budget, pool: MemoryPool) -> None:
        sweep()
        self.engine = linkage.engine
        self.linkage = linkage
        self.key = next(_sandbox_keys)
        self.account: MemoryAccount = memory.MemoryAccount(budget, pool)
        self.account.observer = weakref.ref(self)
        self.memory: memory.Memory | None = None
        self.invocation: Invocation | None = None
        self.in_host_call = False
        self.starting = False
        self.broken = False
        self.fuel_set = UNLIMITED_FUEL
        self._tank = c_uint64(UNLIMITED_FUEL)
        self._limited: tuple[int | None, int] | None = None
        self.observer: Observer | None = None
        self.watcher: Watcher | None = None
        self._exports: dict[str, Export] = {}
        self._occupied = threading.Lock()  # held by the thread inside
        self._closing = False
        self.store: int = capi.store_new(self.engine.pointer, None, None)
        self._delete = leave(self, partial(_delete_store, self.store, self.key)).free
        self._context = c_void_p(capi.store_context(self.store))
        self._instance = capi.Instance()
        self._slots = Slots(_USUAL_NUMBERS)
        self._fuel = c_uint64()
        self._fuel_out = c_void_p(ctypes.addressof(self._fuel))
        _sandboxes[self.key] = weakref.ref(self)
        capi.store_tick_callback(self.store, _on_tick, self.key, None)
        capi.set_epoch_deadline(self._context, 1)

    # Entering and leaving -----------------------------------------------------------------------------------

    def enter(self, invocation: Invocation) -> None:
        """Arm the limits and become the thread inside. `leave` must follow.

        Raises
        ------
        ResourceExhausted
            Closed, forked, a thread with too small a stack, or nothing enforces time limits.
        RecursionError
            Too few Python frames are left.
        """
        safety.check_thread(_entered.levels)
        ticker = self.engine.ticker
        if ticker.parked or monotonic() - ticker.beat > STALE:
            ticker.start()
        if not self._occupied.acquire(blocking=False):
            raise ResourceExhausted("This instance is in use.")
        if self._closing:
            self._vacate()
            raise ResourceExhausted("This instance is closed.")
        _entered.levels += 1
        try:
            self._arm(invocation)
        except BaseException:
            self.leave()
            raise

    def _arm(self, invocation: Invocation) -> None:
        self.account.refused = None
        self.account.budget = invocation.budget
        self.invocation = invocation
        invocation.account = self.account
        ticker = self.engine.ticker
        # First `running`, then `parked`. The ticker parks in the other order, so one of the two sees the other.
        ticker.running[self.key] = self
        if ticker.parked:
            ticker.wake()
        limits = invocation.budget.limits
        if (limits.memory_bytes, limits.table_elements) != self._limited:
            self._limit(limits.memory_bytes, limits.table_elements)
        self.refuel(None if limits.fuel is None else max(0, limits.fuel - invocation.spent.fuel))
        invocation.start()
        limit = limits.memory_bytes
        if limit is not None and self.account.used > limit:  # lowered below what it holds
            raise invocation.exceeded("memory", limit, self.account.used, "bytes")

    def _limit(self, memory_bytes: int | None, table_elements: int) -> None:
        """Tell Wasmtime the limits that it enforces by itself: how large each table may become."""
        # -1 leaves memory to our accounts. On a system without them, Wasmtime's own limit per memory has to do.
        per_memory = -1 if memory.AVAILABLE or memory_bytes is None else memory_bytes
        capi.store_limiter(self.store, per_memory, table_elements, 1, 16, 16)
        self._limited = memory_bytes, table_elements

    def _inside(self) -> Invocation:
        if self.invocation is None:
            raise RuntimeError("no call is inside this sandbox")
        return self.invocation

    def refuel(self, fuel: int | None) -> None:
        """Fill the tank for the next run."""
        fuel = UNLIMITED_FUEL if fuel is None else fuel
        if fuel != self.fuel_set:
            self.fuel_set, self._tank = fuel, c_uint64(fuel)
        error = capi.set_fuel(self._context, self._tank)
        if error:
            raise RuntimeError(capi.take_error(error))

    def fuel_used(self) -> int:
        """Fuel since `refuel`."""
        capi.get_fuel(self._context, self._fuel_out)
        return self.fuel_set - self._fuel.value

    def leave(self) -> None:
        """The other half of `enter`; closes the store if `close` was called meanwhile."""
        self.engine.ticker.running.pop(self.key, None)
        self.invocation = None
        _entered.levels -= 1
        self._vacate()

    def expel(self, invocation: Invocation) -> None:
        """`leave`, if an exception kept this thread from it."""
        if self.invocation is invocation:
            self.leave()

    def _vacate(self) -> None:
        # This thread first releases, then looks; `close` first marks, then looks. So one of them sees the other, or
        # both do: deleting twice is deleting once.
        self._occupied.release()
        if self._closing:
            self._delete()

    def close(self) -> None:
        """Free the store, now or when the thread inside leaves."""
        self._closing = True
        if not self._occupied.locked():
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
        invocation = self._inside()
        trap = c_void_p()
        previous, _entered.sandbox = _entered.sandbox, self
        self.starting = True
        try:
            with memory.instantiating(self.account, self.linkage.images):
                error = capi.instance_pre_instantiate(
                    self.linkage.pre, self._context, byref(self._instance), byref(trap)
                )
            if error or trap.value or invocation.failure is not None or invocation.ended is not None:
                raise self._failure(error, trap.value)
        finally:
            self.starting = False
            _entered.sandbox = previous
        self.memory = self._exported_memory()

    def _exported_memory(self) -> memory.Memory | None:
        found = capi.Extern()
        if not capi.instance_export(self._context, byref(self._instance), b"memory", 6, byref(found)):
            return None
        if found.kind != capi.EXTERN_MEMORY:
            return None
        if len(self.account.memories) == 1:
            return self.account.memories[0]
        base = capi.memory_data(self._context, ctypes.addressof(found) + capi.Extern.of.offset)
        return next((item for item in self.account.memories if item.base == base), None)

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
        found, encoded = capi.Extern(), name.encode()
        there = capi.instance_export(self._context, byref(self._instance), encoded, len(encoded), byref(found))
        if kind is None or not there or found.kind != capi.EXTERN_FUNC:
            raise LookupError(name)
        made = self._exports[name] = Export(self._context, found, kind.params, kind.results, self._slots)
        return made

    def run(self, export: Export) -> None:
        """Enter the guest with the numbers in the export's slots; its results are there afterwards.

        Raises
        ------
        CallError
            The guest did not return; `traps.explain` chooses the error.
        """
        previous, _entered.sandbox = _entered.sandbox, self
        watcher = self.watcher
        if watcher is not None:
            watcher.enter(self._context)
        try:
            error = capi.func_call(*export.arguments)
        finally:
            _entered.sandbox = previous
            if watcher is not None:
                watcher.leave()
        if error or export.trap.value:
            trap, export.trap.value = export.trap.value, None  # the next call uses the same slots
            raise self._failure(error, trap)
        invocation = self.invocation
        if invocation is not None and invocation.failure is not None:
            raise self._failure(None, None)

    def run_pair(self, export: Export, first: int, second: int) -> int:
        """`run` for ``(i32, i32) -> i64``: the result, unsigned."""
        words = export.words
        words[0], words[4] = first, second
        self.run(export)
        return export.wide[0]

    def _failure(self, error: int | None, trap: int | None) -> JudiciaError:
        self.broken = True
        code: int | None = None
        message, frames = "", list[tuple[int, str | None]]()
        if trap:
            code, message, frames = capi.take_trap(trap)
        elif error:
            message, frames = capi.take_error_frames(error)
        invocation = self._inside()
        if self.starting and invocation.ended is None and (table := _TABLE_TOO_LARGE.search(message)):
            limit = invocation.budget.limits.table_elements
            return invocation.exceeded("table_elements", limit, int(table.group(1)), "table elements")
        return traps.explain(
            code, message, frames, invocation=invocation, account=self.account, exports=self.linkage.export_names
        )

    def refuse_host_call(self) -> JudiciaError:
        """The error for a host call from where none may come."""
        invocation = self._inside()
        place = "its start function" if self.starting else "judicia_alloc, while an answer was being written"
        return AbiViolation(f"a host call from {place}", plugin=invocation.plugin, function=invocation.function)

    # Looking on ---------------------------------------------------------------------------------------------

    def tick(self, invocation: Invocation) -> bool:
        """Whether the guest may go on; called on its thread at every tick."""
        if self.observer is not None:
            self.observer(invocation, "tick", invocation.cpu_ns, self.account.used)
        if self.watcher is not None and not self.in_host_call:
            self.watcher.sample(self.store)
        return invocation.check() is None

    def on_grow(self, event: str, used: int) -> None:
        """Pass on a ``grow`` or ``grow_refused``; called on the thread inside."""
        if self.observer is not None and self.invocation is not None:
            self.observer(self.invocation, event, self.invocation.cpu_ns, used)
