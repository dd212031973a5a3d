"""Each way a guest can trap: its name, its backtrace, an honest row, and an instance that is replaced."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
import wasmtime

import judicia_notebook as jn
from judicia_notebook.engine import traps

Load = Callable[..., jn.Plugin]

TRAPPING = {
    "stack_overflow": "(call $trap (local.get 0))",
    "out_of_bounds_memory": "(i32.load (i32.const 0x7ffffff0))",
    "out_of_bounds_table": "(drop (table.get $table (i32.const 99))) (i32.const 0)",
    "indirect_call_to_null": "(call_indirect (result i32) (i32.const 0))",
    "indirect_call_type_mismatch": "(call_indirect (result i32) (i32.const 1))",
    "integer_overflow": "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
    "integer_division_by_zero": "(i32.rem_u (i32.const 1) (local.get 0))",
    "invalid_conversion_to_integer": "(i32.trunc_f32_s (f32.const nan))",
    "unreachable": "unreachable",
}
OTHER_WAYS = {
    "indirect call beyond the table": ("out_of_bounds_table", "(call_indirect (result i32) (i32.const 77))"),
    "float too large for an integer": ("integer_overflow", "(i32.trunc_f64_s (f64.const 1e300))"),
    "infinity as an integer": ("integer_overflow", "(i32.trunc_f64_s (f64.const -inf))"),
    "64-bit division": ("integer_division_by_zero", "(i32.wrap_i64 (i64.div_s (i64.const 1) (i64.const 0)))"),
    "64-bit overflow": (
        "integer_overflow",
        "(i32.wrap_i64 (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
    ),
    "the first byte beyond": ("out_of_bounds_memory", "(i32.load8_u (i32.const 65536))"),
    "half beyond": ("out_of_bounds_memory", "(i32.load (i32.const 65533))"),
    "the far end with an offset": ("out_of_bounds_memory", "(i32.load offset=0xffffffff (i32.const -1))"),
    "a store": ("out_of_bounds_memory", "(i64.store (i32.const 65532) (i64.const 1)) (i32.const 0)"),
    "a vector": ("out_of_bounds_memory", "(i32x4.extract_lane 0 (v128.load (i32.const 65535)))"),
    "memory.fill": (
        "out_of_bounds_memory",
        "(memory.fill (i32.const 1) (i32.const 0) (i32.const 65536)) (i32.const 0)",
    ),
    "memory.copy": ("out_of_bounds_memory", "(memory.copy (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 0)"),
    "memory.init": (
        "out_of_bounds_memory",
        "(memory.init $data (i32.const 0) (i32.const 0) (i32.const 9)) (i32.const 0)",
    ),
    "table.copy": ("out_of_bounds_table", "(table.copy (i32.const 0) (i32.const 3) (i32.const 9)) (i32.const 0)"),
    "a memory that is not exported": ("out_of_bounds_memory", "(i32.load $other (i32.const 65536))"),
    "a memory of no pages": ("out_of_bounds_memory", "(i32.load8_u $none (i32.const 0))"),
}
NOT_REACHABLE = {
    "misaligned_atomic": "threads are off",
    "atomic_wait_on_unshared_memory": "threads are off",
    "interrupt": "our tick callback answers, never Wasmtime's own",
    "out_of_fuel": "it becomes a QuotaExceeded",
    "null_reference": "typed function references and GC are off",
    "out_of_bounds_array": "GC is off",
    "allocation_too_large": "GC is off",
    "cast_failure": "GC is off",
}


def trapping(body: str) -> str:
    return f"""(memory (export "memory") 1) (memory $other 1) (memory $none 0) (data $data "12345678")
      (table $table 4 funcref) (elem (i32.const 1) $other_type) (func $other_type (param f64))
      (func $trap (export "trap") (param i32) (result i32) {body})
      (func (export "nothing") (param i32 i32) (result i64) (i64.const 0))"""


def check(plugin: jn.Plugin, kind: str) -> jn.GuestTrap:
    plugin.call("nothing")  # an echo would have grown the memory
    assert plugin.last is not None
    before = plugin.last.instance_id
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("trap")(0)
    error = caught.value
    assert error.trap == kind
    assert error.backtrace[0] == "trap"
    assert error.state_lost
    row = plugin.calls.iloc[-1]
    assert (row.outcome, row.instance_id) == ("trap", before)
    assert row.memory_peak_bytes == row.memory_bytes
    assert pd.notna(row.fuel) == (kind == "unreachable")  # after all others Wasmtime says 0, which would be a lie
    assert plugin.call("echo", 2) == 2
    assert plugin.last is not None
    assert plugin.last.instance_id != before
    return error


@pytest.mark.parametrize("kind", TRAPPING)
def test_each_kind_of_trap_has_its_name(load: Load, kind: str) -> None:
    check(load(trapping(TRAPPING[kind])), kind)


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_other_ways_there(load: Load, way: str) -> None:
    kind, body = OTHER_WAYS[way]
    check(load(trapping(body)), kind)


def test_every_trap_a_core_module_can_cause_is_told_apart_here() -> None:
    assert set(traps.TRAPS.values()) == {*TRAPPING, *NOT_REACHABLE}


def test_the_numbers_are_those_of_the_installed_wasmtime() -> None:
    theirs = {code.value: code.name for code in wasmtime.TrapCode}
    assert set(traps.TRAPS) <= set(theirs)
    ours = {number: name.upper() for number, name in traps.TRAPS.items()}
    same = {number for number, name in ours.items() if theirs[number] == name}
    differently_named = {theirs[number]: ours[number] for number in set(ours) - same}
    assert differently_named == {
        "MEMORY_OUT_OF_BOUNDS": "OUT_OF_BOUNDS_MEMORY",
        "HEAP_MISALIGNED": "MISALIGNED_ATOMIC",
        "TABLE_OUT_OF_BOUNDS": "OUT_OF_BOUNDS_TABLE",
        "BAD_SIGNATURE": "INDIRECT_CALL_TYPE_MISMATCH",
        "BAD_CONVERSION_TO_INTEGER": "INVALID_CONVERSION_TO_INTEGER",
        "ATOMIC_WAIT_NON_SHARED_MEMORY": "ATOMIC_WAIT_ON_UNSHARED_MEMORY",
        "ARRAY_OUT_OF_BOUNDS": "OUT_OF_BOUNDS_ARRAY",
    }


@pytest.mark.parametrize(
    "feature",
    [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(tag $t) (func (throw $t))",
        "(func $f (return_call $f))",
        "(type $s (struct (field i32)))",
        "(type $f (func)) (func (param (ref null $f)) (call_ref $f (local.get 0)))",
        (
            "(func (param v128 v128 v128) (result v128) "
            "(i8x16.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))"
        ),
        "(func (result i64 i64) (i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)))",
        "(memory 1 (pagesize 1))",
    ],
    ids=[
        "threads",
        "memory64",
        "exceptions",
        "tail calls",
        "GC",
        "function references",
        "relaxed SIMD",
        "wide arithmetic",
        "custom page sizes",
    ],
)
def test_what_no_plugin_needs_is_off(rt: jn.Runtime, feature: str) -> None:
    with pytest.raises(jn.LoadError):
        rt.load(f"(module {feature})", name="guest")
    assert "guest" not in rt.plugins


def test_a_trap_in_the_start_function(load: Load) -> None:
    plugin = load("(func $start unreachable) (start $start)")
    for _ in range(2):
        error = plugin.attempt("echo", 1).error
        assert isinstance(error, jn.GuestTrap)
        assert (error.trap, error.backtrace) == ("unreachable", ("start",))
        assert error.record is not None
        assert error.record.outcome == "trap"
    assert plugin.state == "failed"


@pytest.mark.parametrize(
    ("segment", "kind"),
    [
        ('(memory (export "memory") 1) (data (i32.const 65536) "x")', "out_of_bounds_memory"),
        ("(table 1 funcref) (func $f) (elem (i32.const 1) $f)", "out_of_bounds_table"),
    ],
)
def test_a_segment_that_does_not_fit(load: Load, segment: str, kind: str) -> None:
    error = load(segment).attempt("echo", 1).error
    assert isinstance(error, jn.GuestTrap)
    assert error.trap == kind


def test_a_trap_after_a_refused_grow_is_told_as_what_it_comes_from(load: Load) -> None:
    plugin = load(
        """(func (export "abort") (param i32 i32) (result i64)
          (if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable)) (i64.const 0))
        (func (export "divide") (param i32 i32) (result i64)
          (drop (memory.grow (i32.const 60000))) (i64.div_u (i64.const 1) (i64.const 0)))"""
    )
    assert isinstance(plugin.attempt("abort").error, jn.QuotaExceeded)
    error = plugin.attempt("divide").error
    assert isinstance(error, jn.GuestTrap)  # nobody divides by zero for want of memory
    assert error.trap == "integer_division_by_zero"


def test_a_function_without_a_name_is_named_by_its_export_or_its_number(rt: jn.Runtime) -> None:
    plugin = rt.load(
        b'(module (func unreachable) (func (export "out") (call 0)) (func call 1) (func (export "far") (call 2)))',
        name="guest",
    )
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("far")()
    assert caught.value.backtrace == ("function 0", "out", "function 2", "far")


def test_a_long_backtrace_is_cut(load: Load) -> None:
    plugin = load(
        """(func $down (param i32) (result i32)
          (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))) (else unreachable)))
        (func (export "deep") (result i32) (call $down (i32.const 5000)))"""
    )
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("deep")()
    assert 0 < len(caught.value.backtrace) <= 64
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("type_", ["i32", "i64", "f32", "f64"])
def test_an_unknown_import_that_was_let_through_traps_by_its_name_whatever_it_returns(
    rt: jn.Runtime, type_: str
) -> None:
    plugin = rt.load(
        f'(module (import "env" "gone" (func $gone (param {type_}) (result {type_})))'
        f' (func (export "call") (param {type_}) (result {type_}) (call $gone (local.get 0))))',
        name="guest",
        unknown_imports="trap",
    )
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("call")(1)
    assert caught.value.trap == "unknown_import"
    assert "env.gone" in str(caught.value)
