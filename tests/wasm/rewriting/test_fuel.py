"""The fuel that a rewritten guest counts for itself is the fuel that Wasmtime takes of the original, to the unit."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import wasmtime

from judicia_notebook.wasm.rewriting.fuel_meter import FuelMeter
from judicia_notebook.wasm.rewriting.rewriter import Original, rewrite
from tests.wasm.rewriting.guests import ENGINE, validate
from tests.wasm.rewriting.smith import Behaviour, behave, find_wasm_tools, generate

FIB = """(module
  (func $fib (export "f") (param i64) (result i64)
    (if (result i64) (i64.lt_u (local.get 0) (i64.const 2)) (then (local.get 0))
      (else (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1)))
                     (call $fib (i64.sub (local.get 0) (i64.const 2)))))))"""
TEXTS = {
    "calls": (FIB + ")", 10),
    "a loop": (
        """(module (global (export "g") (mut i64) (i64.const 0)) (func (export "f") (param i64) (result i64)
             (loop (global.set 0 (i64.add (global.get 0) (i64.const 1)))
               (br_if 0 (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
             (nop) (drop (i32.const 1)) (block (br 0)) (return (i64.const 9))))""",
        50,
    ),
    "bulk": (
        """(module (memory (export "m") 1 9) (table (export "t") 20 90 funcref) (data $d "0123456789")
             (elem $e func 0 0 0) (func)
             (func (export "f") (param i64) (result i64)
               (memory.fill (i32.const 1) (i32.const 2) (i32.const 300))
               (memory.copy (i32.const 500) (i32.const 2) (i32.const 77))
               (memory.init $d (i32.const 0) (i32.const 2) (i32.const 5))
               (table.init $e (i32.const 0) (i32.const 0) (i32.const 3))
               (table.copy (i32.const 5) (i32.const 0) (i32.const 4))
               (table.fill (i32.const 1) (ref.null func) (i32.const 6))
               (drop (table.grow (ref.null func) (i32.const 11))) (drop (memory.grow (i32.const 2)))
               (drop (memory.grow (i32.const 100))) (drop (table.get (i32.const 1))) (elem.drop $e) (data.drop $d)
               (i64.extend_i32_u (i32.add (memory.size) (table.size)))))""",
        1,
    ),
    "grows": (
        """(module (memory 1 9) (table 3 50 funcref) (func (export "f") (param i64) (result i64)
             (drop (memory.grow (i32.wrap_i64 (local.get 0)))) (drop (memory.grow (i32.const 100)))
             (drop (memory.grow (i32.const 300))) (drop (table.grow (ref.null func) (i32.const 300)))
             (drop (table.grow (ref.null func) (i32.wrap_i64 (local.get 0))))
             (i64.extend_i32_s (memory.grow (i32.wrap_i64 (i64.mul (local.get 0) (i64.const 1000)))))))""",
        4,
    ),
    "64 bits": (
        """(module (memory (export "m") i64 1 9) (memory 1) (table (export "t") i64 20 90 funcref)
             (func (export "f") (param i64) (result i64)
               (memory.fill (i64.const 1) (i32.const 2) (i64.const 300))
               (memory.copy 0 1 (i64.const 1) (i32.const 2) (i32.const 30))
               (table.fill (i64.const 1) (ref.null func) (i64.const 6))
               (drop (table.grow (ref.null func) (i64.const 11))) (memory.grow (i64.const 2))))""",
        1,
    ),
}


class Metered:
    """An instance whose own fuel is counted."""

    def __init__(self, wasm: bytes) -> None:
        self.meter = FuelMeter()
        self.made = rewrite(Original.validated(wasm, validate), [self.meter], calls_end_blocks=True)
        self.store, self.exports = _instance(self.made.wasm)
        self.memory = self.exports[self.made.memory_name]

    def call(self, *arguments: Any, limit: int | None = None) -> Any:
        self.store.set_fuel(1 << 40)
        self.memory.write(self.store, FuelMeter.begin(limit), self.meter.address)
        return self.exports["f"](self.store, *arguments)

    @property
    def spent(self) -> tuple[int, bool]:
        return self.meter.read(self.memory.read(self.store, 0, self.memory.data_len(self.store)))


def _instance(wasm: bytes) -> tuple[wasmtime.Store, Any]:
    store = wasmtime.Store(ENGINE)
    store.set_fuel(1 << 40)
    return store, wasmtime.Instance(store, wasmtime.Module(ENGINE, wasm), []).exports(store)


@pytest.mark.parametrize(("text", "argument"), TEXTS.values(), ids=TEXTS)
def test_what_it_counts_is_what_wasmtime_takes(text: str, argument: int) -> None:
    wasm = bytes(wasmtime.wat2wasm(text))
    store, exports = _instance(wasm)
    begun, metered = store.get_fuel(), Metered(wasm)
    answer = exports["f"](store, argument)
    taken = begun - store.get_fuel()
    assert metered.call(argument) == answer
    assert metered.spent == (taken, False)
    assert taken > 5


def _ending(call: Callable[[], Any]) -> Any:
    """What a call answers, or how it ended."""
    try:
        return call()
    except wasmtime.Trap as trap:
        return trap.trap_code


@pytest.mark.parametrize(("text", "argument"), TEXTS.values(), ids=TEXTS)
def test_at_every_limit_it_ends_where_the_original_does(text: str, argument: int) -> None:
    wasm = bytes(wasmtime.wat2wasm(text))
    metered = Metered(wasm)
    metered.call(argument)
    whole, _ = metered.spent
    limits = range(1, whole + 3) if whole < 100 else [1, 2, 3, whole // 3, whole // 2, *range(whole - 10, whole + 3)]
    for limit in limits:
        store, exports = _instance(wasm)
        store.set_fuel(limit)
        ending = _ending(partial(exports["f"], store, argument))
        again = Metered(wasm)
        own = _ending(partial(again.call, argument, limit=limit))
        if ending == wasmtime.TrapCode.OUT_OF_FUEL:
            ending = wasmtime.TrapCode.UNREACHABLE
            assert again.spent[1]
        else:
            assert not again.spent[1]
        assert own == ending
        if "g" in exports:
            assert again.exports["g"].value(again.store) == exports["g"].value(store)


def test_modules_of_smiths_count_their_fuel_and_end_where_they_would() -> None:
    program, compared, ended = find_wasm_tools(), 0, 0
    for seed in range(60):
        wasm = generate(seed, program)
        before = behave(wasm, seed)
        if before.fuel is None or before.stacks or before.fuel < 10:
            continue
        meter = FuelMeter()
        made = rewrite(Original.validated(wasm, validate), [meter], calls_end_blocks=True)
        after = behave(made.wasm, seed, made.memory_name)
        assert (after.events, after.memories, after.values) == (before.events, before.memories, before.values)
        assert meter.read(after.counters) == (before.fuel, False)
        compared += 1
        limit = random.Random(seed).randrange(1, before.fuel)
        one, other = behave(wasm, seed, fuel=limit), behave(made.wasm, seed, made.memory_name, meter=(meter, limit))
        assert until_the_limit(one) == until_the_limit(other)
        assert (other.memories, other.values) == (one.memories, one.values)
        ended += bool(one.stacks)
    assert compared >= 8
    assert ended >= 4


def until_the_limit(behaviour: Behaviour) -> list[Any]:
    """The events, the first that a limit ended as a word; what comes then has no fuel, either."""
    found: list[Any] = []
    for event in behaviour.events:
        if len(event) == 3:
            return [*found, "ended"]
        found.append(event)
    return found
