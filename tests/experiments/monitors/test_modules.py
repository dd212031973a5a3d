"""Monitors on modules of every kind: what they import, switched features, nothing at all; a monitor of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments import monitors
from judicia_notebook.experiments.monitors import monitor_names

EVERYTHING = [name for name in monitor_names() if name != "watch"]


def everything(plugin: jn.Plugin, function: str, *numbers: float) -> object:
    """The value of a call with all monitors, whose frames can all be made and agree."""
    r = plugin.monitor(function, numbers=numbers, what=EVERYTHING)
    assert r.error is None
    frames = {name: r.frame(name) for name in r.monitors}
    alone = frames["functions"]["self_instructions"].sum()
    coverage = frames["coverage"]
    assert (coverage["instructions"] * coverage["count"]).sum() == alone
    assert frames["opcodes"]["count"].sum() == frames["cost"]["instructions"].sum() == alone
    assert len(frames["path"]) == coverage["count"].sum()
    columns = ["reads", "writes", "bytes_read", "bytes_written"]
    assert frames["memory"][columns].sum().tolist() == frames["accesses"][columns].sum().tolist()
    return r.value


COPIES = """(module (memory 1) (memory 2) (func (export "f") (result i32)
  (memory.copy 0 1 (i32.const 65530) (i32.const 131066) (i32.const 6)) (i32.load8_u 1 (i32.const 70000))))"""
CHOOSES = """(module (func (export "f") (param i32) (result i32)
  (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 10))) (return (i32.const 20)))
  (i32.const 30)))"""


@pytest.mark.parametrize(
    ("text", "numbers", "value"),
    [
        ('(module (func (export "f")))', (), None),
        ('(module (func (export "f") (result i32 i64) (i32.const 1) (i64.const 2)))', (), (1, 2)),
        ('(module (memory 0) (func (export "f") (result i32) (memory.grow (i32.const 1))))', (), 0),
        (COPIES, (), 0),
        (CHOOSES, (1,), 20),
    ],
)
def test_modules_with_and_without_things(rt: jn.Runtime, text: str, numbers: tuple[int, ...], value: object) -> None:
    p = rt.load(text, name="module")
    assert everything(p, "f", *numbers) == value == p.raw("f")(*numbers)


def test_switched_features_are_counted(rt: jn.Runtime) -> None:
    tail = rt.load(
        """(module (func $down (export "f") (param i64) (result i64)
             (if (i64.eqz (local.get 0)) (then (return (i64.const 7))))
             (return_call $down (i64.sub (local.get 0) (i64.const 1)))))""",
        name="tail",
        features="tail_calls",
    )
    assert everything(tail, "f", 5) == 7
    edges = tail.monitor("f", numbers=(5,), what="edges").edges
    assert edges[["caller", "callee", "count"]].to_numpy().tolist() == [["down", "down", 5]]
    wide = rt.load(
        """(module (memory i64 1) (func (export "f") (param i64) (result i64)
             (i64.store offset=8 (local.get 0) (i64.const 9)) (memory.fill (i64.const 0) (i32.const 1) (i64.const 3))
             (i64.load offset=8 (local.get 0))))""",
        name="wide",
        features="memory64",
    )
    assert everything(wide, "f", 16) == 9


def test_imported_functions_globals_and_memories(rt: jn.Runtime) -> None:
    text = """(module
      (import "env" "add" (func $add (param i32 i32) (result i32)))
      (import "env" "memory" (memory 1 2)) (import "env" "base" (global $base i32))
      (memory 1)
      (table funcref (elem $add $own))
      (func $own (param i32 i32) (result i32) (i32.mul (local.get 0) (local.get 1)))
      (func (export "f") (param i32) (result i32)
        (i32.store (i32.const 0) (i32.const 5)) (i32.store 1 (i32.const 0) (i32.const 6))
        (call_indirect (param i32 i32) (result i32) (i32.load (i32.const 0)) (global.get $base) (local.get 0))))"""
    offered = {"env.add": lambda a, b: a + b, "env.memory": 1, "env.base": 100}
    p = rt.load(text, name="imports", imports=offered)
    for which, value in ((0, 105), (1, 500)):
        assert everything(p, "f", which) == value == p.raw("f")(which)
    with p.monitoring(what=("edges", "memory")) as r:
        for which in (0, 1, 1):
            p.raw("f")(which)
    edges = r.edges[["caller", "callee", "count", "indirect"]].astype(object).where(r.edges.notna(), None)
    assert sorted(map(str, edges[["caller", "callee", "count", "indirect"]].to_numpy().tolist())) == [
        "['f', 'own', 2, 2]", "['f', None, 1, 1]",
    ]  # fmt: skip
    assert r.memory[["memory", "page", "reads", "writes"]].to_numpy().tolist() == [[0, 0, 3, 3], [1, 0, 0, 3]]


def test_a_call_inside_another_plugins_call_is_counted_as_its_own(rt: jn.Runtime) -> None:
    inner = rt.load('(func $leaf (export "leaf") (param i32) (result i32) (local.get 0))', name="inner")
    outer = rt.load(
        """(module (import "env" "ask" (func $ask (param i32) (result i32)))
             (func (export "f") (param i32) (result i32) nop (call $ask (local.get 0)) nop))""",
        name="outer",
        imports={"env.ask": lambda n: inner.raw("leaf")(n) + outer_again(n)},
    )

    def outer_again(n: int) -> int:
        with pytest.raises(jn.PluginNotReady):  # it has one instance, also while it is monitored
            outer.raw("f")(n)
        return 1

    with rt.monitoring(outer, inner, what=("functions", "edges")) as r:
        assert outer.raw("f")(4) == 5
    found = r.functions.set_index(["plugin", "function"])[["calls", "self_instructions"]]
    assert found.loc[("inner", "leaf")].tolist() == [1, 2]
    assert found.loc[("outer", "f")].tolist() == [1, 5]
    assert rt.calls["origin"].tolist() == ["monitor", "monitor"]
    assert rt.calls["parent_call_id"].notna().tolist() == [True, False]


def test_every_bundled_plugin_can_be_monitored(rt: jn.Runtime) -> None:
    for name in jn.examples():
        p = rt.load(f"example:{name}")
        if p.functions:
            r = p.monitor("judicia_alloc", numbers=(64,), what="functions")
            assert r.functions.set_index("function")["calls"]["judicia_alloc"] == 1


OWN = """
from judicia_notebook.experiments.monitoring.monitor import Monitor
from judicia_notebook.wasm.rewriting.counters import BlockCounters


class Entries(Monitor):
    name = "entries"
    about = "how often functions were entered"
    keys = ("function",)
    numbers = ("count",)

    def prepare(self, kit):
        kit.get(BlockCounters)

    def frame(self, counts, state):
        functions = list(counts.functions)
        began = counts.begun[[counts.blocks.of(each).start for each in functions]]
        return counts.frame(functions, [None] * len(functions), {"count": began}, counted=("count",))
"""


def test_a_monitor_is_added_by_its_file(rt: jn.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entries.py").write_text(OWN, encoding="utf-8")
    monkeypatch.setattr(monitors, "__path__", [*monitors.__path__, str(tmp_path)])
    for cached in (monitors.monitor_names, monitors.monitor_class):
        cached.cache_clear()
    try:
        p = rt.load('(module (func $g) (func (export "f") (call $g) (call $g)))', name="own")
        r = p.monitor("f", numbers=(), what=("entries", "coverage"))
        assert dict(zip(r.entries["function"], r.entries["count"], strict=True)) == {"g": 2, "f": 1}
        assert rt.calls["monitored"].tolist() == ["coverage, entries"]
    finally:
        for cached in (monitors.monitor_names, monitors.monitor_class):
            cached.cache_clear()


def test_a_result_is_told_in_a_terminal(rt: jn.Runtime) -> None:
    p = rt.load('(module (func $g nop) (func (export "f") (call $g) unreachable))', name="told")
    r = p.monitor("f", numbers=(), what=("functions", "coverage", "edges"))
    lines = r.text().splitlines()
    assert lines[0] == "Monitored told: coverage, edges, functions of 1 call, GuestTrap"
    assert "unreachable" in lines[1]
    assert lines[2] == "  covered: 4 of 4 instructions, 3 of 3 blocks"
    assert [line.split() for line in lines[3:]] == [
        ["calls", "instructions", "alone", "function"], ["1", "2", "2", "g"], ["1", "4", "2", "f"],
        [".edges:", "1", "rows"],
    ]  # fmt: skip
    assert {"functions", "coverage", "edges"} <= set(dir(r))
