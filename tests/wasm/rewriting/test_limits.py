"""Sizes: what is large is rewritten in another way or refused by name, and nothing takes more than its share."""

from __future__ import annotations

import pytest

from judicia_notebook.errors import RewriteError
from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.compile_cost import function_bodies
from judicia_notebook.wasm.encoding import custom_section, function_type, leb128, name, section, sized
from judicia_notebook.wasm.rewriting import rewriter
from judicia_notebook.wasm.rewriting.counters import (
    BlockCounters,
    LoopMaxima,
    PageCounters,
    TableCounters,
)
from judicia_notebook.wasm.rewriting.rewriter import rewrite
from tests.wasm.rewriting.guests import Guest, original

_IF = bytes.fromhex("20 00 04 40 0b")  # local.get 0, if, end
_TRAP = bytes.fromhex("20 00 04 40 00 0b")  # local.get 0, if, unreachable, end


def module_of(code: bytes, locals_: bytes = b"\0") -> bytes:
    """A function `f` of an i32, and one `g` of the same type behind it that has two blocks."""
    small = sized(b"\0" + _IF + b"\x0b")
    return b"".join(
        (
            b"\0asm\1\0\0\0",
            section(1, [function_type(["i32"], [])]),
            section(3, [b"\0", b"\0"]),
            section(5, [b"\0\1"]),
            section(7, [name("f") + b"\0\0", name("g") + b"\0\1"]),
            section(10, [sized(locals_ + code + b"\x0b"), small]),
        )
    )


def filling(size: int) -> bytes:
    """Code of about that many bytes that the compiler is quick with: a constant of 16 bytes that is dropped."""
    return (b"\xfd\x0c" + bytes(16) + b"\x1a") * (size // 19)


def test_in_a_function_that_becomes_long_a_counter_is_a_call() -> None:
    pages, tables = PageCounters(), TableCounters()
    guest = Guest(module_of(filling(rewriter.LONG_BODY - 5000) + _IF * 200 + _TRAP), [tables, pages])
    bump = b"\x10" + leb128(len(guest.module.functions) + 2)  # call, behind two functions for pages
    assert guest.rewritten.wasm.count(bump) >= 401
    for x in (1, 0, 0):
        places = guest.trap("f", x) if x else [guest.call("f", x)]
    guest.call("g", 1)
    counts = guest.counts
    assert [counts[number] for number in guest.rewritten.blocks.of(0)] == [3, 1] * 201 + [0, 2]
    assert [counts[number] for number in guest.rewritten.blocks.of(1)] == [1, 1, 1]
    addresses = guest.blocks_counted.sites["address"]
    assert len(set(addresses)) == len(addresses) == sum(guest.rewritten.blocks.reachable)
    assert places == [None]


def test_a_long_function_maps_back_as_any_other() -> None:
    guest = Guest(module_of(filling(rewriter.LONG_BODY) + _IF * 10 + _TRAP))
    [place] = guest.trap("f", 1)
    assert place is not None
    assert guest.module.data[place.offset] == 0x00
    assert (place.counted, place.instructions) == (True, 1)


def test_what_does_not_fit_then_is_refused_by_name() -> None:
    wasm = module_of(filling(rewriter.MOST_BODY - 5000) + _IF * 500)
    with pytest.raises(RewriteError, match=r"function 0 has 7.3 MiB, and more than the 7.654.321 bytes") as raised:
        rewrite(original(wasm), [BlockCounters()])
    assert raised.value.function == 0
    assert rewrite(original(wasm), []).wasm == wasm


def test_a_million_blocks_that_nest_are_read() -> None:
    nested = b"\x02\x40" * 1_000_000 + b"\x0b" * 1_000_000
    made = rewrite(original(module_of(nested)), [BlockCounters()])
    assert len(made.blocks) == 1 + 3  # nothing branches
    looped = rewrite(original(module_of(b"\x03\x40" * 20_000 + b"\x0b" * 20_000)), [BlockCounters()])
    assert len(looped.blocks) == 20_001 + 3


def test_loops_that_nest_deeper_than_there_can_be_locals_are_refused_by_name() -> None:
    said = r"function 0 has 1 locals, .* beside the 49.999 of its counters: the engine takes 50.000"
    with pytest.raises(RewriteError, match=said) as raised:
        rewrite(original(module_of(b"\x03\x40" * 50_000 + b"\x0b" * 50_000)), [LoopMaxima()])
    assert raised.value.function == 0


def test_more_loops_than_there_can_be_locals_are_rewritten_where_they_do_not_nest_as_deep() -> None:
    loops = LoopMaxima()
    made = rewrite(original(module_of((b"\x03\x40\x03\x40\x0b\x0b") * 30_000)), [loops])
    assert len(loops.sites) == 60_000
    assert original(made.wasm).module.functions == made.original.module.functions  # the engine takes it
    body = next(iter(function_bodies(original(made.wasm).module, DEFAULT)))
    assert body.locals == 2


@pytest.mark.parametrize(("locals_", "fits"), [(49_998, True), (49_999, False)])
def test_a_function_with_as_many_locals_as_there_can_be(locals_: int, fits: bool) -> None:
    load = bytes.fromhex("41 00 28 02 00 1a")
    wasm = module_of(load, b"\1" + leb128(locals_) + b"\x7f")
    rewrite(original(wasm), [BlockCounters()])  # these need none
    if fits:
        assert Guest(wasm, [PageCounters()]).call("f", 1) is None
    else:
        with pytest.raises(RewriteError, match=r"function 0 has 50.000 locals, and there is no room for more"):
            rewrite(original(wasm), [BlockCounters(), PageCounters()])


def test_counters_take_no_more_memory_than_they_may() -> None:
    with pytest.raises(RewriteError, match="The counters take more than the"):
        rewrite(original(module_of(_IF * 100)), [BlockCounters()], most_counter_bytes=1000)
    with pytest.raises(RewriteError, match="The counters take more than the"):
        rewrite(original(module_of(b"")), [PageCounters(most_pages=1 << 30)])


def test_a_branch_table_with_many_targets_takes_eight_bytes_each() -> None:
    tables = TableCounters()
    code = b"\x02\x40\x20\x00\x0e" + leb128(60_000) + bytes(60_001) + b"\x0b"
    guest = Guest(module_of(code), [tables])
    guest.call("f", 59_999)
    guest.call("f", 60_000)
    guest.call("f", -1)
    [counts] = tables.read(guest.memory)
    assert len(counts) == 60_001
    assert (counts[59_999], counts[60_000], sum(counts)) == (1, 2, 3)
    assert guest.rewritten.memory_bytes < 8 * 60_001 + 1000


def test_a_name_of_a_megabyte_stays_as_it_is() -> None:
    names = b"\1" + sized(b"\1\0" + name("x" * 1_000_000))
    wasm = module_of(b"") + custom_section("name", names)
    made = rewrite(original(wasm), [BlockCounters()])
    assert made.wasm.endswith(custom_section("name", names))


def test_progress_is_told_and_may_end_it() -> None:
    functions = 400
    body = sized(b"\0" + _IF * 200 + b"\x0b")
    wasm = (
        b"\0asm\1\0\0\0"
        + section(1, [function_type(["i32"], [])])
        + section(3, [b"\0"] * functions)
        + section(10, [body] * functions)
    )
    told: list[tuple[int, int]] = []
    rewrite(original(wasm), [BlockCounters()], progress=lambda done, all_: told.append((done, all_)))
    assert 4 <= len(told) <= 8
    assert told == sorted(told)
    assert told[-1][0] <= told[-1][1] == len(wasm) - wasm.index(b"\x0a") - 4

    def stop(done: int, _: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(original(wasm), [BlockCounters()], progress=stop)
