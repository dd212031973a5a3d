"""Sections of a rewritten module: what stays, what goes, where what is new comes."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from judicia_notebook.errors import RewriteError
from judicia_notebook.wasm.encoding import custom_section, function_body, function_type, leb128, name, padded_leb128
from judicia_notebook.wasm.rewriting.counters import (
    BlockCounters,
    InclusiveCounters,
    LoopMaxima,
    PageCounters,
    TableCounters,
)
from judicia_notebook.wasm.rewriting.instrument import Instrument
from judicia_notebook.wasm.rewriting.rewriter import Rewritten, key, rewrite
from judicia_notebook.wasm.sections import read_module
from tests.wasm.rewriting.guests import Guest, all_instruments, original, validate

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(
    [*ROOT.glob("judicia_notebook/plugins/*/*.wasm"), *ROOT.glob("notebooks/**/*.wasm"), *ROOT.glob("tests/**/*.wasm")]
)


def rewritten(text: str | bytes, *others: Instrument) -> Rewritten:
    made = rewrite(original(text), [BlockCounters(), *others])
    validate(made.wasm)
    return made


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_without_instruments_every_shipped_module_comes_back_byte_for_byte(path: Path) -> None:
    wasm = path.read_bytes()
    made = rewrite(original(wasm), [])
    assert made.wasm == wasm
    assert made.memory_name == ""
    assert sum(made.blocks.end) - sum(made.blocks.start) > 1000
    validate(rewrite(original(wasm), all_instruments()).wasm)


def test_there_are_modules_that_are_shipped() -> None:
    assert len(SHIPPED) >= 10


@pytest.mark.parametrize(
    "text",
    [
        "(module)",
        '(module (memory (export "m") 1))',
        "(module (func))",
        '(module (import "a" "b" (func)) (export "f" (func 0)))',
        '(module (import "a" "b" (memory 1)) (func (drop (i32.load (i32.const 0)))))',
        "(module (tag) (func (throw 0)))",
        """(module (memory 1) (tag) (global i32 (i32.const 0)) (table 1 funcref) (func) (start 0) (data "x")
             (elem func 0))""",
        '(module (memory 1) (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0))) (data "x"))',
        "(module (memory i64 1) (memory 1) (func (drop (i32.load 0 (i64.const 0)))))",
        '(module (func (export "judicia.counters")) (memory (export "judicia.counters.1") 1))',
        "(module (rec (type $a (struct)) (type $b (func (result i32 i32)))) (func (type $b) i32.const 1 i32.const 2))",
    ],
)
def test_modules_with_few_sections_and_many_are_valid_with_every_instrument(text: str) -> None:
    module = original(text).module
    made = rewrite(original(text), all_instruments())
    validate(made.wasm)
    new = read_module(made.wasm)
    assert new.exports[:-1] == module.exports
    assert new.imports == module.imports
    assert list(new.functions)[: len(module.functions)] == list(module.functions)
    assert (new.tables, new.memories[:-1], new.tags) == (module.tables, module.memories, module.tags)
    assert new.exports[-1].name == made.memory_name
    assert (
        (new.exports[-1].kind, new.exports[-1].index)
        == ("memory", len(module.memories))
        == ("memory", made.memory_index)
    )
    memory = new.memories[-1]
    assert memory.minimum_pages == memory.maximum_pages == made.memory_size >> 16
    assert made.memory_size >= made.memory_bytes
    assert all((each.minimum_pages, each.maximum_pages) != (memory.minimum_pages,) * 2 for each in module.memories)
    assert not memory.is64


def test_the_export_has_a_name_that_the_guest_has_not_taken() -> None:
    text = '(module (func (export "judicia.counters")) (global (export "judicia.counters.1") i32 (i32.const 0)))'
    assert rewritten(text).memory_name == "judicia.counters.2"
    assert rewritten("(module (func))").memory_name == "judicia.counters"


def test_the_memory_comes_before_the_tags_and_behind_the_tables() -> None:
    made = rewritten("(module (table 1 funcref) (tag) (global i32 (i32.const 0)) (func))")
    assert [each.name for each in read_module(made.wasm).sections if each.id] == [
        "type", "function", "table", "memory", "tag", "global", "export", "code",
    ]  # fmt: skip


def test_custom_sections_stay_but_for_those_that_tell_of_offsets() -> None:
    kept = ["name", "producers", "judicia", "target_features", "build_id", ".debugging", "metadata.codes"]
    stale = [".debug_line", ".debug_info", "metadata.code.branch_hint", "sourceMappingURL", "external_debug_info",
             "reloc.CODE"]  # fmt: skip
    wasm = bytes(wasmtime.wat2wasm('(module (func (export "f")))'))
    first = custom_section(kept[1], b"\0")
    wasm = wasm[:8] + first + wasm[8:] + b"".join(custom_section(each, b"\0") for each in [*stale, *kept[2:]])
    made = rewritten(wasm)
    assert [each.name for each in read_module(made.wasm).custom_sections] == kept[1:]
    assert made.wasm[8 : 8 + len(first)] == first
    assert rewrite(original(wasm), []).wasm == wasm


def test_names_stay_those_of_the_same_functions() -> None:
    text = '(module (import "a" "b" (func $imported)) (func $mine (call $imported)) (func $other (call $mine)))'
    names = read_module(rewritten(text, *all_instruments()[1:]).wasm).names
    assert dict(names) == {0: "imported", 1: "mine", 2: "other"}


def test_padded_numbers_stay_padded() -> None:
    """Linkers pad numbers to five bytes, those in front of sections and bodies among them."""
    code = b"\x41" + padded_leb128(7, 5) + b"\x0b"
    body = padded_leb128(2 + len(code), 5) + padded_leb128(0, 2) + code
    wasm = (
        b"\0asm\1\0\0\0\1" + padded_leb128(1 + 4 + 3, 5) + padded_leb128(1, 4) + function_type([], ["i32"])
        + b"\3" + padded_leb128(6, 5) + padded_leb128(1, 5) + b"\0"
        + b"\x07" + padded_leb128(5, 2) + b"\1" + name("f") + b"\0\0"
        + b"\x0a" + padded_leb128(5 + len(body), 5) + padded_leb128(1, 5) + body
    )  # fmt: skip
    assert rewrite(original(wasm), []).wasm == wasm
    guest = Guest(wasm, [InclusiveCounters()])
    assert guest.call("f") == 7
    assert code[:-1] in guest.rewritten.wasm
    assert guest.ran() == {"i32.const": 1, "end": 1}


def test_locals_keep_their_declarations_and_new_ones_come_behind_them() -> None:
    """A declaration of no locals is one, too; counting it as a local would shift those that are added."""
    declared = [b"\0\x7e", b"\2\x7f", padded_leb128(0, 3) + b"\x7d", b"\1\x7e"]
    code = bytes.fromhex("4107 2101 4203 2102") + bytes.fromhex("2100") * 0
    text = (
        b"\0asm\1\0\0\0" + bytes([1, 5]) + b"\1" + function_type([], ["i64"])
        + bytes([3, 2, 1, 0]) + bytes([5, 3, 1, 0, 1]) + b"\x07\5\1" + name("f") + b"\0\0"
    )  # fmt: skip
    code += bytes.fromhex("2001 2802 00 1a  2002")  # i32.load: an address that is kept in a local of ours
    body = function_body(declared, code)
    wasm = text + b"\x0a" + leb128(1 + len(body)) + b"\1" + body
    guest = Guest(wasm, [PageCounters(), LoopMaxima()])
    assert guest.call("f") == 3
    assert b"".join(declared) in guest.rewritten.wasm


def test_a_module_with_as_many_memories_as_there_can_be_has_no_room() -> None:
    wasm = b"\0asm\1\0\0\0" + b"\x05" + leb128(1 + 2 * 100) + b"\x64" + b"\0\0" * 100
    with pytest.raises(RewriteError, match="100 memories"):
        rewrite(original(wasm), [BlockCounters()])
    assert rewrite(original(wasm), []).wasm == wasm


def test_the_key_tells_modules_instruments_and_their_options_apart() -> None:
    first, second = original("(module (func))"), original("(module (func nop))")
    keys = [
        key(first, [BlockCounters()]), key(second, [BlockCounters()]), key(first, [BlockCounters(), TableCounters()]),
        key(first, [BlockCounters(), PageCounters()]), key(first, [BlockCounters(), PageCounters(most_pages=3)]),
        key(first, [BlockCounters()], calls_end_blocks=True),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key(original("(module (func))"), [BlockCounters()]) == keys[0]
    assert rewritten("(module (func))").wasm == rewritten("(module (func))").wasm
