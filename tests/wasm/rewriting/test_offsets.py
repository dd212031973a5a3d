"""Where bytes of a rewritten module are in the original: for backtraces, DWARF and what a trap cut off."""

from __future__ import annotations

from pathlib import Path

from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.compile_cost import function_bodies
from judicia_notebook.wasm.disassembly import instructions
from judicia_notebook.wasm.rewriting.counters import BlockCounters, InclusiveCounters, PageCounters, TableCounters
from judicia_notebook.wasm.rewriting.rewriter import rewrite
from judicia_notebook.wasm.sections import read_module
from tests.wasm.rewriting.guests import Guest, original

SPECIMEN = Path(__file__).parents[3] / "judicia_notebook" / "plugins" / "specimen" / "specimen.wasm"


def test_every_instruction_of_the_original_is_found_at_its_old_byte() -> None:
    instruments = [BlockCounters(), InclusiveCounters(), PageCounters(), TableCounters()]
    made = rewrite(original(SPECIMEN.read_bytes()), instruments)
    old, new = made.original.module.data, made.wasm
    found = set()
    for body in function_bodies(read_module(new), DEFAULT):
        if body.function >= made.original.module.function_count:
            assert made.locate(body.function, body.code) is None  # one of ours
            continue
        for each in instructions(new, body.code, body.end):
            at = made.old_offset(each.offset)
            assert at is not None
            size = each.end - each.offset
            if new[each.offset : each.end] == old[at : at + size]:
                found.add(at)
    wanted, returns = set(), 0
    for body in function_bodies(made.original.module, DEFAULT):
        for each in instructions(old, body.code, body.end):
            if each.opcode.name == "return":  # becomes a branch
                returns += 1
            elif each.end < body.end:  # the last one is the end of what the body is put into
                wanted.add(each.offset)
    assert len(wanted) > 50_000
    assert wanted <= found
    assert returns > 50


def test_blocks_cover_all_code_without_gaps() -> None:
    made = rewrite(original(SPECIMEN.read_bytes()), [])
    blocks, data = made.blocks, made.original.module.data
    for body in function_bodies(made.original.module, DEFAULT):
        own = blocks.of(body.function)
        assert blocks.start[own[0]] == body.code
        assert blocks.end[own[-1]] == body.end
        assert all(blocks.end[number] == blocks.start[number + 1] for number in own[:-1])
        for number in own:
            found = list(instructions(data, blocks.start[number], blocks.end[number]))
            assert len(found) == blocks.instructions[number]
            assert found[-1].end == blocks.end[number]
            assert data[found[-1].offset] == blocks.last[number]
            assert blocks.at(found[-1].offset) == number
    assert blocks.at(0) is None
    assert list(blocks.of(0)) == []  # it is imported


def test_begun_counts_up_to_and_with_the_instruction_at_the_byte() -> None:
    made = rewrite(original("(module (func (param i32) nop (drop (i32.const 300)) nop))"), [])
    start = made.blocks.start[0]
    assert [made.begun(0, start + byte) for byte in range(7)] == [1, 2, 2, 2, 3, 4, 5]


def test_a_frame_in_inserted_code_is_at_what_comes_next() -> None:
    guest = Guest('(module (func (export "f") (param i32) (loop (br_if 0 (local.get 0)))))', [InclusiveCounters()])
    new = guest.rewritten.wasm
    body = next(iter(function_bodies(read_module(new), DEFAULT)))
    first, second = guest.rewritten.blocks[0], guest.rewritten.blocks[1]
    places: dict[tuple[int | None, bool], list[int]] = {}
    for each in instructions(new, body.code, body.end):
        place = guest.rewritten.locate(0, each.offset)
        assert place is not None
        places.setdefault((place.block, place.counted), []).append(place.offset)
    assert set(places[0, False]) == {first.start}  # before the first counter has been written
    assert set(places[1, False]) == {second.start}
    assert set(places[1, True]) == {second.start, second.start + 2}
    assert len(places[1, False]) == 6  # the counter's instructions; those of the other instrument come behind
    assert len(places[1, True]) == 4 + 2
    assert (None, False) in places  # behind the body: its exit


def test_a_loop_that_is_stopped_is_counted_exactly() -> None:
    guest = Guest(
        """(module (func (export "f") (param i32) (local i32)
             (loop (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br 0))))"""
    )
    guest.store.set_fuel(10_000)
    places = guest.trap("f", 1)
    [place] = places
    assert place is not None
    ran = guest.ran(places)
    assert ran["loop"] == 1
    assert ran["i32.add"] - ran.get("br", 0) in {0, 1}
    assert 500 < ran["i32.add"] < 1500
