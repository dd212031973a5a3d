"""Modules that `wasm-tools smith` makes of random bytes, and what they do before and after they are rewritten.

The engine here is Wasmtime as its Python package has it, with the features on that ours can switch on. It counts fuel,
which is a source for counts of instructions that is not ours.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime import _bindings

from judicia_notebook.wasm.disassembly import instructions
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.rewriting.blocks import Block
from judicia_notebook.wasm.rewriting.counters import (
    BlockCounters,
    InclusiveCounters,
    IndirectCalls,
    LoopMaxima,
    PageCounters,
    TableCounters,
)
from judicia_notebook.wasm.rewriting.fuel_meter import FuelMeter
from judicia_notebook.wasm.rewriting.instrument import Instrument
from judicia_notebook.wasm.rewriting.rewriter import Original, Rewritten, rewrite
from judicia_notebook.wasm.sections import read_module
from tests.wasm.rewriting.guests import ENGINE, validate

FUEL = 1 << 40
_CALLABLE = {"i32", "i64", "f32", "f64", "funcref", "externref"}


def find_wasm_tools() -> str:
    """The program, beside this Python or on the path; without it the test is skipped."""
    program = shutil.which("wasm-tools", path=str(Path(sys.executable).parent)) or shutil.which("wasm-tools")
    if program is None:
        pytest.skip("no wasm-tools; enable: pip install -e '.[dev]'")
    return program


# --- modules ---------------------------------------------------------------------------------------------------------


def generate(seed: int, program: str) -> bytes:
    """The module of a seed, which also chooses what it may hold."""
    chosen = random.Random(seed)

    def maybe() -> str:
        return "true" if chosen.random() < 0.7 else "false"

    options = {
        "fuel": 200, "export-everything": "true", "threads-enabled": "false", "custom-page-sizes-enabled": "false",
        "shared-everything-threads-enabled": "false", "custom-descriptors-enabled": "false",
        "compact-imports-enabled": "false", "max-memory32-bytes": 400_000,
        "max-memory64-bytes": 400_000, "memory-max-size-required": "true", "table-max-size-required": "true",
        "max-table-elements": 100, "min-funcs": chosen.choice([1, 3, 10]), "min-types": 5, "max-imports": 4,
        "max-memories": chosen.choice([0, 1, 1, 3]), "max-tables": 3, "max-tags": chosen.choice([0, 5]),
        "max-instructions": chosen.choice([20, 100, 400]), "generate-custom-sections": maybe(),
        "min-uleb-size": chosen.choice([1, 1, 1, 5]), "exceptions-enabled": maybe(), "tail-call-enabled": maybe(),
        "memory64-enabled": maybe(), "relaxed-simd-enabled": maybe(), "wide-arithmetic-enabled": maybe(),
        "simd-enabled": maybe(), "bulk-memory-enabled": maybe(), "disallow-traps": maybe(),
    }  # fmt: skip
    options["gc-enabled"] = "true" if seed % 5 == 4 else "false"  # with typed references, which no engine of ours takes
    if options["simd-enabled"] == "false":
        options["relaxed-simd-enabled"] = "false"
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    data = chosen.randbytes(chosen.choice([1_000, 5_000, 30_000]))
    made = subprocess.run(
        [program, "smith", "--ensure-termination", *words], input=data, capture_output=True, check=False
    )
    if made.returncode:
        raise ValueError(made.stderr.decode())
    return made.stdout


# --- what a module does ----------------------------------------------------------------------------------------------

Frame = tuple[int, int]
"""The index of a function, and the byte of the module where it stands."""

_MOST_FRAMES = 20  # of a backtrace; Wasmtime gives no more


@dataclass
class Behaviour:
    """What came of an instance and of the calls of its exports; all plain values.

    Attributes
    ----------
    exhausted : bool
        The stack of calls was exhausted, which depends on what a function keeps there.
    fuel : int or None
        Of all calls; None where it is not known.
    stacks : list of list of Frame
        Of each call that trapped, the innermost frame first.
    """

    events: list[Any] = field(default_factory=list)
    memories: dict[str, bytes] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    counters: bytes = b""
    exhausted: bool = False
    fuel: int | None = None
    stacks: list[list[Frame]] = field(default_factory=list)


def behave(
    wasm: bytes,
    seed: int,
    counters: str | None = None,
    *,
    fuel: int | None = None,
    meter: tuple[FuelMeter, int] | None = None,
) -> Behaviour:
    """Instantiate a module, and call each of its exports twice.

    Parameters
    ----------
    counters : str, optional
        The export that has counters.
    fuel : int, optional
        For all calls together, once there is an instance.
    meter : FuelMeter and int, optional
        Likewise, of the guest's own fuel.
    """
    found, info = Behaviour(), read_module(wasm)
    store = wasmtime.Store(ENGINE)
    store.set_fuel(FUEL)
    module = wasmtime.Module(ENGINE, wasm)
    linker = wasmtime.Linker(ENGINE)
    error: Any = _bindings.wasmtime_linker_define_unknown_imports_as_default_values(
        linker.ptr(), store._context(), module.ptr()
    )
    if error:
        found.events.append("imports")
        return found
    try:
        instance = linker.instantiate(store, module)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as problem:
        _note(found, "instantiate", problem)
        return found
    exports: Any = instance.exports(store)
    begun, is_known = store.get_fuel(), info.start is None  # making an instance takes fuel for what is not the guest's
    if fuel is not None:
        store.set_fuel(fuel)
    if meter is not None:
        exports[counters].write(store, FuelMeter.begin(meter[1]), meter[0].address)
    chosen = random.Random(seed)
    for export in info.exports * 2:
        if export.type is None or not {*export.type.params, *export.type.results} <= _CALLABLE:
            continue
        arguments = [_argument(kind, chosen) for kind in export.type.params]
        try:
            results = exports[export.name](store, *arguments)
            found.events.append((export.name, _plain(results, export.type.results)))
        except (wasmtime.Trap, wasmtime.WasmtimeError) as problem:
            is_known &= isinstance(problem, wasmtime.Trap) and problem.trap_code == wasmtime.TrapCode.UNREACHABLE
            _note(found, export.name, problem)
    found.fuel = begun - store.get_fuel() if is_known else None
    _look(found, info, exports, store, counters)
    return found


def _look(found: Behaviour, info: ModuleInfo, exports: Any, store: wasmtime.Store, counters: str | None) -> None:
    """What memories, tables and globals hold in the end."""
    for export in info.exports:
        if export.kind == "memory":
            memory = exports[export.name]
            content = bytes(memory.read(store, 0, memory.data_len(store)))
            if export.name == counters:
                found.counters = content
            else:
                found.memories[export.name] = content
        elif export.kind == "table":
            found.values[export.name] = exports[export.name].size(store)
        elif export.kind == "global":
            found.values[export.name] = _global(exports[export.name], store)


def _note(found: Behaviour, what: str, problem: Exception) -> None:
    code = problem.trap_code if isinstance(problem, wasmtime.Trap) else None
    text = str(problem) if code is None else ""
    found.exhausted |= "stack exhausted" in str(problem)
    found.events.append((what, code, text.split("wasm backtrace")[0].splitlines()[:1]))
    if isinstance(problem, wasmtime.Trap):
        found.stacks.append([(frame.func_index, frame.module_offset) for frame in problem.frames])


def _argument(kind: str, chosen: random.Random) -> Any:
    match kind:
        case "i32":
            return chosen.choice([0, 1, -1, chosen.randrange(1 << 31)])
        case "i64":
            return chosen.choice([0, 1, -1, chosen.randrange(1 << 63)])
        case "f32" | "f64":
            return chosen.choice([0.0, -1.5, 1e30, float("inf")])
    return None


def _plain(results: Any, kinds: tuple[str, ...]) -> Any:
    several = results if isinstance(results, list) else [results]
    return [_bits(value) for value, _ in zip(several, kinds, strict=False)]


def _bits(value: Any) -> Any:
    if isinstance(value, float):
        return struct.pack("<d", value).hex()
    return value if isinstance(value, int) else value is None


def _global(value: Any, store: wasmtime.Store) -> Any:
    try:
        return _bits(value.value(store))
    except (wasmtime.WasmtimeError, NotImplementedError, ValueError):
        return "of a type that wasmtime-py does not read"


# --- the same, rewritten ---------------------------------------------------------------------------------------------


def instruments(seed: int) -> list[Instrument]:
    """Counters of blocks, and others that the seed chooses."""
    chosen = random.Random(seed)
    others: list[Instrument] = [
        TableCounters(), LoopMaxima(), InclusiveCounters(), IndirectCalls(64), PageCounters(16),
    ]  # fmt: skip
    return [BlockCounters(), *(each for each in others if chosen.random() < 0.5)]


def check(wasm: bytes, seed: int) -> str:
    """Rewrite a module, and assert that it does the same; what could be compared, in a few words."""
    original = Original.validated(wasm, validate)
    assert rewrite(original, []).wasm == wasm
    before = behave(wasm, seed)
    rewritten = rewrite(original, instruments(seed), calls_end_blocks=True if seed % 2 else None)
    validate(rewritten.wasm)
    after = behave(rewritten.wasm, seed, rewritten.memory_name)
    if before.exhausted or after.exhausted:
        return "exhausted the stack"
    assert after.events == before.events
    assert after.memories == before.memories
    assert after.values == before.values
    if not after.counters:
        return "made no instance"
    if before.fuel is None:
        return "compared by what it did"
    if not rewritten.calls_end_blocks and any(len(stack) == _MOST_FRAMES for stack in after.stacks):
        return "stacks too deep to count"
    counted = count_fuel(rewritten, after)
    if counted is None:
        return "compared by what it did"
    assert counted == before.fuel
    return "compared by fuel after a trap" if after.stacks else "compared by fuel"


_FREE = {"nop", "drop", "block", "loop", "unreachable", "return", "else", "end"}


def count_fuel(rewritten: Rewritten, behaviour: Behaviour) -> int | None:
    """The fuel of the original by the counts of blocks; None where an instruction ran whose fuel depends on more."""
    first = rewritten.instruments[0]
    assert isinstance(first, BlockCounters)
    blocks = rewritten.blocks
    counts = first.read(behaviour.counters, len(blocks))
    spent, entered = 0, set()
    for number, count in enumerate(counts):
        block = blocks[number]
        if block.function not in entered:
            entered.add(block.function)
            spent += count  # a function's entry costs one
        if count:
            assert block.reachable
            costs = _costs(rewritten, block)
            if costs is None:
                return None
            spent += count * sum(costs)
    for stack in behaviour.stacks:
        for function, offset in stack:
            place = rewritten.locate(function, offset)
            if place is not None and place.block is not None and place.counted:
                spent -= sum((_costs(rewritten, blocks[place.block]) or [])[place.instructions :])
    return spent


def _costs(rewritten: Rewritten, block: Block) -> list[int] | None:
    names = [each.opcode.name for each in instructions(rewritten.original.module.data, block.start, block.end)]
    if any("." in name and name.split(".")[0] in {"memory", "table"} for name in names):
        return None
    return [int(name not in _FREE) for name in names]
