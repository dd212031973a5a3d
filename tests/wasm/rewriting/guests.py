"""Modules of text, rewritten and run. The engine is Wasmtime as its Python package has it, with every feature on that
the rewriter knows, so that it is not ours that judges our work.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import wasmtime
from wasmtime import _bindings

from judicia_notebook.wasm.disassembly import instructions
from judicia_notebook.wasm.rewriting.counters import (
    BlockCounters,
    InclusiveCounters,
    IndirectCalls,
    LoopMaxima,
    PageCounters,
    TableCounters,
)
from judicia_notebook.wasm.rewriting.instrument import Instrument
from judicia_notebook.wasm.rewriting.rewriter import Original, Place, rewrite

_ON = ("bulk_memory", "multi_value", "reference_types", "simd", "multi_memory", "memory64", "tail_call", "exceptions",
       "relaxed_simd", "relaxed_simd_deterministic", "function_references", "gc", "wide_arithmetic")  # fmt: skip


def new_engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.consume_fuel = True
    for name in _ON:
        getattr(_bindings, f"wasmtime_config_wasm_{name}_set")(config.ptr(), True)
    _bindings.wasmtime_config_cranelift_nan_canonicalization_set(config.ptr(), True)
    return wasmtime.Engine(config)


ENGINE = new_engine()


def validate(wasm: bytes) -> None:
    wasmtime.Module.validate(ENGINE, wasm)


def original(text: str | bytes) -> Original:
    return Original.validated(bytes(wasmtime.wat2wasm(text)) if isinstance(text, str) else text, validate)


def all_instruments() -> list[Instrument]:
    return [BlockCounters(), TableCounters(), LoopMaxima(), InclusiveCounters(), IndirectCalls(), PageCounters()]


class Guest:
    """An instance of a rewritten module.

    Parameters
    ----------
    text : str or bytes
        A module, as text or binary.
    imports : sequence of (params, results, function)
        Functions of the host, in the order of the module's imports.
    """

    def __init__(
        self,
        text: str | bytes,
        others: Sequence[Instrument] = (),
        imports: Sequence[tuple[list[Any], list[Any], Callable[..., Any]]] = (),
        *,
        calls_end_blocks: bool | None = None,
    ) -> None:
        self.blocks_counted = BlockCounters()
        self.original = original(text)
        self.rewritten = rewrite(self.original, [self.blocks_counted, *others], calls_end_blocks=calls_end_blocks)
        self.module = self.original.module
        self.store = wasmtime.Store(ENGINE)
        self.store.set_fuel(1 << 40)
        given = [
            wasmtime.Func(self.store, wasmtime.FuncType(params, results), function)
            for params, results, function in imports
        ]
        module = wasmtime.Module(ENGINE, self.rewritten.wasm)
        self.instance = wasmtime.Instance(self.store, module, given)
        self.exports: Any = self.instance.exports(self.store)

    def call(self, name: str, *arguments: Any) -> Any:
        return self.exports[name](self.store, *arguments)

    def trap(self, name: str, *arguments: Any) -> list[Place | None]:
        """The places of a call's backtrace, the innermost first; the call has to trap."""
        try:
            self.call(name, *arguments)
        except wasmtime.Trap as trap:
            return [self.rewritten.locate(frame.func_index, frame.module_offset) for frame in trap.frames]
        raise AssertionError("no trap")

    @property
    def memory(self) -> bytes:
        memory = self.exports[self.rewritten.memory_name]
        return bytes(memory.read(self.store, 0, memory.data_len(self.store)))

    @property
    def counts(self) -> array[int]:
        return self.blocks_counted.read(self.memory, len(self.rewritten.blocks))

    def ran(self, places: Sequence[Place | None] = ()) -> dict[str, int]:
        """How often each kind of instruction ran, by its name; `places` are those of a trap."""
        found: dict[str, int] = {}
        for number, count in enumerate(self.counts):
            block = self.rewritten.blocks[number]
            names = [each.opcode.name for each in instructions(self.module.data, block.start, block.end)]
            cuts = [place.instructions for place in places if place and place.block == number and place.counted]
            for at, name in enumerate(names):
                less = sum(at >= cut for cut in cuts)
                if count - less:
                    found[name] = found.get(name, 0) + count - less
        return found

    def alone(self, places: Sequence[Place | None] = ()) -> dict[int, int]:
        """How many instructions ran in each function; `places` are those of a trap."""
        blocks, found = self.rewritten.blocks, dict.fromkeys(self.rewritten.blocks.function, 0)
        for number, count in enumerate(self.counts):
            found[blocks.function[number]] += count * blocks.instructions[number]
        for place in places:
            if place and place.block is not None and place.counted:
                found[blocks.function[place.block]] -= blocks.instructions[place.block] - place.instructions
        return found

    def blocks_of(self, name: str) -> list[tuple[str, int | None]]:
        """The blocks of an exported function: the text of their instructions, and their count; None: no counter."""
        export = self.module.export(name)
        assert export is not None
        counts = self.counts
        found: list[tuple[str, int | None]] = []
        for number in self.rewritten.blocks.of(export.index):
            block = self.rewritten.blocks[number]
            names = [each.opcode.name for each in instructions(self.module.data, block.start, block.end)]
            assert len(names) == block.instructions
            found.append((" ".join(names), counts[number] if block.reachable else None))
        return found
