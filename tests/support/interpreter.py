"""PyPI's pywasm, a WebAssembly interpreter in plain Python, with a count of every step that it takes.

Nothing of ours is in it: pywasm reads the module and runs it. Before each step it compares its place in a list of
instructions with that list's length; the lists are replaced by ones that note when they are asked for their length.
An instruction that pywasm keeps no item for, an ``else`` or ``end``, is the step behind the last item.

A function is read when it is first called, since pywasm takes seconds to read what a large module has.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any
from unittest import mock

import pywasm
from pywasm import opcode
from pywasm.core import FuncDesc, FuncInst, Inst, LocalsDesc, Machine, ModuleDesc, ModuleInst, Runtime, Stack

pywasm.log.lvl = 0

Answer = Callable[[bytes], bytes]
_NESTED = {opcode.block, opcode.loop, opcode.if_then}


class _Watched(list[Inst]):
    """A list of instructions of one function, with the places of its steps in the function's whole code."""

    def __init__(self, items: Iterable[Inst], counting: Interpreter, function: int) -> None:
        super().__init__(items)
        self.places: list[int] = []
        self._counting = counting
        self._function = function

    def __len__(self) -> int:
        self._counting.step(self, self._function)
        return super().__len__()


class _Unread:
    """The locals and the code of a function, as pywasm asks for them; it reads them then."""

    def __init__(self, reader: io.BytesIO, counting: Interpreter) -> None:
        self.function = -1
        self._reader = reader
        self._counting = counting

    @cached_property
    def _read(self) -> FuncDesc:
        made = _read_code(self._reader)
        made.expr.data = self._counting.watch(made.expr.data, self.function, "end")
        return made

    def __iter__(self) -> Iterator[LocalsDesc]:
        return iter(self._read.locals)

    @property
    def data(self) -> list[Inst]:
        found: list[Inst] = self._read.expr.data
        return found

    def into_disasm(self, indent: int) -> None:
        """Print nothing."""


_read_code = FuncDesc.from_reader_code


class Interpreter:
    """An instance of a module, and what ran in it.

    Parameters
    ----------
    wasm : bytes
    host : mapping
        For ``"module name"`` of a host function of the plugin ABI its answer to a request; b"" stands for none.

    Attributes
    ----------
    codes : dict
        For each function that was called the names of its instructions, in the order of the file.
    steps : dict
        How often each of them began.
    calls, inclusive : Counter
        By function: how often it was entered; instructions in it and in what it called.
    """

    def __init__(self, wasm: bytes, host: dict[str, Answer] | None = None) -> None:
        self.codes: dict[int, list[str]] = {}
        self.steps: dict[int, list[int]] = {}
        self.calls: Counter[int] = Counter()
        self.inclusive: Counter[int] = Counter()
        self._around: frozenset[int] = frozenset()  # functions that are open around a call out of a host function
        self._runtime = Runtime()
        self._machine: Machine = self._runtime.machine
        with mock.patch.object(FuncDesc, "from_reader_code", self._unread):
            module = ModuleDesc.from_reader(io.BytesIO(wasm))
        for each in module.imps:
            kind, answer = module.type[each.desc], (host or {}).get(f"{each.module} {each.name}", _no_answer)
            self._runtime.imports.setdefault(each.module, {})[each.name] = self._runtime.allocate_func_host(
                kind, self._entry(answer)
            )
        self._module: ModuleInst = self._runtime.instance(module)
        for index, address in enumerate(self._module.func):
            function = self._machine.store.func[address]
            if isinstance(function, FuncInst):
                function.code.expr.function = index

    def _unread(self, reader: io.BytesIO) -> FuncDesc:
        unread = _Unread(reader, self)
        return FuncDesc(0, unread, unread)

    def watch(self, items: list[Inst], function: int, last: str) -> _Watched:
        """A list of the same instructions, in which steps are counted; behind them stands `last`."""
        code, steps = self.codes.setdefault(function, []), self.steps.setdefault(function, [])
        made = _Watched(items, self, function)

        def place(name: str) -> None:
            made.places.append(len(code))
            code.append(name)
            steps.append(0)

        for item in items:
            place(opcode.name[item.opcode])
            if item.opcode in _NESTED:
                has_else = item.opcode == opcode.if_then and len(item.args[2]) > 0
                item.args[1] = self.watch(item.args[1], function, "else" if has_else else "end")
                if has_else:
                    item.args[2] = self.watch(item.args[2], function, "end")
        place(last)
        return made

    def step(self, items: _Watched, function: int) -> None:
        """Count the step that the machine is about to take."""
        stack = self._machine.stack
        frame = stack.frame[-1]
        if not hasattr(frame, "open"):  # its first step
            frame.open = {function} | getattr(stack.frame[-2], "open", self._around)
            self.calls[function] += 1
        self.steps[function][items.places[stack.label[-1].index]] += 1
        self.inclusive.update(frame.open)

    def forget(self) -> None:
        """Set all counts to zero."""
        self.calls.clear()
        self.inclusive.clear()
        for steps in self.steps.values():
            steps[:] = [0] * len(steps)

    # --- calls ---

    def call(self, name: str, *arguments: float) -> Any:
        """Call an export; what it returns, if anything.

        Raises
        ------
        AssertionError
            pywasm says no more of a trap.
        """
        found = self._runtime.invocate(self._module, name, list(arguments))
        return found[0] if found else None

    def ask(self, name: str, request: bytes) -> bytes:
        """Call a function of the plugin ABI, and take all of its steps."""
        pointer = self._put(request)
        answer = self.call(name, pointer, len(request)) & 0xFFFF_FFFF_FFFF_FFFF
        at, length = answer >> 32, answer & 0xFFFF_FFFF
        found = bytes(self._memory[at : at + length])
        if length and at != pointer:
            self.call("judicia_free", at, length)
        if request:
            self.call("judicia_free", pointer, len(request))
        return found

    @property
    def _memory(self) -> bytearray:
        data: bytearray = self._runtime.exported_memory(self._module, "memory").data
        return data

    def _put(self, data: bytes) -> int:
        pointer = self.call("judicia_alloc", len(data)) & 0xFFFF_FFFF if data else 0
        self._memory[pointer : pointer + len(data)] = data
        return int(pointer)

    def _entry(self, answer: Answer) -> Callable[[Machine, list[int]], list[int]]:
        def entry(machine: Machine, arguments: list[int]) -> list[int]:
            at, length = (each & 0xFFFF_FFFF for each in arguments)
            said = answer(bytes(self._memory[at : at + length]))
            outer, machine.stack = machine.stack, Stack()
            around, self._around = self._around, outer.frame[-1].open
            try:
                packed = self._put(said) << 32 | len(said)
            finally:
                machine.stack, self._around = outer, around
            return [packed - (1 << 64) if packed >> 63 else packed]

        return entry


def _no_answer(_: bytes) -> bytes:
    return b""


def denied(function: str, capability: str) -> Answer:
    """What the platform answers to a plugin without that capability."""
    error = {"code": "capability_denied", "message": f"{function} needs the capability {capability}"}
    text = json.dumps({"error": error}, separators=(",", ":")).encode()
    return lambda _: text
