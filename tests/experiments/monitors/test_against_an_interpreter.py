"""What monitors count of real plugins, against what PyPI's pywasm, an interpreter that is not ours, counts of them.

Both run the same bytes on the same requests. Every instruction of every function has to have run as often there as
here. The names of instructions are pywasm's own, and so are the calls and what ran within them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.monitoring.result import Monitored
from tests.languages.compilers import use
from tests.support.interpreter import Interpreter, denied

WHAT = ("functions", "coverage", "opcodes")
KERNELS = Path(__file__).parents[3] / "benchmarks" / "guests" / "kernels.c"
DENIED = {
    f"judicia:database {name}": denied(f"judicia:database {name}", capability)
    for name, capability in (("query", "read_database"), ("execute", "write_database"))
}
CHECK = {"output": "1 2.50\n4 e", "answer": "1 2.5\r\n4 é", "mode": "tokens"}
RULES = {"name": "balloons", "version": "1.0.0", "granted": []}
COLOURS = {"colours": {}, "every": False, "recipient": "floor"}


def compare(r: Monitored, other: Interpreter) -> int:
    """How many instructions ran, which is the same in both, function by function."""
    counts = r.counts()
    functions = r.functions.set_index("index")
    coverage = r.coverage.groupby("index")["instructions_covered"].sum()
    opcodes = {row[:2]: row[2] for row in r.opcodes[["index", "opcode", "count"]].itertuples(index=False)}
    ran: Counter[tuple[int, str]] = Counter()
    assert other.calls
    for function in counts.functions:
        steps = other.steps.get(function, [])
        if steps:
            blocks = counts.blocks.of(function)
            places = [(block, place) for block in blocks for place in range(counts.blocks.instructions[block])]
            assert [counts.times(*place) for place in places] == steps, functions.loc[function, "function"]
            for name, times in zip(other.codes[function], steps, strict=True):
                ran[function, name] += times
        row = functions.loc[function, ["calls", "instructions", "self_instructions"]].tolist()
        assert row == [other.calls[function], other.inclusive[function], sum(steps)], functions.loc[function]
        assert coverage.get(function, 0) == sum(times > 0 for times in steps)
    assert opcodes == dict(+ran)
    return int(functions["self_instructions"].sum())


def written(value: Any) -> bytes:
    return b"" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("name", "function", "payload", "least"),
    [
        ("checker", "check", CHECK, 15_000),
        ("scoreboard", "standings", None, 15_000),  # a denied host call, whose answer the guest allocates
        ("balloons", "handed", None, 10_000),  # the same, behind on_initialize, which is not counted
        ("specimen", "echo", [1, {"a": 2.5}, None], 500),
        ("specimen", "trap", {}, 500),  # up to the instruction that traps
    ],
)
def test_bundled_plugins_run_as_often_as_an_interpreter_says(
    rt: jn.Runtime, name: str, function: str, payload: Any, least: int
) -> None:
    p = rt.load(f"example:{name}", config=COLOURS if name == "balloons" else None)
    other = Interpreter(p._code.wasm, DENIED)
    if name == "balloons":
        other.ask("on_initialize", written({**RULES, "config": COLOURS}))
        other.forget()
    r = p.monitor(function, payload, what=WHAT)
    if function == "trap":
        assert isinstance(r.error, jn.GuestTrap)
        with pytest.raises(AssertionError):
            other.ask(function, written(payload))
    elif isinstance(r.error, jn.GuestError):
        assert other.ask(function, written(payload)) == b""
    else:
        assert json.loads(other.ask(function, written(payload))) == r.value
    assert compare(r, other) > least


def test_a_plugin_in_c_runs_as_often_as_an_interpreter_says(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    built = jn.build(KERNELS.read_text(encoding="utf-8"), lang="c", level="-O2")
    p = rt.load(built.wasm, name="kernels", abi="raw")
    for function, number in (("sha256", 100), ("sieve", 500), ("matmul", 6)):
        other = Interpreter(built.wasm)
        r = p.monitor(function, numbers=(number,), what=WHAT)
        assert other.call(function, number) == r.value
        assert compare(r, other) > 2_000


def test_what_is_open_at_a_trap_has_run_as_an_interpreter_says(rt: jn.Runtime) -> None:
    text = """(module (table funcref (elem $odd $even)) (type $t (func (param i32) (result i32)))
      (func $leaf (param i32) (result i32) (if (i32.gt_s (local.get 0) (i32.const 2)) (then nop)) (local.get 0))
      (func $even (type $t) (drop (call $leaf (local.get 0)))
        (if (result i32) (i32.le_s (local.get 0) (i32.const 0)) (then (i32.div_s (i32.const 1) (local.get 0)))
          (else (i32.add (call $odd (i32.sub (local.get 0) (i32.const 1))) (call $once (i32.const 3))))))
      (func $odd (type $t) nop
        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1))
        (i32.add (call $leaf (i32.const 1))))
      (func $once (type $t) nop (call $leaf (local.get 0)))
      (func (export "f") (param i32) (result i32) (drop (call $once (i32.const 1))) (call $even (local.get 0))))"""
    p = rt.load(text, name="open")
    for number, ends in ((6, True), (7, False)):  # 0 divides by zero in the seventh call of them, -1 does not
        other, r = Interpreter(p._code.wasm), p.monitor("f", numbers=(number,), what=WHAT)
        if ends:
            assert isinstance(r.error, jn.GuestTrap)
            with pytest.raises((AssertionError, ZeroDivisionError)):
                other.call("f", number)
        else:
            assert other.call("f", number) == r.value
        assert compare(r, other) > 50
