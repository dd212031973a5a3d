"""One instance of a module, in a store of its own, with its limits armed.

- `Sandbox` is one store and instance of a `Linkage`. One thread at a time is inside it; others may only mark it.
- The core, ``core/box.c``, enters and leaves it, runs it, and stops it at a tick: all without Python's lock.
- The core calls Python on the thread that is inside: `entry.py` for an import, and the handlers of signals. What they
  raise, also before their first line, it keeps with the call; Wasmtime unwinds the guest, and `Sandbox.run` raises it
  (`Invocation.note_stop`).
- The owner closes a store. While a thread is inside, that thread closes it when it leaves. A store that its owner never
  closed goes with the last reference to it; the thread inside holds one.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable
from ctypes import addressof, byref, c_void_p
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.engine import capi, safety, ticks, traps
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.structs import Status
from judicia_notebook.engine.entry import sandboxes
from judicia_notebook.engine.finalizers import leave, sweep
from judicia_notebook.engine.memory import Box, Memory, MemoryAccount
from judicia_notebook.engine.memory_dump import MemoryDump, fault_address
from judicia_notebook.engine.slots import Export, Slots
from judicia_notebook.errors import AbiViolation, CallError, GuestError, JudiciaError, ResourceExhausted
from judicia_notebook.wasm.row_loop import NAME as ROW_LOOP

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.linkage import Linkage
    from judicia_notebook.engine.memory import MemoryPool
    from judicia_notebook.engine.samples import SampleTable

_TABLE_TOO_LARGE = re.compile(r"table minimum size of (\d+) elements exceeds table limits")
_USUAL_NUMBERS = 4  # most functions take and give no more


class Watcher(Protocol):
    """Has the core keep the guest's stacks."""

    pointer: int
    """Of a ``jc_profile``."""


def _close(box: Box, key: int) -> None:
    functions.box_close(box.pointer)
    sandboxes.pop(key, None)  # it is not there where an exception ended the making


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
    stopped_in : tuple of Frame
        Where the guest was when it did not return, the innermost function first.
    stopped_by : int or None
        The code of the trap that was, if it was one.
    """

    def __init__(self, linkage: Linkage, pool: MemoryPool, samples: SampleTable | None = None) -> None:
        sweep()
        self._begin(linkage, Box.make(linkage.engine.pointer, pool, None if samples is None else samples.pointer))

    @classmethod
    def around(cls, linkage: Linkage, pointer: int) -> Sandbox:
        """Python's half of a ``jc_box`` that the core made for a call of its own; on the thread inside."""
        sweep()
        made = cls.__new__(cls)
        made._begin(linkage, Box.hold(pointer))
        made._fields.known = 1
        return made

    def _begin(self, linkage: Linkage, box: Box) -> None:
        self.engine = linkage.engine
        self.linkage = linkage
        self.box = box
        self._fields = box.fields
        if linkage.counters is not None:
            box.fields.counters_size = linkage.counters
            box.fields.meter = linkage.meter
        self.key: int = box.fields.key
        self.invocation: Invocation | None = None
        self._watcher: Watcher | None = None
        self.back_ns = 0
        self.stopped_in: tuple[capi.Frame, ...] = ()
        self.stopped_by: int | None = None
        self._exports: dict[str, Export] = {}
        self._memory: Memory | None = None
        self._only: Memory | None = None
        self._only_memory: Memory | None = None
        self._delete = leave(self, partial(_close, self.box, self.key)).free
        self.pointer = c_void_p(self.box.pointer)
        self.account = MemoryAccount(self.box)
        self._slots = Slots(_USUAL_NUMBERS)
        sandboxes[self.key] = weakref.ref(self)

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
        safety.check_thread()
        call = invocation.attach()
        status = functions.enter(self.pointer, call)
        while status == Status.STALE:
            ticks.wait_for_beat()
            status = functions.enter(self.pointer, call)
        if status:
            raise self._refusal(status, invocation)
        self.invocation = invocation
        invocation.account = self.account

    def adopt(self, invocation: Invocation) -> None:
        """Take over an entry of this thread that the core made alone. `leave` must follow."""
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
        if status == Status.UNCOUNTED:
            return ResourceExhausted(
                "A limit of fuel is in force, and this code was compiled to count none.",
                hint='metering="full" counts fuel; quota fuel=None takes the limit away.',
            )
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
    def context(self) -> int:
        """The store's context; 0 where the store is gone."""
        return int(self._fields.context or 0)

    @property
    def in_host_call(self) -> bool:
        """Whether the thread inside is in a host function now."""
        return bool(self._fields.in_host_call)

    @property
    def memory(self) -> Memory | None:
        """The memory exported as ``memory``."""
        there = self._fields.memory
        if there and self._memory is None:
            self._memory = Memory(there)
        return self._memory if there else None

    @property
    def counters(self) -> Memory | None:
        """The memory of the counters that were written into the module, also after a trap; None where it has none."""
        there = self._fields.counters
        return Memory(there) if there else None

    @property
    def is_out_of_fuel(self) -> bool:
        """Whether the guest, which counts its own fuel, has ended the call for want of it."""
        counters, meter = self.counters, self.linkage.meter
        return bool(counters and meter and structs.Meter.from_address(counters.base + meter).ended)

    @property
    def main_memory(self) -> Memory | None:
        """The memory to look at, or the only one that there is; None where neither is there."""
        if (found := self.shown_memory) is not None:
            return found
        if self._only is None and len(memories := self._memories()) == 1:
            self._only = memories[0]
        return self._only

    def _memories(self) -> list[Memory]:
        """The memories that the module has or imports, without the engine's heap of exceptions and references.

        A memory of the module's own may look like that heap; then it is not the heap where there are no more of them
        than the module says.
        """
        fields = self._fields
        found = [Memory(there) for there in fields.memories[: fields.memory_count] if there]
        return found if len(found) == self.linkage.memory_count else [each for each in found if not each.is_like_a_heap]

    @property
    def inside_now(self) -> Invocation:
        """The call that is inside; for those who know that there is one."""
        if self.invocation is None:
            raise RuntimeError("no thread is inside this sandbox")
        return self.invocation

    def fuel_used(self) -> int:
        """Fuel since the entry; -1 where the code counts none."""
        return int(functions.fuel_used(self.pointer))

    def leave(self) -> None:
        """The other half of `enter`; closes the store if `close` was called meanwhile."""
        self.invocation = None
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
        status = self.inside(functions.instantiate, *self.linkage.origin, *self.linkage.images)
        if status:
            raise self.failure(status, starting=True)

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
        kind, found = self.linkage.export_types.get(name), self.item(name, capi.EXTERN_FUNC)
        if kind is None or found is None:
            raise LookupError(name)
        made = self._exports[name] = Export(self.pointer, found, kind.params, kind.results, self._slots)
        return made

    def item(self, name: str, kind: int) -> capi.Extern | None:
        """The export of this name and kind, as Wasmtime knows it. Inside, or while no thread can enter."""
        found, encoded, fields = capi.Extern(), name.encode(), self._fields
        if not fields.context or not fields.instance[0]:  # Wasmtime would end the process
            return None
        instance = capi.Instance.from_buffer(fields, structs.Box.instance.offset)
        there = capi.instance_export(fields.context, byref(instance), encoded, len(encoded), byref(found))
        return found if there and found.kind == kind else None

    @property
    def shown_memory(self) -> Memory | None:
        """The memory to look at: the one exported as ``memory``, otherwise the only exported one, whatever its name.

        Where none is exported, the only one that the module imports: the host has supplied it. Inside, or while no
        thread can enter.
        """
        fields, names = self._fields, self.linkage.memory_names
        if fields.memory:
            return self.memory
        if self._only_memory is None and len(names) == 1:
            item = self.item(next(iter(names.values())), capi.EXTERN_MEMORY)
            base = item and capi.memory_data(fields.context, addressof(item) + capi.Extern.of.offset)
            found = self._memories()
            if item is None:  # imported; or the start function runs, or ended the instance
                index = next(iter(names))
                self._only_memory = found[index] if index < len(found) else None
            else:
                self._only_memory = next((each for each in found if each.base == base), None)
        return self._only_memory

    def run(self, export: Export) -> None:
        """Enter the guest with the numbers in the export's slots; its results are there afterwards.

        Raises
        ------
        CallError
            The guest did not return; `traps.explain` chooses the error.
        """
        try:
            status = functions.run(*export.arguments)
        finally:
            self._note_wait()
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
        try:
            return function(self.pointer, *arguments)
        finally:
            self._note_wait()

    def _note_wait(self) -> None:
        """Keep apart how long this thread, back from the core, waited for Python's lock."""
        left_ns, invocation = self._fields.left_ns, self.invocation
        if left_ns and invocation is not None:
            self.back_ns = perf_counter_ns()
            invocation.lock_ns += self.back_ns - left_ns

    def failure(self, status: int, *, starting: bool = False) -> JudiciaError:
        """The error for a guest that did not return, or that is to stop; with a dump of its memory."""
        self.broken = True
        code: int | None = None
        message, frames = "", list[capi.Frame]()
        fields, invocation = self._fields, self.inside_now
        trap, error = fields.trap, fields.error
        fields.trap = fields.error = None
        if trap:
            code, message, frames = capi.take_trap(trap)
        elif error:
            message, frames = capi.take_error_frames(error)
        if frames and frames[-1].name == ROW_LOOP:
            frames.pop()
        if not self.stopped_in:  # of a call in a host call, the inner one comes first
            self.stopped_in, self.stopped_by = tuple(frames), code
        if status not in (Status.TRAPPED, Status.STOPPED):
            return _foreign()
        if self.is_out_of_fuel:
            code = traps.OUT_OF_FUEL
        invocation.note_stop()
        if invocation.was_refused_a_host_call and invocation.failure is None:
            invocation.failure = _refused_host_call(invocation, starting)
        if starting and invocation.ended is None and (table := _TABLE_TOO_LARGE.search(message)):
            limit = invocation.budget.limits.table_elements
            return invocation.exceeded("table_elements", limit, int(table.group(1)), "table elements")
        error = traps.explain(
            code, message, frames, invocation=invocation, account=self.account, exports=self.linkage.export_names
        )
        if isinstance(error, CallError) and error.record is None and frames:
            trapped = code is not None and code not in traps.AT_A_TICK
            error.set_backtrace(self.linkage.stopped(frames, trapped=trapped))
        return self.with_dump(error, fault_address(message) if code == traps.OUT_OF_BOUNDS else None)

    def with_dump(self, error: JudiciaError, fault: int | None = None) -> JudiciaError:
        """An error of the guest that is inside, with a dump of its memory, unless it has one."""
        if not isinstance(error, CallError) or isinstance(error, GuestError) or error.memory is not None:
            return error
        if (memory := self.shown_memory) is not None:
            error.fault = fault
            with contextlib.suppress(MemoryError, RecursionError):  # of this process: the error comes first
                error.memory = MemoryDump.of(memory, fault)
        return error

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
