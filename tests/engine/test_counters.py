"""The memory of counters that were written into a module: in no quota of the guest's, and read after a trap, too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from judicia_notebook.engine.compiler import assemble
from judicia_notebook.engine.guest_memory import copy_out
from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.linkage import Linkage
from judicia_notebook.engine.memory import AVAILABLE, MemoryPool
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.settings import FULL
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.errors import CompileError, GuestTrap, QuotaExceeded
from judicia_notebook.wasm.rewriting.counters import BlockCounters, IndirectCalls, PageCounters
from judicia_notebook.wasm.rewriting.instrument import Instrument
from judicia_notebook.wasm.rewriting.rewriter import Original, Rewritten, rewrite
from judicia_notebook.wasm.sections import read_module

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="memories are not ours; enable: Linux or macOS")
PAGE = 1 << 16


@contextmanager
def monitored(
    text: str, *others: Instrument, pages: int = 2, ceiling: int = 1 << 30
) -> Iterator[tuple[Sandbox, Rewritten, MemoryPool]]:
    """An instance with counters, whose guest may have so many pages; this thread is inside."""
    engine = get_engine()
    made = rewrite(Original.validated(assemble(text), engine.validate), [BlockCounters(), *others])
    info = read_module(made.wasm)
    module = engine.compile(info, hashlib.sha256(made.wasm).hexdigest())
    linkage = Linkage(engine, module, made.original.module, (), counters=made.memory_size)
    module.close()
    pool = MemoryPool(ceiling)
    sandbox, invocation = Sandbox(linkage, pool), Invocation(FixedBudget(Limits(memory_bytes=pages * PAGE)))
    try:
        sandbox.enter(invocation)
        sandbox.instantiate()
        yield sandbox, made, pool
    finally:
        sandbox.expel(invocation)
        invocation.release()
        sandbox.close()
        linkage.close()


def counts(sandbox: Sandbox, made: Rewritten) -> list[int]:
    memory = sandbox.counters
    assert memory is not None
    first = made.instruments[0]
    assert isinstance(first, BlockCounters)
    return list(first.read(copy_out(memory, 0, made.memory_bytes), len(made.blocks)))


_GROWS = """(module (memory (export "memory") 1)
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "size") (result i32) (memory.size))
  (func (export "trap") (drop (i32.load (i32.const -1)))))"""


def run(sandbox: Sandbox, name: str) -> int:
    export = sandbox.export(name)
    sandbox.run(export)
    return int(export.read()[0]) if sandbox.linkage.export_types[name].results else 0


def test_no_quota_of_the_guest_counts_it_and_the_runtime_does() -> None:
    pages = PageCounters()  # its tables take megabytes, and the guest may have two pages
    with monitored(_GROWS, pages) as (sandbox, made, pool):
        size = made.memory_size
        assert size > 20 * PAGE
        assert sandbox.account.used == PAGE
        assert pool.used == PAGE + size
        assert [run(sandbox, "grow") for _ in range(3)] == [1, -1, -1]
        assert sandbox.account.used == 2 * PAGE
        assert run(sandbox, "size") == 2
        assert sandbox.main_memory is not None
        assert sandbox.main_memory.size == 2 * PAGE
        assert counts(sandbox, made) == [3, 1, 0]
    assert pool.used == 0


def test_it_is_read_after_a_trap() -> None:
    with monitored(_GROWS) as (sandbox, made, _):
        with pytest.raises(GuestTrap):
            run(sandbox, "trap")
        assert counts(sandbox, made) == [0, 0, 1]


def test_the_guests_memories_stay_those_it_has() -> None:
    text = (
        '(module (memory 1) (memory (export "other") 1) (func (export "f") (i32.store 1 (i32.const 0) (i32.const 7))))'
    )
    with monitored(text) as (sandbox, made, _):
        run(sandbox, "f")
        shown = sandbox.shown_memory
        assert shown is not None
        assert copy_out(shown, 0, 4) == b"\7\0\0\0"
        assert counts(sandbox, made) == [1]
    with monitored('(module (func (export "f")))', pages=0) as (sandbox, made, _):  # a guest without a memory
        run(sandbox, "f")
        assert sandbox.shown_memory is None
        assert sandbox.account.used == 0
        assert counts(sandbox, made) == [1]


@pytest.mark.parametrize("references", ["", "(table 1 externref)"])
@pytest.mark.parametrize("first", ["0", "0 1", "1", "1 1", "2 2"])
@pytest.mark.parametrize("second", ["", "0", "1 1", "2 2"])
def test_it_is_told_from_every_other_memory(references: str, first: str, second: str) -> None:
    """A first memory that begins empty looks like the engine's own heap, which is there in a module with references."""
    text = f"""(module {references} (memory (export "memory") {first}) {f"(memory {second})" if second else ""}
      (func (export "f") (result i32) (drop (memory.grow (i32.const 1))) (memory.size)))"""
    with monitored(text, pages=100) as (sandbox, made, pool):
        assert sandbox.account.used == PAGE * sum(int(each.split()[0]) for each in (first, second or "0"))
        run(sandbox, "f")
        assert pool.used == sandbox.account.used + made.memory_size
        assert counts(sandbox, made) == [1]


def test_images_of_data_segments_go_into_the_same_memories_as_ever() -> None:
    segments = "".join(f'(data (i32.const {8 * n}) "{chr(65 + n)}")' for n in range(20))
    text = (
        f'(module (memory (export "memory") 1) {segments} (func (export "f") (result i32) (i32.load8_u (i32.const 8))))'
    )
    with monitored(text, IndirectCalls()) as (sandbox, made, _):
        assert run(sandbox, "f") == ord("B")
        assert counts(sandbox, made) == [1]


def test_the_runtime_may_have_no_room_for_it() -> None:
    with pytest.raises(QuotaExceeded, match="for all instances together"):  # noqa: SIM117
        with monitored(_GROWS, PageCounters(), ceiling=4 * PAGE):
            pass


def test_an_engine_says_what_is_not_valid_for_it() -> None:
    engine = get_engine()
    engine.validate(assemble("(module (func))"))
    wrong = assemble("(module (memory 1) (func (i64.store (i32.const 0) (i64.const 1))))").replace(
        b"\x37\3\0", b"\x37\x43\1"
    )
    for wasm in (b"\0asm\1\0\0\0\1", wrong, assemble("(module (func) (func (return_call 0)))")):
        with pytest.raises(CompileError):
            engine.validate(wasm)
    get_engine(FULL.with_features("tail_calls")).validate(assemble("(module (func) (func (return_call 0)))"))
