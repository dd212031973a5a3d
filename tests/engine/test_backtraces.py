"""Backtraces of modules whose debug information lies: the trap stays the trap, and a note says what is wrong."""

from __future__ import annotations

import struct

import pytest
import wasmtime

import judicia_notebook as jn
from judicia_notebook.engine.backtraces import MOST_FRAMES
from judicia_notebook.units import format_count
from judicia_notebook.wasm import kept_maps
from judicia_notebook.wasm.dwarf.sections import DwarfLimits
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.source_map import SourceMap, read_source_map
from tests.support.dwarf import ABBREVIATIONS, END, GOOD, at, leb128, table, unit

CODE = bytes(
    wasmtime.wat2wasm('(module (func $low (export "low") nop unreachable) (func (export "f") (call $low) nop))')
)
TRAP = 2  # the body of the first function in the code section; its `unreachable` is two bytes further


def module(code: bytes = CODE, **sections: bytes) -> bytes:
    for name, data in sections.items():
        label = f".debug_{name}".encode()
        content = leb128(len(label)) + label + data
        code += b"\0" + leb128(len(content)) + content
    return code


def trap_of(rt: jn.Runtime, wasm: bytes, function: str = "low") -> jn.GuestTrap:
    with pytest.raises(jn.GuestTrap) as caught:
        rt.load(wasm, name="guest", abi="raw").raw(function)()
    return caught.value


def test_a_table_of_lines_alone_names_the_line(rt: jn.Runtime) -> None:
    lines = at(TRAP) + b"\x03\x06\x01" + b"\x02\x05" + END
    error = trap_of(rt, module(line=table(lines)), "f")
    assert [(frame.function, frame.file, frame.line) for frame in error.frames] == [("low", "a.c", 7), ("f", "", None)]
    assert "`unreachable` in low (a.c:7) <- f" in str(error)


def test_a_stop_at_the_head_of_a_loop_has_the_line_of_its_code_and_a_trap_is_taken_at_its_word(rt: jn.Runtime) -> None:
    code = bytes(wasmtime.wat2wasm('(module (func (export "low") (loop nop (br 0))) (func (export "f") unreachable))'))
    lines = at(TRAP + 3) + b"\x03\x06\x01" + b"\x02\x04" + END  # from the loop's `nop` on
    lines += at(TRAP + 11) + b"\x01\x02\x01" + END  # and of the `end` behind the other's `unreachable`
    plugin = rt.load(module(code, line=table(lines)), name="guest", abi="raw")
    stopped, trapped = (plugin.attempt(name, numbers=(), quota={"fuel": 500}).error for name in ("low", "f"))
    assert isinstance(stopped, jn.QuotaExceeded)
    assert isinstance(trapped, jn.GuestTrap)
    assert [(frame.function, frame.line) for frame in stopped.frames] == [("low", 7)]
    assert "of 500 fuel and was stopped in low (a.c:7)." in str(stopped)
    assert [(frame.function, frame.line) for frame in trapped.frames] == [("f", None)]


LIES = {
    "a cut table": {"line": table(GOOD)[:-9]},
    "an unknown version": {"line": table(GOOD, version=9)},
    "entries of no kind": {"info": unit(b"\x09"), "abbrev": ABBREVIATIONS},
    "a text on two lines of a terminal": {"line": b"\xff\xff\xff\xff\x1b[31m"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_leaves_the_trap_and_is_a_note(rt: jn.Runtime, lie: str) -> None:
    error = trap_of(rt, module(**LIES[lie]), "f")
    assert (error.trap, error.backtrace) == ("unreachable", ("low", "f"))
    assert [(frame.function, frame.line) for frame in error.frames] == [("low", None), ("f", None)]
    assert "section '.debug_" in error.frames_note
    assert f"in low <- f; its lines cannot be read: {error.frames_note}" in str(error)
    assert error.record is not None
    assert error.record.outcome == "trap"


def test_what_the_reader_did_not_expect_is_a_note_too(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(kept_maps, "read_source_map", fails)
    kept_maps._kept.clear()
    error = trap_of(rt, module(line=table(GOOD)))
    assert (error.trap, error.frames_note) == ("unreachable", "ZeroDivisionError")


def test_a_lie_is_read_once_and_one_beyond_the_limits_is_not_read_on(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[DwarfLimits] = []

    def counted(module: ModuleInfo, limits: DwarfLimits) -> SourceMap:
        read.append(limits)
        return read_source_map(module, limits)

    monkeypatch.setattr(kept_maps, "read_source_map", counted)
    kept_maps._kept.clear()
    rows = table(at(TRAP) + b"\x01" * (kept_maps.BRIEF.rows + 1) + END)
    plugin = rt.load(module(line=rows), name="guest", abi="raw")
    for _ in range(3):
        assert f"more than {format_count(kept_maps.BRIEF.rows)} rows of lines" in str(
            plugin.attempt("low", numbers=()).error
        )
    assert read == [kept_maps.BRIEF]


def test_a_flood_of_inlined_functions_is_cut(rt: jn.Runtime) -> None:
    size = len(CODE)
    inner = (b"\x03" + struct.pack("<II", TRAP, size)) * 5000 + b"\0" * 5000
    info = unit(b"\x04" + struct.pack("<II", TRAP, size) + inner + b"\0")
    recursive = bytes(wasmtime.wat2wasm('(module (func $low (export "low") (call $low)))'))
    for code, most in ((CODE, 65), (recursive, MOST_FRAMES)):
        error = trap_of(rt, module(code, line=table(at(TRAP) + b"\x01\x02\x03" + END), info=info, abbrev=ABBREVIATIONS))
        assert len(error.frames) == most
        assert len(str(error)) < 800
        assert "low" in str(error.backtrace)


@pytest.mark.parametrize(
    ("name", "shown"), [("a", "a"), ("3foo", "3foo"), ("x", "x"), ("_ZN1a1b17h0123456789abcdefE", "a::b")]
)
def test_a_name_is_what_its_author_wrote(rt: jn.Runtime, name: str, shown: str) -> None:
    text = f'(module (func ${name} unreachable) (func (export "f") (call ${name})))'
    error = trap_of(rt, bytes(wasmtime.wat2wasm(text)), "f")
    assert error.backtrace[0] == error.frames[0].function == shown


def test_maps_that_were_not_asked_for_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_maps, "_MOST_PLACES", 3)
    kept_maps._kept.clear()
    read = read_module(module(line=table(at(TRAP) + b"\x01\x02\x01\x01\x02\x01\x01\x02\x01" + END)))
    first = kept_maps.kept_source_map(read, "first")
    assert kept_maps.kept_source_map(read, "first") is first
    assert 2 <= len(first.places) <= 3
    kept_maps.kept_source_map(read, "second")
    assert [digest for digest, _ in kept_maps._kept] == ["second"]
