"""Basic blocks and their counts, by hand: what each kind of control flow makes of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from judicia_notebook.runtime.source import example_folder
from judicia_notebook.wasm.disassembly import instructions
from judicia_notebook.wasm.rewriting.rewriter import rewrite
from tests.support.documents import DOCS, blocks
from tests.wasm.rewriting.guests import Guest, original, validate


def test_the_block_of_the_page_on_rewriting_does_what_it_says() -> None:
    [block] = [block for block in blocks(DOCS / "rewriting.md") if block.kind == "python"]
    wasm = (example_folder() / "specimen" / "specimen.wasm").read_bytes()
    names: dict[str, Any] = {"wasm": wasm, "engine": SimpleNamespace(validate=validate)}
    exec(block.text, names)
    made = names["made"]
    assert (len(made.wasm) > len(wasm), len(made.blocks) > 1000, made.memory_index) == (True, True, 1)
    validate(made.wasm)


def test_a_loop_is_entered_once_and_its_block_counts_the_iterations() -> None:
    guest = Guest(
        """(module (func (export "f") (param i32) (result i32) (local i32)
             (loop
               (local.set 1 (i32.add (local.get 1) (local.get 0)))
               (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
             (local.get 1)))"""
    )
    assert guest.call("f", 5) == 15
    assert guest.blocks_of("f") == [
        ("loop", 1),
        ("local.get local.get i32.add local.set local.get i32.const i32.sub local.tee br_if", 5),
        ("end local.get end", 1),  # behind the loop nothing branches here: `end` of a loop ends no block
    ]
    assert guest.call("f", 3) == 6
    assert [count for _, count in guest.blocks_of("f")] == [2, 8, 2]


def test_the_arms_of_an_if_are_counted_apart() -> None:
    guest = Guest(
        """(module (func (export "f") (param i32) (result i32)
             (if (result i32) (local.get 0) (then (i32.const 10)) (else (nop) (i32.const 20)))))"""
    )
    assert [guest.call("f", x) for x in (1, 1, 0)] == [10, 10, 20]
    assert guest.blocks_of("f") == [
        ("local.get if", 3),
        ("i32.const else", 2),
        ("nop i32.const end", 1),
        ("end", 3),
    ]
    assert guest.ran() == {"local.get": 3, "if": 3, "i32.const": 3, "else": 2, "nop": 1, "end": 4}


def test_an_if_without_an_else_goes_on_behind_its_end() -> None:
    guest = Guest('(module (func (export "f") (param i32) (if (local.get 0) (then (nop) (return))) (nop)))')
    for x in (1, 0, 0):
        guest.call("f", x)
    assert guest.blocks_of("f") == [("local.get if", 3), ("nop return", 1), ("end", None), ("nop end", 2)]


@pytest.mark.parametrize(
    "leaves", ["return", "br 1", "br 0", "unreachable", "(br_table 0 1 (i32.const 1))", "(throw 0)", "(return_call 0)"]
)
def test_what_is_behind_an_unconditional_branch_has_no_counter(leaves: str) -> None:
    """The first probe counted the dead instructions behind a `return` as run."""
    rewritten = rewrite(original(f"(module (func (block {leaves} nop nop (loop (br 0)) drop) nop) (tag))"), [])
    dead = [block for block in map(rewritten.blocks.__getitem__, range(len(rewritten.blocks))) if not block.reachable]
    data = rewritten.original.module.data
    names = [each.opcode.name for each in instructions(data, dead[0].start, dead[0].end)]
    assert names == [
        "nop",
        "nop",
        "loop",
        "br",
        "end",
        "drop",
        "end",
        *(["nop", "end"] if leaves != "br 0" and "table" not in leaves else []),
    ]
    assert rewritten.blocks[0].reachable


def test_a_block_that_a_branch_arrives_behind_of_begins_anew_there_and_no_other_does() -> None:
    guest = Guest(
        """(module (func (export "f") (param i32)
             (block (block (nop)) (br_if 0 (local.get 0)) (nop)) (nop)))"""
    )
    for x in (0, 1, 1):
        guest.call("f", x)
    assert guest.blocks_of("f") == [
        ("block block nop end local.get br_if", 3),
        ("nop end", 1),
        ("nop end", 3),
    ]


def test_taken_and_not_taken_follow_from_the_counts() -> None:
    guest = Guest(
        """(module (func (export "f") (param i32) (local i32)
             (block $out (loop $again
               (br_if $out (i32.eq (local.get 1) (local.get 0)))
               (local.set 1 (i32.add (local.get 1) (i32.const 1)))
               (br $again)))))"""
    )
    guest.call("f", 7)
    [_, (head, asked), (_, not_taken), (_, dead), (_, end)] = guest.blocks_of("f")
    assert head.endswith("br_if")
    assert (asked, not_taken, dead, end) == (8, 7, None, 1)


def test_a_division_that_traps_is_the_last_that_is_counted_of_its_block() -> None:
    """The first probe counted ten instructions of ten where the third had trapped."""
    guest = Guest(
        """(module (func (export "f") (param i32) (result i32)
             (i32.div_u (i32.const 1) (local.get 0)) drop nop nop nop nop nop (i32.const 1)))"""
    )
    places = guest.trap("f", 0)
    assert guest.blocks_of("f")[0][1] == 1
    assert guest.ran(places) == {"i32.const": 1, "local.get": 1, "i32.div_u": 1}
    assert guest.module.data[places[0].offset] == 0x6E  # type: ignore[union-attr]  # i32.div_u


@pytest.mark.parametrize("calls_end_blocks", [False, True])
def test_each_frame_of_a_trap_is_cut_at_its_call(calls_end_blocks: bool) -> None:
    text = """(module
        (func $inner (param i32) nop (if (local.get 0) (then unreachable)) nop)
        (func $middle (param i32) nop (call $inner (local.get 0)) nop nop)
        (func (export "f") (param i32) (call $middle (i32.const 0)) (call $middle (local.get 0)) (nop) (nop)))"""
    guest = Guest(text, calls_end_blocks=calls_end_blocks)
    places = guest.trap("f", 1)
    assert len(places) == 3
    if calls_end_blocks:  # what is behind a call is counted once it has returned, so that one frame needs a cut
        places = places[:1]
    assert guest.ran(places) == {
        "i32.const": 1, "local.get": 5, "call": 4, "nop": 7, "if": 2, "unreachable": 1, "end": 2,
    }  # fmt: skip


def test_calls_end_blocks_where_they_may_end_by_an_exception() -> None:
    text = """(module {} (func $g (param i32) {})
        (func (export "f") (param i32) (call $g (local.get 0)) (nop)))"""
    assert len(Guest(text.format("", "")).blocks_of("f")) == 1
    caught = Guest(
        """(module (tag $t) (func $g (param i32) (if (local.get 0) (then (throw $t))))
          (func (export "f") (param i32) (result i32)
            (block $caught (try_table (catch $t $caught) (call $g (local.get 0)) nop nop) (return (i32.const 1)))
            (i32.const 2)))"""
    )
    assert [caught.call("f", x) for x in (0, 1, 1, 1)] == [1, 2, 2, 2]
    assert caught.blocks_of("f") == [
        ("block try_table local.get call", 4),
        ("nop nop end i32.const return", 1),
        ("end", None),
        ("i32.const end", 3),
    ]


def test_branches_on_references_end_blocks() -> None:
    guest = Guest(
        """(module (type $f (func)) (func $g (type $f)) (elem declare func $g)
          (func (export "f") (param i32) (result i32) (local (ref null $f))
            (if (local.get 0) (then (local.set 1 (ref.func $g))))
            (block $null (drop (br_on_null $null (local.get 1))) (return (i32.const 1)))
            (i32.const 0))
          (func (export "g") (param i32) (result i32) (local (ref null $f))
            (if (local.get 0) (then (local.set 1 (ref.func $g))))
            (block $some (result (ref $f)) (br_on_non_null $some (local.get 1)) (return (i32.const 0)))
            (drop) (i32.const 1)))"""
    )
    assert [guest.call("f", x) for x in (0, 1, 1)] == [0, 1, 1]
    assert [guest.call("g", x) for x in (0, 1, 1)] == [0, 1, 1]
    assert guest.blocks_of("f")[2:] == [
        ("block local.get br_on_null", 3), ("drop i32.const return", 2), ("end", None), ("i32.const end", 1),
    ]  # fmt: skip
    assert guest.blocks_of("g")[2:] == [
        ("block local.get br_on_non_null", 3), ("i32.const return", 1), ("end", None), ("drop i32.const end", 2),
    ]  # fmt: skip


def test_casts_that_branch_end_blocks() -> None:
    guest = Guest(
        """(module (func (export "f") (param i32) (result i32)
             (block $small (result (ref i31))
               (br_on_cast $small anyref (ref i31)
                 (if (result anyref) (local.get 0) (then (ref.i31 (local.get 0))) (else (ref.null any))))
               (drop) (return (i32.const 0)))
             (i31.get_u)))"""
    )
    assert [guest.call("f", x) for x in (0, 5, 6)] == [0, 5, 6]
    assert guest.blocks_of("f")[3:] == [
        ("br_on_cast", 3), ("drop i32.const return", 1), ("end", None), ("i31.get_u end", 2),
    ]  # fmt: skip
