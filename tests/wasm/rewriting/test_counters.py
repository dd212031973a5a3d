"""Each instrument against counts known by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import wasmtime

from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.compile_cost import function_bodies
from judicia_notebook.wasm.rewriting.counters import (
    InclusiveCounters,
    IndirectCalls,
    LoopMaxima,
    PageCounters,
    PageCounts,
    TableCounters,
)
from judicia_notebook.wasm.sections import read_module
from tests.wasm.rewriting.guests import Guest


def negated() -> tuple[list[wasmtime.ValType], list[wasmtime.ValType], Callable[[int], int]]:
    return [wasmtime.ValType.i32()], [wasmtime.ValType.i32()], lambda x: -x


def test_each_target_of_a_branch_table_is_counted_and_the_default() -> None:
    tables = TableCounters()
    guest = Guest(
        """(module (func (export "f") (param i32) (result i32)
             (block $a (block $b (block $c (br_table $a $b $a $c (local.get 0))) (return (i32.const 30)))
               (return (i32.const 20)))
             (i32.const 10)))""",
        [tables],
    )
    chosen = [0, 1, 1, 2, 2, 2, 3, 4, -1, 1 << 30]
    assert [guest.call("f", x) for x in chosen] == [10, 20, 20, 10, 10, 10, 30, 30, 30, 30]
    assert [list(counts) for counts in tables.read(guest.memory)] == [[1, 2, 3, 4]]
    assert guest.rewritten.blocks[tables.sites["block"][0]].last == 0x0E


def test_a_branch_table_without_targets_has_a_default_alone() -> None:
    tables = TableCounters()
    guest = Guest('(module (func (export "f") (param i32) (block (br_table 0 (local.get 0)))))', [tables])
    for x in (0, 5):
        guest.call("f", x)
    assert [list(counts) for counts in tables.read(guest.memory)] == [[2]]


def test_the_most_iterations_of_one_entry_are_kept_for_each_loop() -> None:
    loops = LoopMaxima()
    guest = Guest(
        """(module (func (export "f") (param i32) (local i32)
             (loop $outer
               (local.set 1 (local.get 0))
               (loop $inner (br_if $inner (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
               (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))""",
        [loops],
    )
    guest.call("f", 4)
    assert list(loops.read(guest.memory)) == [4, 4]  # the inner one: 4, 3, 2, 1
    assert [count for _, count in guest.blocks_of("f")[:4]] == [1, 4, 4 + 3 + 2 + 1, 4]
    guest.call("f", 2)
    assert list(loops.read(guest.memory)) == [4, 4]


def test_loops_that_follow_one_another_share_a_local_and_those_in_others_do_not() -> None:
    def loop(label: str, turns: int, inside: str = "") -> str:
        back = f"(br_if ${label} (local.tee ${label} (i32.sub (local.get ${label}) (i32.const 1))))"
        return f"(local.set ${label} (i32.const {turns})) (loop ${label} {inside} {back})"

    leaves = "(br_if $out (i32.eq (local.get $c) (i32.const 3)))"
    inner = loop("b", 2) + f"(block $out {loop('c', 9, leaves)})" + loop("d", 4)
    again = "(if (local.get 0) (then (call $f (i32.const 0))))"
    loops = LoopMaxima()
    guest = Guest(
        f"""(module (func $f (export "f") (param i32) {"".join(f"(local ${one} i32)" for one in "abcde")}
              {loop("a", 3, inner + again)} {loop("e", 6)}))""",
        [loops],
    )
    guest.call("f", 0)
    assert list(loops.read(guest.memory)) == [3, 2, 7, 4, 6]
    guest.call("f", 1)  # that calls itself, in the middle of a loop
    assert list(loops.read(guest.memory)) == [3, 2, 7, 4, 6]
    body = next(iter(function_bodies(read_module(guest.rewritten.wasm), DEFAULT)))
    assert body.locals == 5 + 2


_RECURSIVE = """(module
  (func $leaf (param i32) nop nop)
  (func $fact (export "fact") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (call $leaf (i32.const 0)) (return (i32.const 1)))
      (else (i32.mul (local.get 0) (call $fact (i32.sub (local.get 0) (i32.const 1)))))))
  (func (export "twice") (result i32) (drop (call $fact (i32.const 2))) (call $fact (i32.const 1))))"""


def test_instructions_of_what_a_function_calls_are_among_its_own() -> None:
    inclusive = InclusiveCounters()
    guest = Guest(_RECURSIVE, [inclusive])
    assert guest.call("twice") == 1
    found = inclusive.read(guest.memory, guest.alone())
    leaf = 2 * 3  # twice nop, nop, end
    last = 3 + 4  # local.get, i32.eqz, if; i32.const, call, i32.const, return
    others = 3 + 7 + 1  # and local.get, local.get, i32.const, i32.sub, call, i32.mul, end; end
    assert found[0] == leaf
    assert found[1] == leaf + 2 * last + 3 * others
    assert found[2] == found[1] + 6  # i32.const, call, drop, i32.const, call, end
    assert found[2] == sum(guest.ran().values())


def test_a_function_that_is_open_when_a_call_traps_has_what_ran_so_far() -> None:
    inclusive = InclusiveCounters()
    guest = Guest(
        """(module (func $g (param i32) (if (local.get 0) (then unreachable)))
             (func (export "f") (param i32) nop (call $g (local.get 0))))""",
        [inclusive],
        calls_end_blocks=True,
    )
    places = guest.trap("f", 1)
    assert inclusive.read(guest.memory, guest.alone(places)) == {0: 3, 1: 6}
    memory = guest.exports[guest.rewritten.memory_name]
    for address in inclusive.closing():
        memory.write(guest.store, bytes(8), address)
    guest.call("f", 0)
    # Without what the trap left open: local.get, if, end; nop, local.get, call, end. What calls nothing is never open.
    assert inclusive.read(guest.memory, guest.alone()) == {0: 3 + 3, 1: 7}


@pytest.mark.parametrize("results", ["", "(result i32)", "(result i32 i64 f64)"])
def test_every_return_passes_the_exit(results: str) -> None:
    values = {"": "", "(result i32)": "i32.const 1", "(result i32 i64 f64)": "i32.const 1 i64.const 2 f64.const 3"}
    inclusive = InclusiveCounters()
    value = values[results]
    guest = Guest(
        f"""(module (func (export "f") (param i32) {results}
             (block {results}
               (block (block (block (br_table 0 1 2 (local.get 0))) {value} return) {value} br 2)
               {value} (br_if 1 (i32.const 1)) return)))""",
        [inclusive],
    )
    for x in range(3):
        assert guest.call("f", x) == {"": None, "(result i32)": 1, "(result i32 i64 f64)": [1, 2, 3]}[results]
    assert inclusive.read(guest.memory, guest.alone()) == {0: sum(guest.ran().values())}


def test_a_tail_call_leaves_the_function_that_makes_it() -> None:
    inclusive = InclusiveCounters()
    guest = Guest(
        """(module (table funcref (elem $last)) (type $t (func (param i32) (result i32)))
             (func $last (param i32) (result i32) nop nop nop (local.get 0))
             (func $middle (param i32) (result i32) (return_call $last (local.get 0)))
             (func $indirect (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
             (func (export "f") (param i32) (result i32)
               (drop (call $middle (local.get 0))) (call $indirect (local.get 0))))""",
        [inclusive],
    )
    assert guest.call("f", 9) == 9
    assert inclusive.read(guest.memory, guest.alone()) == {
        0: 10,
        1: 2,
        2: 3,
        3: 21,
    }  # drop, two each of local.get and call, end


def test_an_exception_leaves_every_function_that_it_passes() -> None:
    inclusive = InclusiveCounters()
    guest = Guest(
        """(module (tag $t (param i32))
             (func $throws (param i32) (if (local.get 0) (then (throw $t (local.get 0)))))
             (func $passes (param i32) (call $throws (local.get 0)) nop)
             (func $catches (export "f") (param i32) (result i32)
               (block $caught (result i32)
                 (try_table (catch $t $caught) (call $passes (local.get 0)))
                 (return (i32.const -1)))))""",
        [inclusive],
    )
    assert [guest.call("f", x) for x in (5, 0, 6)] == [5, -1, 6]
    counts = inclusive.read(guest.memory, guest.alone())
    assert counts[0] == 4 + 3 + 4  # local.get, if, local.get, throw; local.get, if, end
    assert counts[2] == sum(guest.ran().values())
    assert counts[1] == counts[0] + sum(count for _, count in _own(guest, 1))


def _own(guest: Guest, function: int) -> list[tuple[int, int]]:
    blocks, counts = guest.rewritten.blocks, guest.counts
    return [(number, blocks.instructions[number] * counts[number]) for number in blocks.of(function)]


def test_an_uncaught_exception_is_the_same_one_for_the_host() -> None:
    text = '(module (tag $t) (func $g (throw $t)) (func (export "f") (call $g)))'
    before, after = Guest(text), Guest(text, [InclusiveCounters()])
    for guest in (before, after):
        with pytest.raises(Exception, match="exception") as raised:
            guest.call("f")
        assert "thrown" in str(raised.value)


_DISPATCH = """(module
  (type $op (func (param i32) (result i32)))
  (import "host" "neg" (func $neg (type $op)))
  (table (export "t") 4 funcref) (elem (i32.const 0) $inc $dec $neg)
  (func $inc (type $op) (i32.add (local.get 0) (i32.const 1)))
  (func $dec (type $op) (i32.sub (local.get 0) (i32.const 1)))
  (func (export "f") (param i32 i32) (result i32) (call_indirect (type $op) (local.get 1) (local.get 0)))
  (func (export "direct") (param i32) (result i32) (call $inc (local.get 0)))
  (func (export "both") (param i32) (result i32)
    (call_indirect (type $op) (call_indirect (type $op) (local.get 0) (i32.const 0)) (i32.const 1))))"""


def test_an_indirect_call_tells_which_function_it_called() -> None:
    calls = IndirectCalls()
    guest = Guest(_DISPATCH, [calls], [negated()])
    assert [guest.call("f", x, 10) for x in (0, 0, 1, 2)] == [11, 11, 9, -10]
    assert guest.call("direct", 1) == 2
    assert guest.call("both", 7) == 7
    found, others = calls.read(guest.memory)
    assert found == {(0, 1): 2, (0, 2): 1, (0, None): 1, (1, 1): 1, (2, 2): 1}
    assert others == 0
    blocks = guest.rewritten.blocks
    assert [blocks.function[block] for block in calls.sites["block"]] == [3, 5, 5]


def test_an_indirect_call_that_traps_has_called_nothing_once_its_note_is_ended() -> None:
    calls = IndirectCalls()
    guest = Guest(_DISPATCH, [calls], [negated()])
    guest.trap("f", 3, 10)
    memory = guest.exports[guest.rewritten.memory_name]
    for address in calls.closing():
        memory.write(guest.store, bytes(8), address)
    assert guest.call("direct", 1) == 2
    assert calls.read(guest.memory) == ({}, 0)


def test_a_tail_call_of_the_hosts_function_is_not_taken_for_the_next_one() -> None:
    calls = IndirectCalls()
    guest = Guest(
        """(module
          (type $op (func (param i32) (result i32)))
          (import "host" "neg" (func $neg (type $op)))
          (table 2 funcref) (elem (i32.const 0) $neg $same)
          (func $same (type $op) (local.get 0))
          (func $tail (type $op) (return_call_indirect (type $op) (local.get 0) (i32.const 0)))
          (func (export "f") (type $op)
            (call $same (call $tail (local.get 0)))
            (call_indirect (type $op) (i32.const 1))))""",
        [calls],
        [negated()],
    )
    assert guest.call("f", 5) == -5
    assert calls.read(guest.memory) == ({(0, None): 1, (1, 1): 1}, 0)


def test_pairs_that_find_no_place_are_counted_together() -> None:
    functions = "".join(f"(func $f{n} (result i32) (i32.const {n}))" for n in range(200))
    names = " ".join(f"$f{n}" for n in range(200))
    calls = IndirectCalls(capacity=32)
    guest = Guest(
        f"""(module (table funcref (elem {names})) {functions}
          (func (export "f") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))""",
        [calls],
    )
    for turn in range(2):
        for n in range(200):
            assert guest.call("f", n) == n
        found, others = calls.read(guest.memory)
        assert others > 0
        assert sum(found.values()) + others == 200 * (turn + 1)


def test_pages_tell_reads_and_writes_apart_with_their_bytes() -> None:
    pages = PageCounters()
    guest = Guest(
        """(module (memory 3) (memory $other 1 1)
             (func (export "f")
               (i64.store offset=8 (i32.const 65536) (i64.const 5))
               (drop (i32.load8_u (i32.const 131071)))
               (drop (i32.load16_u (i32.const 65535)))
               (f64.store $other (i32.const 0) (f64.const 1))))""",
        [pages],
    )
    guest.call("f")
    assert pages.read(guest.memory) == {
        (0, 1): PageCounts(2, 1, 1 + 1, 8, 1),  # of the load at 65535 it has the second byte
        (0, 0): PageCounts(1, 0, 1, 0, 2),
        (1, 0): PageCounts(0, 1, 0, 8, 3),
    }


def test_bulk_instructions_touch_each_page_they_go_over() -> None:
    pages = PageCounters()
    guest = Guest(
        """(module (memory 4) (data $d "0123456789")
             (func (export "fill") (memory.fill (i32.const 65530) (i32.const 1) (i32.const 65550)))
             (func (export "copy") (memory.copy (i32.const 196600) (i32.const 10) (i32.const 16)))
             (func (export "init") (memory.init $d (i32.const 0) (i32.const 2) (i32.const 5)))
             (func (export "nothing") (memory.fill (i32.const 0) (i32.const 1) (i32.const 0))))""",
        [pages],
    )
    guest.call("fill")
    assert pages.read(guest.memory) == {
        (0, 0): PageCounts(0, 1, 0, 6, 1), (0, 1): PageCounts(0, 1, 0, 65536, 2), (0, 2): PageCounts(0, 1, 0, 8, 3),
    }  # fmt: skip
    guest.call("copy")
    guest.call("init")
    guest.call("nothing")
    found = pages.read(guest.memory)
    assert found[0, 0] == PageCounts(1, 2, 16, 6 + 5, 1)
    assert (found[0, 2], found[0, 3]) == (PageCounts(0, 2, 0, 16, 3), PageCounts(0, 1, 0, 8, 4))


def test_what_is_out_of_bounds_is_counted_for_no_page() -> None:
    pages = PageCounters()
    guest = Guest(
        """(module (memory 1)
             (func (export "load") (param i32) (drop (i64.load offset=1 (local.get 0))))
             (func (export "fill") (param i32) (memory.fill (i32.const 1) (i32.const 1) (local.get 0))))""",
        [pages],
    )
    for address in (65528, 65536, -1):
        guest.trap("load", address)
    guest.trap("fill", 65536)
    guest.trap("fill", -1)  # 4 GiB less a byte: its pages are not gone over one by one
    assert pages.read(guest.memory) == {}
    guest.call("load", 65527)
    assert pages.read(guest.memory) == {(0, 0): PageCounts(1, 0, 8, 0, 1)}


def test_memories_with_64_bit_addresses_are_counted_too() -> None:
    pages = PageCounters()
    guest = Guest(
        """(module (memory i64 2) (memory $small 1)
             (func (export "f") (param i64)
               (i32.store offset=65536 (local.get 0) (i32.const 7))
               (memory.copy 0 $small (i64.const 0) (i32.const 8) (i32.const 3))
               (memory.fill (i64.const 10) (i32.const 1) (i64.const 2)))
             (func (export "beyond") (drop (i32.load offset=0x1000000000000 (i64.const 0)))))""",
        [pages],
    )
    guest.call("f", 4)
    guest.trap("f", -4)
    guest.trap("beyond")
    assert pages.read(guest.memory) == {
        (0, 1): PageCounts(0, 1, 0, 4, 1), (0, 0): PageCounts(0, 2, 0, 5, 2), (1, 0): PageCounts(1, 0, 3, 0, 3),
    }  # fmt: skip


def test_vectors_are_accesses_with_their_own_sizes() -> None:
    pages = PageCounters()
    guest = Guest(
        """(module (memory 1) (func (export "f") (local v128)
             (v128.store offset=16 (i32.const 0) (v128.load (i32.const 0)))
             (local.set 0 (v128.load32x2_s (i32.const 0)))
             (local.set 0 (v128.load8_splat (i32.const 0)))
             (local.set 0 (v128.load64_zero (i32.const 0)))
             (local.set 0 (v128.load16_lane 3 (i32.const 0) (local.get 0)))
             (v128.store32_lane 1 (i32.const 0) (local.get 0))
             (local.set 0 (i8x16.add (local.get 0) (local.get 0)))))""",
        [pages],
    )
    guest.call("f")
    assert pages.read(guest.memory) == {(0, 0): PageCounts(5, 2, 16 + 8 + 1 + 8 + 2, 16 + 4, 1)}


def test_pages_beyond_the_last_one_that_is_told_apart_count_as_that() -> None:
    pages = PageCounters(most_pages=2)
    guest = Guest('(module (memory 4) (func (export "f") (param i32) (drop (i32.load (local.get 0)))))', [pages])
    for page in (0, 1, 2, 3):
        guest.call("f", page << 16)
    assert pages.read(guest.memory) == {(0, 0): PageCounts(1, 0, 4, 0, 1), (0, 1): PageCounts(3, 0, 12, 0, 2)}
