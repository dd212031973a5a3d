"""Each monitor that counts blocks, against counts known by hand."""

from __future__ import annotations

import pandas as pd
import pytest

import judicia_notebook as jn

# f(n): n iterations, each calls $g and, through the table, $g where n is even and $h where it is odd.
GUEST = """(module (memory (export "memory") 1) (table funcref (elem $g $h))
  (func $g (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $h (param i32) (result i32) (i32.add (local.get 0) (i32.const 2)))
  (func $f (export "f") (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (call $g (local.get 1)))
      (local.set 1 (call_indirect (param i32) (result i32) (local.get 1) (i32.rem_u (local.get 0) (i32.const 2))))
      (if (i32.eq (local.get 0) (i32.const 2)) (then nop) (else nop))
      (block $a (block $b (block $c (br_table $a $b $c (local.get 0)))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))"""
WHAT = ("functions", "edges", "coverage", "branches", "loops", "opcodes")


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(GUEST, name="guest")


def by(frame: pd.DataFrame, key: str, *columns: str) -> dict[str, tuple[int, ...]]:
    """The numbers of a frame, by the text of a column."""
    return {row[0]: tuple(row[1:]) for row in frame[[key, *columns]].itertuples(index=False)}


def test_functions_have_calls_and_instructions_with_and_without_what_they_called(guest: jn.Plugin) -> None:
    r = guest.monitor("f", numbers=(5,), what="functions")
    # An iteration: to the call; to the other call; to the if; an arm; to br_table; the last line. The ends of $b and $a
    # run for 2 and more, that of $a for 1. And: loop; the loop's end, local.get, end.
    alone = 5 * (2 + 6 + 5 + 2 + 5 + 5) + (4 * 2 + 1) + 1 + 3
    assert by(r.functions, "function", "calls", "instructions", "self_instructions") == {
        "g": (7, 28, 28),
        "h": (3, 12, 12),
        "f": (1, alone + 4 * (7 + 3), alone),
    }
    assert r.value == guest.raw("f")(5)
    assert r.functions["offset"].is_monotonic_increasing
    assert r.functions["file"].isna().all()
    assert r.functions["line"].isna().all()


def test_edges_count_direct_calls_and_what_a_table_led_to(guest: jn.Plugin) -> None:
    edges = guest.monitor("f", numbers=(5,), what="edges").edges
    assert edges[["caller", "callee", "count", "indirect"]].to_numpy().tolist() == [["f", "g", 7, 2], ["f", "h", 3, 3]]


def test_coverage_has_each_block_that_can_run(guest: jn.Plugin) -> None:
    coverage = guest.monitor("f", numbers=(1,), what="coverage").coverage
    of_f = coverage[coverage["function"] == "f"]
    # loop; to the call; to the other call; to the if; then; else; to br_table; behind $c, $b and $a; the end
    assert of_f["count"].tolist() == [1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1]
    assert (of_f["covered"] == (of_f["count"] > 0)).all()
    assert (of_f["instructions_covered"] == of_f["instructions"].where(of_f["covered"], 0)).all()
    assert coverage[coverage["function"] != "f"][["instructions", "count"]].to_numpy().tolist() == [[4, 1], [4, 1]]


def test_branches_are_taken_or_not_and_tables_choose(guest: jn.Plugin) -> None:
    branches = guest.monitor("f", numbers=(5,), what="branches").branches
    rows = branches[["kind", "target", "taken", "not_taken"]].astype(object).where(branches.notna(), None)
    assert rows[["kind", "target", "taken", "not_taken"]].to_numpy().tolist() == [
        ["if", None, 1, 4],
        ["br_table", "0", 0, 5],
        ["br_table", "1", 1, 4],
        ["br_table", "default", 4, 1],
        ["br_if", None, 4, 1],
    ]


def test_loops_have_entries_iterations_and_the_most_of_one_entry(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (func (export "f") (param i32) (local i32)
             (loop $outer
               (local.set 1 (local.get 0))
               (loop $inner (br_if $inner (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
               (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))""",
        name="loops",
    )
    columns = ["entries", "iterations", "most"]
    assert guest.monitor("f", numbers=(4,), what="loops").loops[columns].to_numpy().tolist() == [[1, 4, 4], [4, 10, 4]]
    with guest.monitoring(what="loops") as r:
        for n in (2, 5, 3):
            guest.raw("f")(n)
        assert r.loops[columns].to_numpy().tolist() == [[3, 10, 5], [10, 3 + 15 + 6, 5]]


def test_opcodes_add_up_to_all_instructions(guest: jn.Plugin) -> None:
    r = guest.monitor("f", numbers=(5,), what=("opcodes", "functions"))
    in_g = r.opcodes[r.opcodes["function"] == "g"]
    assert by(in_g, "opcode", "count") == {"end": (7,), "i32.add": (7,), "i32.const": (7,), "local.get": (7,)}
    assert r.opcodes.groupby("function")["count"].sum().to_dict() == dict(
        zip(r.functions["function"], r.functions["self_instructions"], strict=True)
    )


FREE = {"nop", "drop", "block", "loop", "unreachable", "return", "else", "end"}
"""Instructions that take no fuel of Wasmtime's; the entry of a function takes one."""


@pytest.mark.parametrize(
    ("plugin", "function", "payload"),
    [
        ("example:specimen", "echo", [1, {"a": "b"}]),
        ("example:checker", "check", {"output": "4 2\n1", "answer": "4 2\n1"}),
    ],
)
def test_instructions_come_to_the_fuel_of_the_unmonitored_call(
    rt: jn.Runtime, plugin: str, function: str, payload: object
) -> None:
    p = rt.load(plugin)
    r = p.monitor(function, payload, what=("opcodes", "functions"))
    p.initialize()  # whose fuel is that of its own row
    assert p.call(function, payload) == r.value
    opcodes = r.opcodes
    bulk = opcodes["opcode"].str.startswith(("memory.", "table."))
    assert not opcodes.loc[bulk & ~opcodes["opcode"].isin({"memory.size", "memory.grow"}), "count"].any()
    counted = int(opcodes.loc[~opcodes["opcode"].isin(FREE), "count"].sum() + r.functions["calls"].sum())
    last = p.last
    assert last is not None
    assert last.memory_peak_bytes is not None
    assert last.memory_bytes is not None
    grown = (last.memory_peak_bytes - last.memory_bytes) >> 16  # a page takes one more
    assert last.fuel == counted + grown
