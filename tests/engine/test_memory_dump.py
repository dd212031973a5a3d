"""What stays of a guest's memory on the error: round the fault, bounded each and all together, and out of pickles."""

from __future__ import annotations

import copy
import gc
import pickle
import struct

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.memory_dump import MOST_BYTES, MOST_DUMPS, MemoryDump, fault_address
from tests.support.guests import COMMAND, load

PAGES = 40
SIZE = PAGES << 16
LIE = r"x\n\nCaused by:\n    0: memory fault at wasm address 0x1 in linear memory of size 0x2"
GUEST = f"""(module (memory (export "%s") {PAGES})
  (data (i32.const 65500) "first MiB") (data (i32.const 2621400) "at the end")
  (func (export "load") (param i32) (result i32) (i32.load offset=16 (local.get 0)))
  (func (export "fill") (memory.fill (i32.const {SIZE - 1}) (i32.const 1) (i32.const 2)))
  (func (export "note") (param i32) (i32.store (i32.const 65600) (local.get 0)) unreachable)
  (func (export "spin") (loop (br 0)))
  (func (export "{LIE}") (memory.fill (i32.const -1) (i32.const 1) (i32.const 2))))"""


@pytest.fixture(params=["memory", "c"], ids=["named memory", "a minified name"])
def guest(request: pytest.FixtureRequest, rt: jn.Runtime) -> jn.Plugin:
    return rt.load(GUEST % request.param, name="guest")


def error_of(p: jn.Plugin, function: str, *numbers: int, **more: object) -> jn.CallError:
    with pytest.raises(jn.CallError) as caught:
        p.raw(function)(*numbers, **more)  # type: ignore[arg-type]
    return caught.value


def test_a_dump_lies_round_the_fault(guest: jn.Plugin) -> None:
    error = error_of(guest, "load", SIZE)
    dump = error.memory
    assert (error.fault, dump.fault) == (SIZE + 16, SIZE + 16)
    assert (dump.start, dump.stop, dump.size) == (SIZE - MOST_BYTES, SIZE, SIZE)
    assert dump.text(2621400, 10) == "at the end"
    assert b"at the end" in dump.view().data
    assert dump.pages().pages_with_content == 1
    with pytest.raises(jn.InvalidPayload, match=rf"has the bytes from {SIZE - MOST_BYTES} to {SIZE} of a memory of"):
        dump.text(65500)
    with pytest.raises(jn.InvalidPayload, match="not in the dump"):
        dump.read(SIZE - 1, 2)


def test_a_fault_far_beyond_the_memory_is_no_place_to_read(guest: jn.Plugin) -> None:
    error = error_of(guest, "load", -1)
    assert error.fault == 2**32 + 15
    assert (error.memory.start, error.memory.stop) == (SIZE - MOST_BYTES, SIZE)
    assert len(error.memory.view().data) == 256


@pytest.mark.parametrize("function", ["fill", "note"])
def test_without_an_address_it_is_the_beginning(guest: jn.Plugin, function: str) -> None:
    error = error_of(guest, function, *([77] if function == "note" else []))
    assert error.fault is None
    assert (error.memory.start, error.memory.stop) == (0, MOST_BYTES)
    assert error.memory.text(65500) == "first MiB"
    assert struct.unpack("<i", error.memory.read(65600, 4)) == ((77,) if function == "note" else (0,))


def test_a_limit_leaves_a_dump_too(guest: jn.Plugin) -> None:
    error = error_of(guest, "spin", quota={"cpu": "50ms"})
    assert isinstance(error, jn.QuotaExceeded)
    assert error.memory.text(65500) == "first MiB"


def test_a_name_of_the_guest_is_no_address(guest: jn.Plugin) -> None:
    (name,) = [export.name for export in guest.exports if "Caused" in export.name]
    assert error_of(guest, name).fault is None
    end = (
        "\n    0: memory fault at wasm address 0x1f in linear memory of size 0x2"
        "\n    1: wasm trap: out of bounds memory access"
    )
    assert fault_address(end) == 0x1F
    assert fault_address(f"{end}\n\nCaused by:\n    wasm trap: integer divide by zero") is None
    assert fault_address(end.replace("0x1f", "0x" + "f" * 17)) is None


def test_a_small_memory_is_all_there(rt: jn.Runtime) -> None:
    p = rt.load('(module (memory (export "memory") 1) (func (export "u") unreachable))', name="small")
    dump = error_of(p, "u").memory
    assert (dump.start, dump.stop, dump.size) == (0, 1 << 16, 1 << 16)
    assert dump.read(0, 1 << 16) == bytes(1 << 16)
    empty = rt.load('(module (memory (export "memory") 0) (func (export "u") unreachable))', name="empty")
    assert (error_of(empty, "u").memory.size, error_of(empty, "u").memory.read(0, 0)) == (0, b"")
    for name, text in {
        "none": '(module (func (export "u") unreachable))',
        "inner": '(module (memory 1) (func (export "u") unreachable))',
        "several": '(module (memory (export "a") 1) (memory (export "b") 1) (func (export "u") unreachable))',
    }.items():
        assert error_of(rt.load(text, name=name), "u").memory is None


@pytest.mark.parametrize("instances", [1, "fresh"])
def test_a_function_of_the_abi_leaves_a_dump(rt: jn.Runtime, instances: int | str) -> None:
    cell = '(func (export "f") (param i32 i32) (result i64) (i32.store (i32.const 7) (local.get 1)) unreachable)'
    p = load(rt, cell, instances=instances)
    for _ in range(3):
        with pytest.raises(jn.GuestTrap) as caught:
            p.call("f", "twelve bytes")
        assert caught.value.memory.read(7, 4) == struct.pack("<i", 14)


def test_an_answer_that_lies_beyond_leaves_a_dump(rt: jn.Runtime) -> None:
    p = load(rt, '(func (export "f") (param i32 i32) (result i64) (i64.const -1))')
    with pytest.raises(jn.CallError) as caught:
        p.call("f")
    assert isinstance(caught.value.memory, MemoryDump)


def test_a_trap_of_the_start_function_leaves_a_dump(rt: jn.Runtime) -> None:
    text = (
        '(module (memory (export "memory") 1) (func $s (i32.store (i32.const 4) (i32.const 9)) unreachable)'
        ' (start $s) (func (export "f")))'
    )
    for instances in (1, "fresh"):
        p = rt.load(text, name="starts", instances=instances)
        assert error_of(p, "f").memory.read(4, 1) == b"\x09"


def test_an_end_that_is_the_guests_own_has_no_dump(rt: jn.Runtime) -> None:
    p = rt.load(
        f'(module {COMMAND} (memory (export "memory") 1) (func (export "_start") (call $proc_exit (i32.const 3))))'
    )
    outcome = p.attempt(args=[])
    assert outcome.value.returncode == 3


def test_a_dump_stays_out_of_pickles_unless_it_is_kept(guest: jn.Plugin) -> None:
    error = error_of(guest, "note", 5)
    small = pickle.dumps(error)
    assert len(small) < 10_000
    for there in (pickle.loads(small), copy.copy(error), copy.deepcopy(error)):
        assert (there.memory, there.fault, there.outcome) == (None, None, "trap")
    error.keep_memory()
    there = pickle.loads(pickle.dumps(error))
    assert there.memory.text(65500) == "first MiB"
    assert pickle.loads(pickle.dumps(there)).memory.read(65600, 1) == b"\x05"
    assert error.memory.text(65500) == "first MiB"


def test_many_errors_hold_few_dumps(rt: jn.Runtime) -> None:
    p = rt.load('(module (memory (export "memory") 1) (func (export "u") unreachable))', name="small")
    outcomes = [p.attempt("u", numbers=()) for _ in range(MOST_DUMPS + 10)]
    dumps = [outcome.error.memory for outcome in outcomes]  # type: ignore[union-attr]
    assert [dump.is_empty for dump in dumps] == [True] * 10 + [False] * MOST_DUMPS
    with pytest.raises(jn.ResourceExhausted, match="newest 32 dumps"):
        dumps[0].read(0, 1)
    assert "emptied" in repr(dumps[0])
    assert dumps[0].size == 1 << 16
    assert pickle.loads(pickle.dumps(dumps[0])).is_empty
    revived = [pickle.loads(pickle.dumps(dumps[-1])) for _ in range(MOST_DUMPS)]
    assert [dump.is_empty for dump in dumps] == [True] * len(dumps)
    assert not revived[0].is_empty


def test_errors_that_are_gone_empty_no_dump(rt: jn.Runtime) -> None:
    p = rt.load('(module (memory (export "memory") 1) (func (export "u") unreachable))', name="small")
    first = p.attempt("u", numbers=()).error
    assert isinstance(first, jn.CallError)
    for _ in range(2 * MOST_DUMPS):
        p.attempt("u", numbers=())
        gc.collect(0)
    assert first.memory.read(0, 1) == b"\0"


def test_a_supplied_memory_is_in_the_dump(rt: jn.Runtime) -> None:
    text = (
        '(module (import "env" "memory" (memory 1)) (func (export "ok"))'
        ' (func (export "f") (i32.store (i32.const 4) (i32.const 9)) unreachable))'
    )
    p = rt.load(text, name="supplied", imports={"env.memory": None})
    p.raw("ok")()
    p.memory.write(8, b"x")
    dump = error_of(p, "f").memory
    assert dump.read(4, 5) == b"\x09\0\0\0x"
