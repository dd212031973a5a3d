"""ABI v1: how a request gets into a guest and its answer out. The full text is sdk/ABI.md.

Everything that a guest says here is a number, and may be a lie. So the host checks each pointer and length against the
memory's size as it is *now*: the guest may have grown it since. It copies an answer once, before it looks at it.
"""

from __future__ import annotations

import ctypes
from ctypes import memmove
from time import perf_counter_ns
from typing import TYPE_CHECKING, NoReturn

from judicia_notebook.engine.core import functions
from judicia_notebook.engine.core.builtin import write
from judicia_notebook.engine.core.structs import Phase, Status
from judicia_notebook.errors import (
    AbiViolation,
    CallError,
    GuestTrap,
    JudiciaError,
    QuotaExceeded,
    ResourceExhausted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.engine.slots import Export
    from judicia_notebook.wasm.info import FuncType, ModuleInfo

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


def has_allocator(types: Mapping[str, FuncType]) -> bool:
    """Whether a module's exported functions, by their types, are an allocator for requests and answers."""
    found = ((kind.params, kind.results) if (kind := types.get(name)) else None for name in (ALLOC, FREE))
    return tuple(found) == (ALLOC_TYPE, FREE_TYPE)


class Exchange:
    """Requests and answers of one sandbox. The core does the work: ``core/box.c``.

    `write_ns`, `run_ns` and `read_ns` are the times of the last exchange, in nanoseconds. The time that the guest's
    allocator takes for request and answer is in none of them: it is the guest's. So is its time for the answer of a
    host call; the rest of a host call is the host's.
    """

    __slots__ = ("_box", "_fields", "read_ns", "run_ns", "sandbox", "write_ns")

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._box: int = sandbox.box.pointer
        self._fields = fields = sandbox.box.fields
        # In an instance that the core made, the core has looked for them.
        if not fields.known and has_allocator(sandbox.linkage.export_types):
            for name, field in ((ALLOC, fields.alloc), (FREE, fields.free_)):
                memmove(field, sandbox.export(name).function, ctypes.sizeof(field))
        self.write_ns = self.run_ns = self.read_ns = 0

    def note_times(self) -> None:
        """Take the times of an exchange that the core made alone."""
        fields = self._fields
        self.write_ns, self.run_ns, self.read_ns = fields.write_ns, fields.run_ns, fields.read_ns

    def reset(self) -> None:
        """Forget the times of the exchange before."""
        self.write_ns = self.run_ns = self.read_ns = 0

    def call(self, export: Export, request: bytes, invocation: Invocation) -> bytes | None:
        """Hand over a request and take the answer: None where the guest gave no value.

        The answer is copied while the thread is still inside, so it is this call's whatever other threads do.

        Raises
        ------
        CallError
        """
        self.reset()
        fields, sandbox, length = self._fields, self.sandbox, len(request)
        try:
            status = sandbox.inside(functions.exchange, export.function, request, length)
            if status == Status.PENDING:
                return self._take_large(invocation)
            if status:
                raise self.failure(status, invocation, length)
        finally:
            invocation.note_answer(fields.packed)
            self.write_ns, self.run_ns, read_ns = fields.write_ns, fields.run_ns, fields.read_ns
            self.read_ns += read_ns
        if not fields.packed:
            return None
        return ctypes.string_at(invocation.staging, fields.answer_length) if fields.answer_length else b""

    def _take_large(self, invocation: Invocation) -> bytes:
        """Copy an answer once, out of the guest's memory, and have it freed there."""
        fields, memory = self._fields, self.sandbox.memory
        began = perf_counter_ns()
        length = fields.answer_length
        answer = ctypes.string_at((memory.base if memory is not None else 0) + fields.answer, length)
        self.read_ns += perf_counter_ns() - began
        status = self.sandbox.inside(functions.exchange_end)
        if status:
            raise self.failure(status, invocation, length)
        return answer

    def failure(self, status: int, invocation: Invocation, length: int) -> JudiciaError:
        """The error for an exchange that did not come to its end; with a dump of the guest's memory."""
        return self.sandbox.with_dump(self._explain(status, invocation, length))

    def _explain(self, status: int, invocation: Invocation, length: int) -> JudiciaError:
        fields, sandbox = self._fields, self.sandbox
        if status in (Status.TRAPPED, Status.STOPPED):
            return self._failed_run(status, invocation, length)
        if status == Status.NO_ALLOCATOR:
            return violation(invocation, f"it exports no {ALLOC}, so it cannot be handed anything")
        if status == Status.ALLOC_ZERO:
            return self._no_room(invocation, length)
        size = sandbox.memory.size if sandbox.memory is not None else 0
        if status == Status.ALLOC_BEYOND:
            return violation(
                invocation, f"{ALLOC}({length}) answered {fields.written:#x}, beyond its memory of {size} bytes"
            )
        pointer, answer = fields.answer, fields.answer_length
        if status == Status.ANSWER_LARGE:
            return self._too_large(invocation, pointer, answer)
        if status == Status.ANSWER_BEYOND:
            return self._beyond(pointer, answer, invocation, "its answer")
        if status == Status.ANSWER_OVERLAPS:
            regions = f"{answer} bytes at {pointer:#x}, and {length} at {fields.request:#x}"
            return violation(invocation, f"its answer overlaps the request without being the request: {regions}")
        if status == Status.NO_MEMORY:
            return ResourceExhausted(f"This process has no memory left for the answer of {invocation.where}.")
        return sandbox.failure(status)

    def _no_room(self, invocation: Invocation, length: int) -> CallError:
        if (refused := self.sandbox.account.refused) is not None:
            wanted, limit, _ = refused
            return invocation.exceeded("memory", limit, wanted, "bytes")
        return violation(invocation, f"{ALLOC}({length}) answered 0, which says that it has no room")

    @staticmethod
    def _too_large(invocation: Invocation, pointer: int, length: int) -> QuotaExceeded:
        error = invocation.excess()
        if question := suspicion(pointer, length):
            error.facts = (*error.facts, question.strip())
        return error

    def _failed_run(self, status: int, invocation: Invocation, length: int) -> JudiciaError:
        """The error for a guest's function that did not return: the function itself, or its allocator."""
        fields = self._fields
        phase, pointer, freed = fields.phase, fields.answer, fields.answer_length
        error = self.sandbox.failure(status)
        if phase == Phase.IN_FUNCTION or not isinstance(error, GuestTrap | AbiViolation):
            return error  # a limit, a cancel, or what a service raised in a host call of the allocator's
        asked = f"{ALLOC}({length})" if phase == Phase.IN_ALLOC else f"{FREE}({pointer:#x}, {freed})"
        refused = violation(invocation, f"{asked} did not return{_why(error)}")
        refused.__cause__ = error
        refused.memory, refused.fault = error.memory, error.fault
        refused._take_backtrace(error)
        return refused

    def write(self, data: bytes, invocation: Invocation) -> int:
        """Copy bytes into memory that the guest allocates; returns their address there. In a host call.

        Raises
        ------
        AbiViolation
            judicia_alloc trapped, or answered 0 or an address outside the memory.
        """
        written = write(self._box, data)
        if written < 0:
            raise self.failure(-written, invocation, len(data))
        return written

    def raise_unwritten(self, invocation: Invocation, length: int, status: int) -> NoReturn:
        """Raise the error where the core could not write bytes as `write` does."""
        sandbox = self.sandbox
        before, sandbox.invocation = sandbox.invocation, invocation
        try:
            raise self.failure(status, invocation, length)
        finally:
            sandbox.invocation = before

    def read(self, pointer: int, length: int, invocation: Invocation, what: str) -> bytes:
        """Copy bytes out of the guest's memory.

        Raises
        ------
        AbiViolation
            The region is not inside the memory.
        """
        return ctypes.string_at(self.locate(pointer, length, invocation, what), length)

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
