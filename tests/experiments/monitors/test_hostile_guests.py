"""Guests that reach for the counters, or that make their counting large, and names that are not what they seem."""

from __future__ import annotations

import time

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.compiler import assemble
from judicia_notebook.experiments.monitors import monitor_names
from judicia_notebook.wasm.encoding import leb128


def test_a_store_into_a_memory_that_it_does_not_have_is_refused_before_counters_are_there(rt: jn.Runtime) -> None:
    reaches = assemble('(module (memory 1) (memory 1) (func (export "f") (i64.store 1 (i32.const 64) (i64.const 9))))')
    # The same with one memory: rewritten without a look, it would be valid and write into the counters.
    one = reaches.replace(bytes([5, 5, 2, 0, 1, 0, 1]), bytes([5, 3, 1, 0, 1]))
    assert len(one) == len(reaches) - 2
    with pytest.raises(jn.LoadError):
        rt.load(one, name="reaches")
    p = rt.load(reaches, name="reaches")
    r = p.monitor("f", numbers=(), what=("functions", "memory"))
    assert r.functions[["calls", "self_instructions"]].to_numpy().tolist() == [[1, 4]]
    assert r.memory[["memory", "page", "writes"]].to_numpy().tolist() == [[1, 0, 1]]


def test_a_guest_cannot_see_or_name_the_counters(rt: jn.Runtime) -> None:
    text = """(module (memory (export "memory") 1 3) (memory (export "judicia.counters") 1)
      (func (export "sizes") (result i32) (i32.add (memory.size 0) (memory.size 1)))
      (func (export "fill") (result i32) (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (memory.size)))"""
    p = rt.load(text, name="looks")
    with p.monitoring(what=monitor_names_without_watch()) as r:
        assert p.raw("sizes")() == 2
        assert p.raw("fill")() == 3
    assert [export.name for export in p.exports] == ["memory", "judicia.counters", "sizes", "fill"]
    assert set(r.functions["function"]) == {"sizes", "fill"}
    assert rt.calls["memory_peak_bytes"].tolist() == [2 << 16, 4 << 16]


def monitor_names_without_watch() -> list[str]:
    return [name for name in monitor_names() if name != "watch"]


def test_a_dump_of_a_monitored_guest_has_its_memory_alone(rt: jn.Runtime) -> None:
    p = rt.load('(module (memory (export "memory") 1) (data (i32.const 5) "mine") (func (export "f") unreachable))')
    r = p.monitor("f", numbers=(), what=monitor_names_without_watch())
    assert isinstance(r.error, jn.GuestTrap)
    assert r.error.memory is not None
    assert r.error.memory.size == 1 << 16
    assert r.error.memory.text(5, 4) == "mine"


def test_names_of_functions_are_inert_and_bounded(rt: jn.Runtime) -> None:
    name = "<img src=x onerror=alert(1)>\\n\\1b[31m" + "n" * 5000
    p = rt.load(f'(module (func (export "{name}") (result i32) (i32.const 1)))', name="named")
    with p.monitoring(what=("functions", "edges")) as r:
        assert p.raw(p.exports[0].name)() == 1
    (shown,) = r.functions["function"]
    assert len(shown) <= 201
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert r.functions.attrs["plugin_text"]


def test_an_endless_path_and_an_endless_watch_are_bounded(rt: jn.Runtime) -> None:
    p = rt.load(
        '(module (func $g (param i32)) (func (export "f") (loop $l (call $g (i32.const 7)) (br $l))))', name="endless"
    )
    r = p.monitor("f", numbers=(), what=("path=1000", "watch=g"), quota={"cpu": 0.3, "wall": 60})
    assert isinstance(r.error, jn.QuotaExceeded)
    assert len(r.path) == 1000
    assert r.path.attrs["dropped"] > 1000
    assert len(r.watch) == 10_000
    assert r.watch.attrs["dropped"] > 1000
    assert r.watch["arguments"].iloc[5] == (7,)


def test_many_blocks_are_counted_in_little_time(rt: jn.Runtime) -> None:
    blocks = 20_000
    body = bytes([0]) + bytes([0x41, 0, 0x04, 0x40, 0x01, 0x0B]) * blocks + bytes([0x0B])  # i32.const 0, if, nop, end
    code = leb128(1) + leb128(len(body)) + body
    wasm = b"\0asm\1\0\0\0" + b"\1\4\1\x60\0\0" + b"\3\2\1\0" + b"\7\5\1\1f\0\0" + b"\x0a" + leb128(len(code)) + code
    p = rt.load(wasm, name="wide")
    began = time.monotonic()
    r = p.monitor("f", numbers=(), what=("coverage", "functions"), quota={"cpu": 60, "wall": 120})
    coverage = r.coverage
    assert time.monotonic() - began < 120
    assert len(coverage) == 2 * blocks + 1
    assert coverage["count"].sum() == blocks + 1
    assert r.functions["self_instructions"].tolist() == [2 * blocks + 1]


def test_a_module_that_cannot_be_rewritten_names_the_function(rt: jn.Runtime) -> None:
    text = "(module " + "(memory 1)" * 3 + '(func (export "f") ' + "(local i64)" * 49_990 + " (loop" * 20 + ")" * 22
    p = rt.load(text, name="full")
    with pytest.raises(jn.RewriteError, match="function 0 has"):
        p.monitor("f", numbers=(), what="loops")
    assert p.raw("f")() is None


def test_a_wrong_debug_section_costs_the_lines_alone(rt: jn.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    wasm = assemble('(module (func $f (export "f") nop))')
    section = b"\x0b.debug_line" + b"\xff" * 40
    p = rt.load(wasm + b"\0" + leb128(len(section)) + section, name="lies")
    r = p.monitor("f", numbers=(), what="functions")
    assert r.functions["calls"].tolist() == [1]
    assert r.functions["line"].isna().all()
    assert "Files and lines are not known" in capsys.readouterr().err
