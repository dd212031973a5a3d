"""What a module is, read from its bytes: what is found, what is refused, and in which words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import wasmtime

from judicia_notebook.errors import CompileLimit, InvalidModule, LoadError
from judicia_notebook.wasm.binary_format import SectionLimits
from judicia_notebook.wasm.info import Export, FuncType, GlobalType, Import, MemoryType, ModuleInfo, TableType
from judicia_notebook.wasm.sections import identify, read_module

HEADER = b"\0asm\x01\0\0\0"

HERE = Path(__file__).parent
PLUGIN = bytes(wasmtime.wat2wasm((HERE / "plugin.wat").read_text()))
NEWER = bytes(wasmtime.wat2wasm((HERE / "newer_features.wat").read_text()))


@pytest.fixture(scope="module")
def engine() -> Iterator[wasmtime.Engine]:
    with wasmtime.Engine() as engine:
        yield engine


def section(number: int, *content: bytes) -> bytes:
    body = b"".join(content)
    return bytes([number]) + leb(len(body)) + body


def leb(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def refused(data: bytes, **limits: int) -> str:
    with pytest.raises(LoadError) as caught:
        read_module(data, SectionLimits(**limits))
    message = caught.value.message
    assert "\n" not in message
    assert type(caught.value) is (CompileLimit if limits else InvalidModule)
    return message


# --- what it reads ---------------------------------------------------------------------------------------------------

SHAPE = FuncType(("i32", "i32"), ("i64",))


@pytest.fixture(scope="module")
def plugin() -> ModuleInfo:
    return read_module(PLUGIN)


def test_imports_are_read_with_their_types(plugin: ModuleInfo) -> None:
    assert plugin.imports == (
        Import("judicia:log", "write", "func", SHAPE),
        Import("judicia:clock", "now", "func", SHAPE),
        Import("judicia:log", "again", "func", SHAPE),
        Import("env", "table", "table", TableType("funcref", 1, 5)),
        Import("env", "counter", "global", GlobalType("i64", mutable=True)),
    )
    assert plugin.imported_modules == ("judicia:log", "judicia:clock", "env")


def test_exports_are_read_and_functions_have_their_types(plugin: ModuleInfo) -> None:
    assert plugin.exports == (
        Export("memory", "memory", 0),
        Export("check", "func", 3, SHAPE),
        Export("many", "func", 5, FuncType(("i32", "i64", "f32", "f64"), ("i32", "i32"))),
        Export("again", "func", 3, SHAPE),
        Export("table", "table", 0),
        Export("counter", "global", 0),
    )
    assert plugin.export("again") == Export("again", "func", 3, SHAPE)
    assert plugin.export("absent") is None
    assert str(plugin.function_type(5)) == "(i32, i64, f32, f64) -> (i32, i32)"
    assert str(plugin.function_type(4)) == "() -> ()"


def test_index_spaces_count_what_is_imported_first(plugin: ModuleInfo) -> None:
    assert plugin.function_count == 7
    assert plugin.memories == (MemoryType(1, 17),)
    assert plugin.tables == (TableType("funcref", 1, 5),)
    assert plugin.global_count == 2
    assert plugin.start == 4
    assert (plugin.data_segments, plugin.element_segments) == (2, 1)
    for missing in (7, -1):
        with pytest.raises(IndexError):
            plugin.function_type(missing)


def test_function_names_come_from_the_name_section(plugin: ModuleInfo) -> None:
    assert plugin.names == {0: "log", 3: "check", 4: "begin"}


def test_custom_sections_are_found_by_name(plugin: ModuleInfo) -> None:
    assert [bytes(content) for content in plugin.custom("notes")] == [b"one", b"two"]
    assert plugin.custom("judicia.manifest") == [b"{}"]
    assert plugin.custom("absent") == []
    for custom in plugin.custom_sections:
        assert plugin.data[custom.offset : custom.offset + custom.size] == bytes(plugin.custom(custom.name)[0]) or (
            custom.name == "notes"
        )


def test_sections_tile_the_file(plugin: ModuleInfo) -> None:
    ends = [each.offset for each in plugin.sections[1:]] + [len(plugin.data)]
    assert plugin.sections[0].offset == len(HEADER)
    for each, end in zip(plugin.sections, ends, strict=True):
        assert plugin.data[each.offset] == each.id
        assert each.offset + 1 + len(leb(each.size)) + each.size == end


def test_newer_types_are_read_or_stepped_over() -> None:
    info = read_module(NEWER)
    assert info.types[:3] == (None, None, None)
    assert info.types[3] == FuncType(("externref", "(ref null 0)", "(ref 1)", "v128"), ("anyref",))
    assert info.tags == (FuncType(("i32", "i64")), FuncType(("f32",)))
    assert info.memories == (MemoryType(1, 9, is64=True), MemoryType(0), MemoryType(2, is64=True))
    assert info.tables == (
        TableType("(ref null 0)", 3, 9),
        TableType("(ref i31)", 2),
        TableType("(ref null 1)", 1, 1),
        TableType("funcref", 1, is64=True),
    )
    assert info.export("mine") == Export("mine", "tag", 1)
    null = info.export("null")
    assert null is not None
    assert str(null.type) == ("(nullref, nullfuncref, nullexternref, exnref, eqref, structref, arrayref, i31ref) -> ()")


def test_a_module_with_nothing_in_it_is_a_module() -> None:
    info = read_module(HEADER)
    assert (info.sections, info.exports, info.start, info.function_count) == ((), (), None, 0)


def test_padded_numbers_are_read_as_linkers_write_them() -> None:
    assert read_module(HEADER + b"\x05\x87\x80\x80\x80\x00" + b"\x81\x80\x80\x80\x00\x00\x02").memories == (
        MemoryType(2),
    )


def test_a_module_of_ten_megabytes_is_read_in_passing() -> None:
    bodies, size = 20_000, 500
    body = leb(size) + b"\0" + b"\x01" * (size - 2) + b"\x0b"
    data = HEADER + section(1, b"\x01\x60\0\0") + section(3, leb(bodies), bytes(bodies))
    data += section(10, leb(bodies), body * bodies)
    assert len(data) > 10_000_000
    began = time.perf_counter()
    assert read_module(data).function_count == bodies
    assert time.perf_counter() - began < 5


# --- files that are something else -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\0as", "the file ends after 3 bytes, and a module begins with 8: 00 61 73 6d 01 00 00 00"),
        (b"\0asm\x01\0\0", "the file ends after 7 bytes"),
        (b"\x7fELF\x02\x01\x01", "this is an ELF file, not WebAssembly"),
        (b"\xcf\xfa\xed\xfe\x07", "this is a Mach-O file, not WebAssembly"),
        (b"MZ\x90\0", "this is a Windows program, not WebAssembly"),
        (b"PK\x03\x04\x14", "this is a zip archive (a wheel is one, too), not WebAssembly"),
        (b"\x1f\x8b\x08", "this is a gzip archive, not WebAssembly"),
        (b"\n <!DOCTYPE html><html>", "this is an HTML page, not WebAssembly"),
        (b'{"name": "x"}', "this is JSON, not WebAssembly"),
        (b"version https://git-lfs.github.com/spec/v1\n", "this is a Git LFS pointer to a file that was not fetched"),
        (b"\xef\xbb\xbf;; a comment\n(module)", "this is WebAssembly text (WAT), and a binary module is needed here"),
        (b"hello", "this is some other text, not WebAssembly"),
        (b"a" * 511 + "é".encode(), "this is some other text, not WebAssembly"),
        (bytes(range(150, 250)), "this is a file that begins with the bytes 96 97 98 99"),
        (
            b"\x9c\x01\xfe\x00",
            "this is a file that begins with the bytes 9c 01 fe 00 (a module begins with 00 61 73 6d)",
        ),
        (b"\0asm\x0d\0\x01\0", "this is a component; this runtime loads core modules"),
        (b"\0asm\x02\0\0\0", "this is version 2 of the binary format; version 1 is known"),
    ],
)
def test_a_file_that_is_no_module_is_named_for_what_it_is(data: bytes, sentence: str) -> None:
    assert sentence in refused(data)


@pytest.mark.parametrize("wat", ["(module)", "( module $x)", "(;c;)(func)", '(import "a" "b" (func))'])
def test_text_format_is_recognized(wat: str) -> None:
    assert identify(wat.encode()) == "wat"


# --- modules that are wrong ------------------------------------------------------------------------------------------

TYPE = section(1, b"\x01\x60\0\0")
FUNCTION = section(3, b"\x01\0")
CODE = section(10, b"\x01\x02\0\x0b")
MEMORY = section(5, b"\x01\0\x01")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (TYPE + b"\x0a\xa0\x1f" + bytes(80), "section 'code' at byte 14 says 4000 bytes, the file ends after 80"),
        (b"\x01", "the file ends at byte 9, within the size of section 'type'"),
        (b"\x01\x80", "the file ends at byte 10, within the size of section 'type'"),
        (b"\x0e\0", "there is no section with the id 14 (byte 8)"),
        (TYPE + TYPE, "section 'type' at byte 14 stands there already, at byte 8"),
        (
            TYPE + section(0, b"\x01x") + TYPE,
            "section 'type' at byte 18 stands there already, at byte 8",
        ),
        (MEMORY + TYPE, "section 'type' at byte 13 comes after section 'memory', and belongs before it"),
        (
            section(1, b"\x01\x60\0\0\xff"),
            "section 'type' at byte 8: 1 bytes are left over after its last entry (byte 14)",
        ),
        (section(1, b"\x05"), "section 'type' at byte 8: it says 5 types, and has 0 bytes left (byte 10)"),
        (section(1, b"\xff\xff\xff\xff\xff\x01"), "the number of types is not a 32-bit number (byte 10)"),
        (section(1, b"\x80\x80\x80\x80\x80\x00"), "the number of types is not a 32-bit number (byte 10)"),
        (section(1, b"\xff\xff\xff\xff\x1f"), "the number of types is not a 32-bit number (byte 10)"),
        (section(1, b"\x01\x61"), "0x61 is not a kind of type (byte 11)"),
        (section(1, b"\x01\x60\x01\x40\x00"), "a parameter is the unknown type 0x40 (byte 13)"),
        (section(1, b"\x01\x60\x01"), "it says 1 parameters, and has 0 bytes left"),
        (section(1, b"\x01\x60\x01\x63"), "section 'type' at byte 8 ends at byte 14, within a parameter"),
        (section(1, b"\x01\x60\x01\x63\xff\x7f\0"), "a parameter is an unknown reference type (byte 14)"),
        (section(1, b"\x01\x5e\x7f\x02"), "the mutability of a field is 2, not 0 or 1 (byte 13)"),
        (section(2, b"\x01\x01\xff\x01x\0\0"), "the module name of import 0 is not UTF-8 (byte 12)"),
        (section(2, b"\x01\x03\xed\xa0\x80\x01x\0\0"), "the module name of import 0 is not UTF-8 (byte 12)"),
        (section(2, b"\x01\x09ab"), "section 'import' at byte 8 ends at byte 14, within the module name of import 0"),
        (section(2, b"\x01\x01a\x01b\x07\0"), "import a.b is of the unknown kind 7 (byte 15)"),
        (section(2, b"\x01\x01a\x01b\0\x03"), "import a.b has type 3, and there are 0 (byte 16)"),
        (section(2, b"\x01\x01a\x01b\x03\x7f\x05"), "the mutability of import a.b is 5, not 0 or 1 (byte 17)"),
        (section(1, b"\x01\x5f\0") + section(3, b"\x01\0"), "a function has type 0, which is no function type"),
        (section(4, b"\x01\x7f\0\0"), "the element type of table 0 is i32, which is no reference (byte 11)"),
        (section(4, b"\x01\x40\0\x70\0\1\x10\0"), "0x10 is not an instruction of a constant expression (byte 16)"),
        (section(4, b"\x01\x40\0\x70\0\1\xd0\x70"), "section 'table' at byte 8 ends at byte 18, within an initializer"),
        (section(5, b"\x01\x08\x01"), "memory 0 has the unknown flags 0x08 (byte 11)"),
        (section(5, b"\x01\x01\x05\x02"), "the minimum of memory 0 is 5, above its maximum of 2 (byte 11)"),
        (section(5, b"\x01\0\x81\x80\x04"), "memory 0 asks for more than 65536 pages (byte 11)"),
        (section(13, b"\x01\x01\0"), "tag 0 has an unknown attribute (byte 11)"),
        (MEMORY + section(7, b"\x02\x01m\x02\0\x01m\x02\0"), "export m stands there twice (byte 20)"),
        (MEMORY + section(7, b"\x01\x01m\x02\x01"), "export m names memory 1, and there are 1 (byte 19)"),
        (section(8, b"\0"), "the start function names func 0, and there are 0 (byte 10)"),
        (TYPE + FUNCTION, "section 'function' declares 1 functions, and section 'code' has 0"),
        (CODE, "section 'function' declares 0 functions, and section 'code' has 1"),
        (section(12, b"\x02"), "section 'data count' says 2 segments, and section 'data' has 0"),
        (section(0), "section 'custom' at byte 8 ends at byte 10, within the length of its name"),
        (section(0, b"\x05a"), "section 'custom' at byte 8 ends at byte 12, within its name"),
        (section(0, b"\x01\xff"), "section 'custom' at byte 8: its name is not UTF-8 (byte 11)"),
    ],
)
def test_a_malformed_module_is_refused_with_what_and_where(engine: wasmtime.Engine, data: bytes, sentence: str) -> None:
    assert sentence in refused(HEADER + data)
    with pytest.raises(wasmtime.WasmtimeError):
        wasmtime.Module.validate(engine, HEADER + data)


def test_every_truncation_of_a_module_is_refused_or_a_module() -> None:
    for data in (PLUGIN, NEWER):
        whole = {each.offset for each in read_module(data).sections} | {len(data)}
        for size in range(len(data)):
            try:
                read_module(data[:size])
            except InvalidModule:
                continue
            assert size in whole


def test_names_from_the_file_cannot_redraw_the_line_they_are_shown_on() -> None:
    name = "\x1b[2K\n\u202egood".encode()
    message = refused(HEADER + section(2, b"\x01\x01a", leb(len(name)), name, b"\x09"))
    assert message.isprintable()


# --- modules that are too much ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "limits", "sentence"),
    [
        (b"", {"file_bytes": 4}, "the file has 8 B, and a module may have 4 B"),
        (section(1, b"\x02\x60\0\0\x60\0\0"), {"types": 1}, "section 'type' at byte 8 has 2 types, and 1 are allowed"),
        (section(1, b"\x01\x4e\x02\x60\0\0\x60\0\0"), {"types": 1}, "has 2 types, and 1 are allowed"),
        (section(1, b"\x01\x60\x02\x7f\x7f\0"), {"type_parts": 1}, "has 2 parameters, and 1 are allowed"),
        (
            section(1, b"\x01\x60\x01\x7f\x01\x7f"),
            {"type_parts": 1},
            "the types have more than 1 parameters, results and",
        ),
        (TYPE + section(3, b"\x02\0\0"), {"functions": 1}, "has 2 functions, and 1 are allowed"),
        (section(2, b"\x02" + b"\x01a\x01b\0\0" * 2), {"imports": 1}, "has 2 imports, and 1 are allowed"),
        (
            section(2, b"\x01\x03abc\x01b\0\0"),
            {"name_bytes": 2},
            "the module name of import 0 has 3 B, and 2 B are allowed",
        ),
        (MEMORY + section(7, b"\x01\x01m\x02\0"), {"exports": 0}, "has 1 exports, and 0 are allowed"),
        (MEMORY, {"memories": 0}, "has 1 memories, and 0 are allowed"),
        (section(4, b"\x01\x70\0\0"), {"tables": 0}, "has 1 tables, and 0 are allowed"),
        (
            section(4, b"\x01\x40\0\x70\0\1" + b"\x41\0" * 3 + b"\x0b"),
            {"initializer_instructions": 2},
            "the initializers are too long",
        ),
        (TYPE + section(13, b"\x01\0\0"), {"tags": 0}, "has 1 tags, and 0 are allowed"),
        (section(6, b"\x01\x7f\0\x41\0\x0b"), {"globals": 0}, "has 1 globals, and 0 are allowed"),
        (section(11, b"\x01\x01\x00"), {"segments": 0}, "has 1 data segments, and 0 are allowed"),
        (section(9, b"\x01\x01\x00\x00"), {"segments": 0}, "has 1 element segments, and 0 are allowed"),
        (
            section(0, b"\x01a") * 2,
            {"custom_sections": 1},
            "the file has more than the 1 custom sections that are allowed",
        ),
    ],
)
def test_a_module_over_a_limit_is_refused_with_both_numbers(data: bytes, limits: dict[str, int], sentence: str) -> None:
    assert sentence in refused(HEADER + data, **limits)


@pytest.mark.parametrize(
    "content",
    [
        section(1, leb(100_000), b"\x60\xff\xff\xff\xff\x0f" * 1000),
        section(3, leb(0xFFFFFFFF)),
        section(10, leb(0xFFFFFFFF)),
        section(2, b"\x01", leb(0xFFFFFFFF)),
        section(1, b"\x01" + b"\x4e\x01" * 100_000),
        section(0, b"\x04name\x01", leb(0xFFFFFFF), leb(0xFFFFFFFF), b"\0" * 100_000),
    ],
)
def test_a_number_from_the_file_sizes_neither_a_loop_nor_an_allocation(content: bytes) -> None:
    began = time.perf_counter()
    with suppress(LoadError):
        read_module(HEADER + content)
    assert time.perf_counter() - began < 5


# --- the name section ------------------------------------------------------------------------------------------------


def named(*names: bytes) -> bytes:
    entries = b"".join(leb(index) + leb(len(name)) + name for index, name in enumerate(names))
    content = leb(len(names)) + entries
    functions = TYPE + section(3, leb(3), bytes(3)) + section(10, leb(3), b"\x02\0\x0b" * 3)
    return HEADER + functions + section(0, b"\x04name", b"\0\x02\x01m", section(1, content))


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_damaged_name_section_is_ignored(cut: int) -> None:
    whole = named(b"alpha", b"beta")
    functions, content = whole[: whole.index(b"\x04name") - 2], whole[whole.index(b"\x04name") :]
    info = read_module(functions + section(0, content[:-cut]))
    assert info.names == {}
    assert info.function_count == 3


def test_names_are_bounded_in_number_and_length() -> None:
    data = named(b"alpha", b"beta", b"gamma")
    assert read_module(data).names == {0: "alpha", 1: "beta", 2: "gamma"}
    assert read_module(data, SectionLimits(function_names=2)).names == {0: "alpha", 1: "beta"}
    assert read_module(data, SectionLimits(function_name_bytes=3)).names == {0: "alp", 1: "bet", 2: "gam"}
    assert read_module(data, SectionLimits(function_names_bytes=9)).names == {0: "alpha", 1: "beta"}


def test_names_of_functions_that_are_not_there_are_left_out() -> None:
    assert 3 not in read_module(named(b"a", b"b", b"c", b"d")).names
