"""Globals, memories and tables that a load supplies: types, contents, quotas, one set for each instance."""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.engine import capi, linkage
from judicia_notebook.engine.finalizers import sweep

PAGE = 65536
MEMORY = """(module (import "env" "memory" (memory 2 100)) (data (i32.const 65536) "data")
(func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
(func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
(func (export "size") (result i32) (memory.size))
(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""


def a_global(kind: str) -> str:
    """A module that gives the number of the global it imports."""
    return f"""(module (import "env" "g" (global $g {kind}))
    (func (export "get") (result {kind}) (global.get $g)))"""


@pytest.mark.parametrize(
    ("kind", "given", "seen"),
    [
        ("i32", -7, -7),
        ("i32", 2**32 - 1, -1),
        ("i64", 2**63, -(2**63)),
        ("f32", 0.1, 0.10000000149011612),
        ("f64", 0.1, 0.1),
        ("f64", -0.0, -0.0),
        ("f64", 5e-324, 5e-324),
        ("f64", math.inf, math.inf),
        ("f32", -math.inf, -math.inf),
        ("f64", 3, 3.0),
    ],
)
def test_a_global_has_the_number_that_was_given(rt: jn.Runtime, kind: str, given: float, seen: float) -> None:
    got = rt.load(a_global(kind), imports={"env.g": given}).raw("get")()
    assert got == seen
    assert math.copysign(1, got) == math.copysign(1, seen)


def test_a_global_may_be_nan(rt: jn.Runtime) -> None:
    assert math.isnan(rt.load(a_global("f64"), imports={"env.g": math.nan}).raw("get")())


def test_a_mutable_global_is_each_instances_own(rt: jn.Runtime) -> None:
    text = """(module (import "env" "g" (global $g (mut i32)))
    (func (export "next") (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))"""
    plugin = rt.load(text, imports={"env.g": 40})
    assert [plugin.raw("next")() for _ in range(2)] == [41, 42]
    fresh = rt.load(text, name="fresh", imports={"env.g": 40}, instances="fresh")
    assert [fresh.raw("next")() for _ in range(2)] == [41, 41]


def test_a_segment_may_lie_where_a_global_says(rt: jn.Runtime) -> None:
    text = """(module (import "env" "__memory_base" (global $base i32)) (import "env" "memory" (memory 1))
    (data (global.get $base) "here") (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))"""
    plugin = rt.load(text, imports={"env.__memory_base": 1000, "env.memory": None})
    assert plugin.raw("peek")(1000) == ord("h")


def test_a_memory_begins_with_what_was_given(rt: jn.Runtime) -> None:
    plugin = rt.load(MEMORY, imports={"env.memory": None})
    assert (plugin.raw("size")(), plugin.raw("peek")(PAGE)) == (2, ord("d"))
    plugin = rt.load(MEMORY, name="pages", imports={"env.memory": 5})
    assert plugin.raw("size")() == 5
    content = bytes(range(256)) * 1024  # four pages
    plugin = rt.load(MEMORY, name="bytes", imports={"env.memory": content})
    assert plugin.raw("size")() == 4
    assert [plugin.raw("peek")(at) for at in (0, 255, PAGE, PAGE + 4)] == [0, 255, ord("d"), 4]


def test_each_instance_has_a_memory_of_its_own_and_gives_it_back(rt: jn.Runtime) -> None:
    plugin = rt.load(MEMORY, imports={"env.memory": b"\1"}, instances="fresh")
    for _ in range(20):
        assert plugin.raw("peek")(0) == 1
        plugin.raw("poke")(0, 9)
    assert plugin.raw("peek")(0) == 1
    rt.unload(plugin.name)
    assert rt._platform.pool.used == 0


def test_the_memory_is_in_the_account_and_under_the_quota(rt: jn.Runtime) -> None:
    plugin = rt.load(MEMORY, imports={"env.memory": 3}, quota={"memory": "1MiB"})
    assert plugin.raw("grow")(1) == 3
    assert plugin.last is not None
    assert plugin.last.memory_peak_bytes == 4 * PAGE
    assert plugin.raw("grow")(50) == -1
    assert plugin.last.grows_refused == 1
    large = rt.load(MEMORY, name="large", imports={"env.memory": 17}, quota={"memory": "1MiB"})
    with pytest.raises(jn.QuotaExceeded, match="memory"):
        large.raw("size")()


def test_two_memories_share_one_quota(rt: jn.Runtime) -> None:
    text = """(module (import "env" "a" (memory $a 1)) (import "env" "b" (memory $b 1))
    (func (export "grow") (param i32 i32) (result i32 i32)
      (memory.grow $a (local.get 0)) (memory.grow $b (local.get 1))))"""
    plugin = rt.load(text, imports={"env.a": None, "env.b": None}, quota={"memory": "1MiB"})
    assert plugin.raw("grow")(10, 10) == (1, -1)


def test_a_table_is_empty_and_under_the_quota(rt: jn.Runtime) -> None:
    text = """(module (import "env" "table" (table $t 2 1000000 funcref))
    (elem (i32.const 1) $seven) (func $seven (result i32) (i32.const 7))
    (func (export "at") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
    (func (export "size") (result i32) (table.size $t)))"""
    plugin = rt.load(text, imports={"env.table": 10})
    assert (plugin.raw("size")(), plugin.raw("at")(1)) == (10, 7)
    assert isinstance(plugin.attempt("at", numbers=(0,)).error, jn.GuestTrap)
    large = rt.load(text, name="large", imports={"env.table": 900_000}, quota={"table_elements": 1000})
    with pytest.raises(jn.QuotaExceeded, match="table_elements"):
        large.raw("size")()


@pytest.mark.parametrize(
    ("text", "imports", "why"),
    [
        (MEMORY, {"env.memory": 1}, "is 1 pages, and the module asks for 2 at least"),
        (MEMORY, {"env.memory": 101}, "takes 100 at most"),
        (MEMORY, {"env.memory": bytes(101 * PAGE)}, "takes 100 at most"),
        (MEMORY, {"env.memory": 2.5}, "must be a number of pages"),
        (MEMORY, {"env.memory": True}, "must be a number of pages"),
        (MEMORY, {"env.memory": lambda: 0}, "is a memory, and a function was supplied"),
        (a_global("i32"), {"env.g": 1.5}, "is a float, and i32 takes a whole number"),
        (a_global("i32"), {"env.g": 2**32}, "is not within 32 bits"),
        (a_global("i32"), {"env.g": None}, "takes a number"),
        (a_global("i32"), {"env.g": b"x"}, "takes a number"),
        (a_global("f32"), {"env.g": 1e300}, "is not within the range of f32"),
        ('(module (import "env" "g" (global externref)))', {"env.g": 0}, "only i32, i64, f32 and f64"),
        ('(module (import "env" "t" (table 1 funcref)))', {"env.t": 0}, "asks for 1 at least"),
    ],
)
def test_what_does_not_fit_is_named(rt: jn.Runtime, text: str, imports: dict[str, Any], why: str) -> None:
    with pytest.raises(jn.LoadError, match=why):
        rt.load(text, imports=imports)
    assert not rt.plugins


def test_what_is_not_supplied_is_still_unknown(rt: jn.Runtime) -> None:
    with pytest.raises(jn.UnknownImport, match="memory"):
        rt.load(MEMORY)


def test_a_trap_of_a_segment_is_the_guests(rt: jn.Runtime) -> None:
    text = '(module (import "env" "memory" (memory 1)) (data (i32.const 70000) "out"))'
    plugin = rt.load(text.replace("(data", '(func (export "f")) (data'), imports={"env.memory": None})
    assert isinstance(plugin.attempt("f", numbers=()).error, jn.GuestTrap)


def test_the_fuel_of_a_call_is_the_same_in_every_instance(rt: jn.Runtime) -> None:
    plugin = rt.load(MEMORY, imports={"env.memory": b"x" * 1000}, instances="fresh")
    for _ in range(5):
        plugin.raw("size")()
    assert plugin.calls["fuel"].nunique() == 1


def test_a_profile_and_a_loop_over_rows_work(rt: jn.Runtime) -> None:
    plugin = rt.load(MEMORY, imports={"env.memory": bytes(range(200))})
    assert plugin.ufunc("peek")(np.array([1, 2, 199], "int32")).tolist() == [1, 2, 199]
    assert plugin.profile("peek", numbers=(5,), samples=1, seconds=0.5) is not None


def test_a_supplied_memory_is_looked_at_beside_one_that_is_hidden(rt: jn.Runtime) -> None:
    text = """(module (import "env" "m" (memory 1)) (memory $hidden 1)
    (func (export "f") (i32.store8 (i32.const 3) (i32.const 9)) (i32.store8 $hidden (i32.const 3) (i32.const 4))))"""
    plugin = rt.load(text, imports={"env.m": b"abc"})
    plugin.raw("f")()
    assert plugin.memory.read(0, 4) == b"abc\x09"


@pytest.mark.parametrize("given", [bytes(range(256)) * 300, b""])
def test_content_and_an_empty_memory_beside_it(rt: jn.Runtime, given: bytes) -> None:
    text = """(module (import "env" "empty" (memory 0)) (import "env" "m" (memory $m 1))
    (import "env" "t" (table 1 externref))
    (func (export "peek") (param i32) (result i32) (i32.load8_u $m (local.get 0))))"""
    plugin = rt.load(text, imports={"env.empty": None, "env.m": given, "env.t": None})
    assert plugin.raw("peek")(255) == (given[255] if given else 0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_load_that_is_ended_in_the_middle_frees_its_linker_once(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    gc.collect()
    sweep()  # the linkers of earlier tests
    made, deleted = [], []
    new, delete = capi.linker_new, capi.linker_delete

    def note_new(engine: int) -> int:
        made.append(new(engine))
        return int(made[-1])

    def note_deleted(linker: int) -> None:
        deleted.append(linker)
        if deleted.count(linker) <= made.count(linker):  # once more would be fatal; addresses come again
            delete(linker)

    @contextlib.contextmanager
    def interrupted() -> Iterator[None]:
        if moment == "after":
            yield
        raise KeyboardInterrupt

    monkeypatch.setattr(capi, "linker_new", note_new)
    monkeypatch.setattr(capi, "linker_delete", note_deleted)
    monkeypatch.setattr(linkage, "deferred", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rt.load(MEMORY, imports={"env.memory": None})
    monkeypatch.undo()
    assert len(made) >= 2  # the provider's and its own
    assert sorted(deleted) == sorted(made)
    assert not rt.plugins
    assert rt.load(MEMORY, imports={"env.memory": None}).raw("size")() == 2
