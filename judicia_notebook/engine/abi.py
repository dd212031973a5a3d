"""ABI v1: how a request gets into a guest and its answer out. The full text is sdk/ABI.md.

Everything that a guest says here is a number, and may be a lie. So the host checks each pointer and length against the
memory's size as it is *now*: the guest may have grown it since. It copies an answer once, before it looks at it.
"""

from __future__ import annotations

import ctypes
from ctypes import memmove
from time import perf_counter_ns
from typing import TYPE_CHECKING

from judicia_notebook.errors import AbiViolation, CallError, Cancelled, GuestTrap, QuotaExceeded

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.engine.slots import Export
    from judicia_notebook.wasm.sections import ModuleInfo

NAME = "judicia-v1"
CALL = (("i32", "i32"), ("i64",))
ALLOC, ALLOC_TYPE = "judicia_alloc", (("i32",), ("i32",))
FREE, FREE_TYPE = "judicia_free", (("i32", "i32"), ())
RESERVED = frozenset({ALLOC, FREE, "memory"})
HOOKS = ("on_initialize", "on_event", "on_http_request", "on_cleanup")


def violation(invocation: Invocation, text: str) -> AbiViolation:
    return AbiViolation(text, plugin=invocation.plugin, function=invocation.function)


def suspicion(pointer: int, length: int) -> str:
    """The question for an error about wrong bytes: were pointer and length swapped? Empty where nothing suggests it."""
    if not 0 < pointer < length:
        return ""
    return f" (its pointer {pointer} is less than its length {length}: were the two swapped?)"


def _why(error: CallError) -> str:
    return f" ({error.trap.replace('_', ' ')})" if isinstance(error, GuestTrap) else ""


def missing_exports(module: ModuleInfo) -> list[str]:
    """The exports that the ABI needs and the module lacks or has with another type; empty if it fits."""
    wrong = []
    memory = module.export("memory")
    if memory is None or memory.kind != "memory":
        wrong.append("memory")
    for name, (params, results) in ((ALLOC, ALLOC_TYPE), (FREE, FREE_TYPE)):
        export = module.export(name)
        kind = export.type if export is not None and export.kind == "func" else None
        if kind is None or (kind.params, kind.results) != (params, results):
            wrong.append(f"{name} ({', '.join(params)}) -> {' '.join(results) or '()'}")
    return wrong


def misshapen_hooks(module: ModuleInfo) -> list[str]:
    """Lifecycle hooks whose type is not that of every call."""
    found = [export for name in HOOKS if (export := module.export(name)) is not None]
    return [
        f"{export.name} is {export.type if export.type is not None else f'a {export.kind}'}"
        for export in found
        if export.kind != "func" or export.type is None or (export.type.params, export.type.results) != CALL
    ]


class Exchange:
    """Requests and answers of one sandbox.

    `write_ns`, `run_ns` and `read_ns` are the times of the last exchange, in nanoseconds. The time that the guest's
    allocator takes for request and answer is in none of them: it is the guest's. So is its time for the answer of a
    host call; the rest of a host call is the host's.
    """

    __slots__ = ("_alloc", "_allocator_ns", "_free", "read_ns", "run_ns", "sandbox", "write_ns")

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        types = sandbox.linkage.export_types
        fits = tuple((kind.params, kind.results) if (kind := types.get(name)) else None for name in (ALLOC, FREE)) == (
            ALLOC_TYPE,
            FREE_TYPE,
        )
        self._alloc = sandbox.export(ALLOC) if fits else None
        self._free = sandbox.export(FREE) if fits else None
        self.write_ns = self.run_ns = self.read_ns = 0
        self._allocator_ns = 0

    def reset(self) -> None:
        """Forget the times of the exchange before."""
        self.write_ns = self.run_ns = self.read_ns = 0

    def call(self, export: Export, request: bytes, invocation: Invocation) -> bytes | None:
        """Hand over a request and take the answer: None where the guest gave no value.

        Raises
        ------
        CallError
        """
        began, host_ns, allocator_ns = perf_counter_ns(), invocation.host_ns, self._allocator_ns
        self.run_ns = self.read_ns = 0
        length = len(request)
        pointer = self.write(request, invocation) if length else 0
        entered = perf_counter_ns()
        self.write_ns = entered - began - (invocation.host_ns - host_ns) - (self._allocator_ns - allocator_ns)
        try:
            packed = self.sandbox.run_pair(export, pointer, length)
        finally:
            left, host_ns, allocator_ns = perf_counter_ns(), invocation.host_ns, self._allocator_ns
            self.run_ns = left - entered
        try:
            return self._take(packed, pointer, length, invocation)
        finally:
            took = perf_counter_ns() - left - (invocation.host_ns - host_ns)
            self.read_ns = took - (self._allocator_ns - allocator_ns)

    def _run_allocator(self, export: Export, invocation: Invocation) -> None:
        """Run judicia_alloc or judicia_free, and count how long the guest itself is in it."""
        began, host_ns = perf_counter_ns(), invocation.host_ns
        try:
            self.sandbox.run(export)
        finally:
            took = perf_counter_ns() - began
            if self.sandbox.in_host_call:  # for its answer: `_on_host_call` adds the whole host call to host_ns later
                invocation.host_ns -= took
            else:
                self._allocator_ns += took - (invocation.host_ns - host_ns)

    def write(self, data: bytes, invocation: Invocation) -> int:
        """Copy bytes into memory that the guest allocates; returns their address there.

        Raises
        ------
        AbiViolation
            judicia_alloc trapped, or answered 0 or an address outside the memory.
        """
        length = len(data)
        alloc = self._alloc
        if alloc is None:
            raise violation(invocation, f"it exports no {ALLOC}, so it cannot be handed anything")
        alloc.words[0] = length
        try:
            self._run_allocator(alloc, invocation)
        except (QuotaExceeded, Cancelled):
            raise
        except CallError as error:
            raise violation(invocation, f"{ALLOC}({length}) did not return{_why(error)}") from error
        pointer = alloc.words[0]
        memory = self.sandbox.memory
        if pointer == 0:
            account = self.sandbox.account
            if account.refused is not None:
                wanted, limit, _ = account.refused
                raise invocation.exceeded("memory", limit, wanted, "bytes")
            raise violation(invocation, f"{ALLOC}({length}) answered 0, which says that it has no room")
        if memory is None or pointer + length > memory.size:
            size = memory.size if memory else 0
            raise violation(invocation, f"{ALLOC}({length}) answered {pointer:#x}, beyond its memory of {size} bytes")
        memmove(memory.base + pointer, data, length)
        return pointer

    def read(self, pointer: int, length: int, invocation: Invocation, what: str) -> bytes:
        """Copy bytes out of the guest's memory.

        Raises
        ------
        AbiViolation
            The region is not inside the memory.
        """
        memory = self.sandbox.memory
        if memory is None or pointer + length > memory.size:
            raise self._beyond(pointer, length, invocation, what)
        return ctypes.string_at(memory.base + pointer, length)

    def locate(self, pointer: int, length: int, invocation: Invocation, what: str) -> int:
        """The address of a region of the guest's memory, to be copied from or to before the guest is entered again.

        Raises
        ------
        AbiViolation
            The region is not inside the memory.
        """
        memory = self.sandbox.memory
        if memory is None or pointer + length > memory.size:
            raise self._beyond(pointer, length, invocation, what)
        return memory.base + pointer

    def _beyond(self, pointer: int, length: int, invocation: Invocation, what: str) -> AbiViolation:
        size = self.sandbox.memory.size if self.sandbox.memory else 0
        return violation(
            invocation, f"{what} at {pointer:#x} with {length} bytes lies beyond its memory of {size} bytes"
        )

    def free(self, pointer: int, length: int, invocation: Invocation) -> None:
        """Give a region back to the guest.

        Raises
        ------
        AbiViolation
            judicia_free trapped.
        """
        if self._free is None:
            raise violation(invocation, f"it exports no {FREE}")
        words = self._free.words
        words[0], words[4] = pointer, length  # a slot is four words
        try:
            self._run_allocator(self._free, invocation)
        except (QuotaExceeded, Cancelled):
            raise
        except CallError as error:
            raise violation(invocation, f"{FREE}({pointer:#x}, {length}) did not return{_why(error)}") from error

    def _take(self, packed: int, pointer: int, length: int, invocation: Invocation) -> bytes | None:
        answer_pointer, answer_length = packed >> 32, packed & 0xFFFFFFFF
        answer: bytes | None = None
        invocation.packed = packed
        if packed:
            limit = invocation.budget.limits.answer_bytes
            if answer_length > limit:
                # Request and answer stay allocated in the guest, so the instance is not entered again.
                self.sandbox.broken = True
                error = invocation.exceeded("answer", limit, answer_length, "bytes")
                if doubt := suspicion(answer_pointer, answer_length):
                    error.facts = (*error.facts, doubt.strip())
                raise error
            answer = self.read(answer_pointer, answer_length, invocation, "its answer") if answer_length else b""
        same = answer_pointer == pointer and answer_length == length
        apart = answer_pointer >= pointer + length or pointer >= answer_pointer + answer_length
        if answer_length and length and not same and not apart:
            regions = f"{answer_length} bytes at {answer_pointer:#x}, and {length} at {pointer:#x}"
            raise violation(invocation, f"its answer overlaps the request without being the request: {regions}")
        if answer_length and not same:  # an answer may be the request's own region, which is freed once
            self.free(answer_pointer, answer_length, invocation)
        if length:
            self.free(pointer, length, invocation)
        return answer
