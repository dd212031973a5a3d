"""A rewritten module that comes back from a cache knows all that it knew."""

from __future__ import annotations

from pathlib import Path

from judicia_notebook.wasm.rewriting.blocks import Blocks
from judicia_notebook.wasm.rewriting.counters import BlockCounters, InclusiveCounters, PageCounters
from judicia_notebook.wasm.rewriting.packing import pack, unpack
from judicia_notebook.wasm.rewriting.rewriter import rewrite
from tests.wasm.rewriting.guests import all_instruments, original

SPECIMEN = Path(__file__).parents[3] / "judicia_notebook" / "plugins" / "specimen" / "specimen.wasm"


def test_all_that_is_known_comes_back() -> None:
    specimen = original(SPECIMEN.read_bytes())
    before, instruments = rewrite(specimen, all_instruments()), all_instruments()
    after = unpack(specimen, instruments, pack(before))
    assert after is not None
    assert after.wasm == before.wasm
    assert (after.memory_name, after.memory_index, after.memory_bytes) == (
        before.memory_name, before.memory_index, before.memory_bytes,
    )  # fmt: skip
    for name in Blocks.__slots__:
        assert getattr(after.blocks, name) == getattr(before.blocks, name)
    step = len(before.wasm) // 1000
    for offset in range(0, len(before.wasm), step):
        assert after.old_offset(offset) == before.old_offset(offset)
        assert after.locate(50, offset) == before.locate(50, offset)
    memory = bytes(range(256)) * (before.memory_bytes // 256 + 1)
    for was, each in zip(before.instruments, after.instruments, strict=True):
        assert type(was) is type(each)
        for name in was.sites.names:
            assert was.sites[name] == each.sites[name]
        more = {BlockCounters: (len(before.blocks),), InclusiveCounters: ({},)}.get(type(was), ())
        assert was.read(memory, *more) == each.read(memory, *more)  # type: ignore[attr-defined]


def test_another_module_other_instruments_and_other_bytes_are_not_taken() -> None:
    first, second = original("(module (func) (memory 1))"), original("(module (func nop) (memory 1))")
    packed = pack(rewrite(first, [BlockCounters(), PageCounters(most_pages=3)]))
    assert unpack(first, [BlockCounters(), PageCounters(most_pages=3)], packed) is not None
    for module, instruments in (
        (second, [BlockCounters(), PageCounters(most_pages=3)]),
        (first, [BlockCounters(), PageCounters(most_pages=4)]),
        (first, [BlockCounters(), InclusiveCounters()]),
        (first, [BlockCounters()]),
    ):
        assert unpack(module, instruments, packed) is None
    for damaged in (b"", packed[:-1], b"\xc0", packed + b"\0"):
        assert unpack(first, [BlockCounters(), PageCounters(most_pages=3)], damaged) is None
