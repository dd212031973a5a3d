"""What a trap, a stop, an exception or an exit in the middle leaves in the counts."""

from __future__ import annotations

import os
import signal

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.monitoring import plan
from tests.support.threads import once_it_runs
from tests.support.waiting import PATIENCE

NUMBERS = ["calls", "instructions", "self_instructions"]


def numbers(frame: object, *columns: str) -> dict[str, list[int]]:
    return {row[0]: list(row[1:]) for row in frame[["function", *columns]].itertuples(index=False)}  # type: ignore[index]


def test_a_division_that_traps_at_once_has_not_run_what_is_behind_it(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (func (export "f") (param i32) (result i32)
             (i32.div_s (i32.const 10) (local.get 0)) i32.const 1 i32.add i32.const 2 i32.add))""",
        name="divides",
    )
    r = guest.monitor("f", numbers=(0,), what=("functions", "coverage", "opcodes"))
    assert isinstance(r.error, jn.GuestTrap)
    assert r.value is None
    assert numbers(r.functions, *NUMBERS) == {"f": [1, 3, 3]}
    assert r.coverage[["instructions", "count", "covered", "instructions_covered"]].to_numpy().tolist() == [
        [8, 1, True, 3]
    ]
    assert set(r.opcodes["opcode"]) == {"i32.const", "local.get", "i32.div_s"}
    with guest.monitoring(what=("functions", "coverage")) as r:
        with pytest.raises(jn.GuestTrap):
            guest.raw("f")(0)
        assert guest.raw("f")(5) == 5
    assert numbers(r.functions, *NUMBERS) == {"f": [2, 3 + 8, 3 + 8]}
    assert r.coverage["instructions_covered"].tolist() == [8]


def test_what_called_a_function_that_traps_ran_up_to_the_call(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module
             (func $g (param i32) nop (if (local.get 0) (then nop unreachable nop)) nop)
             (func $f (param i32) nop (call $g (local.get 0)) nop nop nop)
             (func (export "run") (param i32) (call $f (local.get 0)) nop))""",
        name="nested",
    )
    r = guest.monitor("run", numbers=(1,), what=("functions", "edges"))
    assert isinstance(r.error, jn.GuestTrap)
    # $g: nop, local.get, if, nop, unreachable; $f: nop, local.get, call; run: local.get, call
    assert numbers(r.functions, *NUMBERS) == {"g": [1, 5, 5], "f": [1, 8, 3], "run": [1, 10, 2]}
    assert r.edges[["caller", "callee", "count"]].to_numpy().tolist() == [["f", "g", 1], ["run", "f", 1]]
    r = guest.monitor("run", numbers=(0,), what="functions")
    assert numbers(r.functions, *NUMBERS) == {"g": [1, 5, 5], "f": [1, 12, 7], "run": [1, 16, 4]}


def test_a_trap_deeper_than_a_backtrace_is_exact_too(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (func $down (export "down") (param i32)
             (if (i32.eqz (local.get 0)) (then unreachable))
             (call $down (i32.sub (local.get 0) (i32.const 1))) nop))""",
        name="deep",
    )
    r = guest.monitor("down", numbers=(1000,), what=("functions", "edges"))
    assert isinstance(r.error, jn.GuestTrap)
    # 3 to the if, then end, local.get, i32.const, i32.sub, call; the last has unreachable instead
    assert numbers(r.functions, *NUMBERS) == {"down": [1001, 1000 * 7 + 4, 1000 * 7 + 4]}
    assert r.edges["count"].tolist() == [1000]


def test_a_stack_that_overflows_ends_in_a_call_that_was_not_entered(rt: jn.Runtime) -> None:
    guest = rt.load('(module (func $f (export "f") nop (call $f)))', name="endless")
    r = guest.monitor("f", numbers=(), what=("functions", "edges"), quota={"cpu": 20, "wall": 60})
    assert isinstance(r.error, jn.GuestTrap)
    assert r.error.trap == "stack_overflow"
    calls = int(r.functions["calls"][0])
    assert calls > 100
    assert r.functions["self_instructions"].tolist() == [2 * calls]
    assert r.edges["count"].tolist() == [calls]


def test_a_stop_counts_the_iterations_that_began(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (global $n (export "n") (mut i64) (i64.const 0))
             (func (export "spin") (loop $l (global.set $n (i64.add (global.get $n) (i64.const 1))) (br $l))))""",
        name="spins",
    )
    r = guest.monitor("spin", numbers=(), what=("functions", "loops", "coverage"), quota={"cpu": 0.2, "wall": 30})
    assert isinstance(r.error, jn.QuotaExceeded)
    (entries, iterations, most), *_ = r.loops[["entries", "iterations", "most"]].to_numpy().tolist()
    assert entries == 1
    assert iterations == most > 1000
    assert numbers(r.functions, *NUMBERS) == {"spin": [1, 1 + 5 * iterations, 1 + 5 * iterations]}


RECURSES = """(func $down (export "down") (param i64) (result i64) (local i64 i32)
  (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1))
    (else (i64.add (call $down (i64.sub (local.get 0) (i64.const 1)))
                   (call $down (i64.sub (local.get 0) (i64.const 1)))))))"""


@pytest.mark.parametrize("before", ["", "(func $first nop)"])
@pytest.mark.parametrize("what", ["functions,edges,coverage", "edges,coverage"])
def test_a_stop_where_a_function_begins_is_told(rt: jn.Runtime, before: str, what: str) -> None:
    # Without a loop the engine looks for a tick in one place alone: before a function's first instruction.
    guest = rt.load(f"(module {before} {RECURSES})", name="recurses")
    r = guest.monitor("down", numbers=(60,), what=what, quota={"cpu": 0.02, "wall": 30})
    assert isinstance(r.error, jn.QuotaExceeded)
    first = r.coverage[r.coverage["function"] == "down"].iloc[0]
    assert r.error.frames[0].offset == first["offset"]
    calls = int(first["count"])
    assert calls > 1000
    assert r.edges["count"].tolist() == [calls]  # the last one was not entered, and nothing called the first one
    if "functions" in r.monitors:
        assert int(r.functions["calls"].iloc[-1]) == calls
        covered = r.coverage["count"] * r.coverage["instructions"]
        assert int(r.functions["self_instructions"].sum()) == covered.sum()


def test_an_interrupt_before_the_call_promises_no_row_and_leaves_the_plugin_free(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = rt.load(f"(module {RECURSES})", name="recurses")
    monkeypatch.setattr(plan, "_make", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="nothing was called"):
        guest.monitor("down", numbers=(1,), what="path=9")
    with pytest.raises(KeyboardInterrupt, match="nothing was called"), guest.monitoring(what="path=9"):
        pass
    monkeypatch.undo()
    assert len(rt.calls) == 0
    assert guest.monitor("down", numbers=(1,), what="path=9").value == 2


def test_an_exception_that_is_caught_cuts_nothing(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (tag $t (param i32))
             (func $throws (param i32) nop (if (local.get 0) (then (throw $t (local.get 0)))) nop)
             (func (export "f") (param i32) (result i32)
               (block $caught (result i32)
                 (try_table (catch $t $caught) (call $throws (local.get 0)) nop)
                 (return (i32.const -1)))))""",
        name="throws",
        features="exceptions",
    )
    r = guest.monitor("f", numbers=(5,), what=("functions", "coverage"))
    assert r.value == 5
    # nop, local.get, if, local.get, throw; block, try_table, local.get, call, end, end
    assert numbers(r.functions, *NUMBERS)["throws"] == [1, 5, 5]
    assert r.coverage[r.coverage["covered"]].groupby("function")["instructions"].sum()["throws"] == 5


def test_a_failed_access_is_no_access(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (memory 1) (func (export "f") (param i32)
             (i32.store (i32.const 8) (i32.load (i32.const 0)))
             (i64.store (local.get 0) (i64.const 1)) (i64.store (i32.const 16) (i64.const 1))))""",
        name="stores",
    )
    columns = ["reads", "writes", "bytes_read", "bytes_written"]
    r = guest.monitor("f", numbers=(65532,), what=("memory", "accesses"))
    assert isinstance(r.error, jn.GuestTrap)
    assert r.memory[columns].to_numpy().tolist() == r.accesses[columns].to_numpy().tolist() == [[1, 1, 4, 4]]
    r = guest.monitor("f", numbers=(32,), what=("memory", "accesses"))
    assert r.error is None
    assert r.memory[columns].to_numpy().tolist() == r.accesses[columns].to_numpy().tolist() == [[1, 3, 4, 20]]


def test_what_a_bulk_instruction_that_trapped_moved_is_not_known(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (memory 1) (func (export "f") (param i32)
             (memory.fill (i32.const 0) (i32.const 1) (i32.const 40))
             (memory.copy (i32.const 100) (local.get 0) (i32.const 30))))""",
        name="bulk",
    )
    columns = ["reads", "writes", "bytes_read", "bytes_written"]
    r = guest.monitor("f", numbers=(0,), what=("memory", "accesses"))
    assert r.memory[columns].to_numpy().tolist() == r.accesses[columns].to_numpy().tolist() == [[1, 2, 30, 70]]
    r = guest.monitor("f", numbers=(65536,), what=("memory", "accesses"))
    assert r.error is not None
    assert r.memory[columns].isna().all(axis=None)  # the half of the copy that is within bounds is in its counters
    assert r.accesses[columns].isna().all(axis=None)


def test_an_allocator_that_traps_for_an_answer_of_the_host_is_cut_where_it_was(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module
             (import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
             (memory (export "memory") 1)
             (func (export "judicia_alloc") (param i32) (result i32) nop nop unreachable nop)
             (func (export "judicia_free") (param i32 i32))
             (func $run (export "run") (param i32 i32) (result i64)
               nop (drop (call $now (i32.const 0) (i32.const 0))) nop (i64.const 0)))""",
        name="answers",
        grant=["wall_clock"],
    )
    r = guest.monitor("run", what="functions")
    assert r.error is not None
    assert numbers(r.functions, "calls", "self_instructions") == {
        "judicia_alloc": [1, 3], "judicia_free": [0, 0], "run": [1, 4],
    }  # fmt: skip


def test_an_interrupt_and_a_cancel_leave_the_counts_up_to_there(rt: jn.Runtime) -> None:
    guest = rt.load('(module (func (export "spin") (loop $l nop (br $l))) (func (export "f") nop))', name="spins")
    guest.policy.set_quota(cpu=50, wall=50)
    with guest.monitoring(what=("functions", "loops")) as r:
        with pytest.raises(KeyboardInterrupt):
            thread = once_it_runs(rt, lambda: os.kill(os.getpid(), signal.SIGINT))
            guest.raw("spin")()
        thread.join()
        first = int(r.loops["iterations"][0])
        handle = guest.submit("spin", numbers=())
        once_it_runs(rt, handle.cancel).join()
        with pytest.raises(jn.Cancelled):
            handle.result(PATIENCE)
        guest.raw("f")()
    entries, iterations, most = (int(r.loops[name][0]) for name in ("entries", "iterations", "most"))
    assert entries == 2
    assert first > 1000
    assert max(first, iterations - first) == most
    assert r.functions[["calls", "self_instructions"]].to_numpy().tolist() == [[2, 2 + 2 * iterations], [1, 2]]


def test_an_answer_that_breaks_the_abi_cuts_nothing(rt: jn.Runtime) -> None:
    guest = rt.load(
        """(module (memory (export "memory") 1)
             (func (export "judicia_alloc") (param i32) (result i32) (i32.const 64))
             (func (export "judicia_free") (param i32 i32))
             (func (export "run") (param i32 i32) (result i64) nop (i64.const 0xffff00010000)))""",
        name="answers",
    )
    r = guest.monitor("run", [1], what="functions")
    assert isinstance(r.error, jn.AbiViolation)
    assert numbers(r.functions, "calls", "self_instructions")["run"] == [1, 3]
