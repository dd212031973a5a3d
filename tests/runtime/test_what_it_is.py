"""What a file is, said alike by a load, an inspection, a card, a magic and the command line, before anything runs."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

import judicia_notebook as jn
from judicia_notebook.__main__ import main
from judicia_notebook.notebook import object_cards

ABORT = '(import "env" "abort" (func (param i32 i32 i32 i32)))'
MIXED = f"""(module
  {ABORT}
  (import "env" "iswspace" (func (param i32) (result i32)))
  (import "judicia:random" "bytes" (func (param i32 i32) (result i64)))
  (func (export "__new") (param i32 i32) (result i32) (i32.const 0))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (memory (export "memory") 1))"""
SIDE = """(module (import "env" "iswspace" (func (param i32) (result i32)))
  (import "env" "memory" (memory 1)) (import "env" "__stack_pointer" (global (mut i32))))"""


@pytest.fixture
def rt() -> Iterator[jn.Runtime]:
    with jn.Runtime() as runtime:
        yield runtime


def refusal(rt: jn.Runtime, source: object, **options: object) -> jn.UnknownImport:
    with pytest.raises(jn.UnknownImport) as caught:
        rt.load(source, **options)  # type: ignore[arg-type]
    return caught.value


def test_the_groups_and_their_ways_out_are_the_same_everywhere(
    rt: jn.Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mixed.wat"
    path.write_text(MIXED)
    error, found = refusal(rt, path), rt.inspect(path)
    loaded = rt.load(path, name="mixed", unknown_imports="trap")
    assert error.groups == found.groups == loaded.inspect().groups
    assert error.recognized == found.recognized == loaded.inspect().recognized
    assert main(["inspect", str(path)]) == 0
    inspected = capsys.readouterr().out
    assert main(["run", str(path), "add", "1", "2"]) == 1
    refused = capsys.readouterr().err
    cards = [
        object_cards.inspection_card(found),
        object_cards.plugin_card(loaded),
        object_cards.inspection_card(loaded.inspect()),
    ]
    for text in (error.details, str(found), inspected, refused, *(card.text() for card in cards)):
        assert "made by AssemblyScript" in text
        for group in error.groups:
            assert group.title in text
            assert group.listed in text
            assert all(way in text for way in group.ways)
    assert [group.names for group in error.groups] == [("env.abort",), ("env.iswspace",)]
    assert error.groups[0].ways[0] == "load it in Python with imports=jn.presets.assemblyscript"


def test_in_a_notebook_the_refusal_has_three_lines(rt: jn.Runtime, tmp_path: Path) -> None:
    for number, text in enumerate((MIXED, SIDE)):
        path = tmp_path / f"m{number}.wat"
        path.write_text(text)
        error = refusal(rt, path)
        first, groups, around = str(error).splitlines()
        assert first.startswith(f"m{number}.wat imports env.")
        assert "env.iswspace" in first
        assert "It looks like" in first
        assert 'imports={"env.iswspace": function}' in groups
        assert f"%plugin inspect {path}" in groups
        assert "unknown_imports" in around


def test_the_way_around_is_offered_only_where_it_helps(rt: jn.Runtime) -> None:
    assert 'unknown_imports="trap" loads it anyway' in str(refusal(rt, MIXED))
    for options in ({}, {"unknown_imports": "trap"}):
        error = refusal(rt, SIDE, **options)
        assert "loads it anyway" not in str(error)
        assert "--unknown-imports trap" not in str(error)
        assert "env.memory (a memory)" in str(error)
        assert {group.kind for group in error.groups} == {"func", "memory", "global"}


def test_the_refusal_travels_with_its_groups(rt: jn.Runtime) -> None:
    error = refusal(rt, MIXED)
    again = pickle.loads(pickle.dumps(error))
    assert (again.groups, again.recognized, str(again), again.details) == (
        error.groups,
        error.recognized,
        str(error),
        error.details,
    )


def test_other_refusals_say_what_the_module_looks_like_too(rt: jn.Runtime) -> None:
    extism = '(module (import "extism:host/env" "x" (func)) (memory (export "memory") 1))'
    with pytest.raises(jn.AbiMismatch, match="It looks like an Extism plugin"):
        rt.load(extism, abi="wasi")
    with pytest.raises(jn.CompileError, match="It looks like a dprint plugin"):
        rt.load('(module (func (export "dprint_plugin_version_4")) (func (result i32)))')


def test_an_import_of_a_memory_under_a_functions_name_is_not_known(rt: jn.Runtime) -> None:
    found = rt.inspect('(module (import "judicia:log" "write" (memory 1)))')
    assert [item.known for item in found.imports] == [False]
    assert [group.kind for group in found.groups] == ["memory"]


def test_the_makers_a_file_names_are_shown(rt: jn.Runtime) -> None:
    claims = b"\x09producers\1\x08language\1\4Rust\0041.75"
    features = b"\x0ftarget_features\1+\7simd128"
    wasm = bytes(wasmtime.wat2wasm("(module)"))
    for claim in (claims, features):
        wasm += b"\0" + bytes([len(claim)]) + claim
    found = rt.inspect(wasm)
    assert (found.made_by, found.target_features) == (("Rust 1.75",), ("simd128",))
    for text in (str(found), object_cards.inspection_card(found).text(), object_cards.inspection_card(found).html()):
        assert "Rust 1.75" in text
        assert "simd128" in text


SUPPLIED = {
    "AssemblyScript": ABORT + '(import "env" "seed" (func (result f64)))',
    "wasm-bindgen": '(import "./x_bg.js" "__wbindgen_throw" (func (param i32 i32)))',
    "Emscripten standalone": '(import "env" "emscripten_notify_memory_growth" (func (param i32)))',
    "functions": '(import "env" "one" (func (param i32))) (import "env" "two" (func (result f64)))',
    "names with dots": '(import "./m.js" "one" (func)) (import "a.b" "c" (func)) (import "a" "b.c" (func))',
    "memory": '(import "env" "memory" (memory 1 3))',
    "table": '(import "env" "t" (table 2 funcref))',
    "globals": '(import "env" "i" (global i32)) (import "env" "f" (global (mut f64)))',
    "abort": '(import "env" "abort" (func))',
    "dprint": '(import "dprint" "host_has_cancelled" (func (result i32)))',
}


@pytest.mark.parametrize("kind", SUPPLIED)
def test_the_line_that_supplies_imports_does_it_as_it_is_printed(rt: jn.Runtime, kind: str) -> None:
    text = f'(module {SUPPLIED[kind]} (func (export "three") (result i32) (i32.const 3)))'
    supplied: dict[object, object] = {}
    for group in refusal(rt, text).groups:
        printed = re.search(r"imports=(jn\.presets\.\w+|\{.*\})", group.ways[0])
        assert printed is not None, group.ways
        supplied |= eval(printed[1], {"jn": jn, "function": lambda *_: 0})
    p = rt.load(text, name="supplied", imports=supplied)
    assert p.raw("three")() == 3
    assert p.inspect().groups == ()
    assert all(item.known for item in p.inspect().imports)
    assert not any("imports=" in label for label in p.inspect().recognized)  # it has them


# --- modules of numbers ----------------------------------------------------------------------------------------------

RAW = """(module (memory (export "memory") 1) (data (i32.const 16) "hello\\00")
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "mean") (param f64 f64) (result f64) (f64.div (f64.add (local.get 0) (local.get 1)) (f64.const 2)))
  (func (export "text") (result i32) (i32.const 16)))"""


def test_a_module_of_numbers_names_its_exports_everywhere(
    rt: jn.Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "raw.wat"
    path.write_text(RAW)
    p = rt.load(path)
    assert main(["inspect", str(path)]) == 0
    shown = [
        capsys.readouterr().out,
        str(p.inspect()),
        object_cards.plugin_card(p).text(),
        object_cards.plugin_card(p).html(),
    ]
    shown += [
        object_cards.inspection_card(rt.inspect(path)).text(),
        object_cards.inspection_card(rt.inspect(path)).html(),
    ]
    for text in shown:
        for name in ("add(i32, i32)", "mean(f64, f64)", "text()"):
            assert name in text
    with pytest.raises(jn.AbiMismatch) as caught:
        p.call("add", {})
    assert "judicia_alloc" in str(caught.value)
    assert "memory" not in str(caught.value)


# --- attacks ---------------------------------------------------------------------------------------------------------


def leb(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14 & 0x7F | 0x80, number >> 21])


def importing(names: list[bytes]) -> bytes:
    body = leb(len(names)) + b"".join(leb(len(name)) + name + leb(len(name)) + name + b"\0\0" for name in names)
    return b"\0asm\1\0\0\0\1\4\1\x60\0\0\2" + leb(len(body)) + body


EVIL = {
    "control characters": "\x1b[2J\r\n\x07",
    "a reversed line": "\u202egnp",
    "TeX": "$\\frac{1}{2}$ \\(x\\)",
    "HTML": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "quotes": "\"}); import os; ({'",
    "a way out": "x\n  - load it with imports=jn.evil",
    "ten thousand letters": "x" * 9_999,
}


@pytest.mark.parametrize("kind", EVIL)
def test_the_text_of_a_name_is_inert(rt: jn.Runtime, kind: str) -> None:
    wasm = importing([EVIL[kind].encode(), b"env"])
    error, found = refusal(rt, wasm), rt.inspect(wasm)
    loaded = rt.load(wasm, name="evil", unknown_imports="trap")
    cards = [object_cards.inspection_card(found), object_cards.plugin_card(loaded)]
    for text in (str(error), error.details, str(found), *(card.text() for card in cards)):
        assert all(line.isprintable() for line in text.splitlines())
        assert "\n  - load it with imports=jn.evil" not in text
        assert len(text) < 6_000
    for card in cards:
        page = card.html()
        assert not re.search(r"<(img|script)", page)
        assert "tex2jax_ignore" in page
        assert len(page) < 20_000


def test_a_megabyte_of_name_is_refused_by_its_size(rt: jn.Runtime) -> None:
    for names in ([b"x" * (1 << 20)], [b"env", b"x" * (1 << 20)]):
        with pytest.raises(jn.CompileLimit) as caught:
            rt.load(importing(names))
        assert len(str(caught.value)) < 300


def test_a_hundred_thousand_imports_are_refused_and_ten_thousand_are_counted(rt: jn.Runtime) -> None:
    with pytest.raises(jn.CompileLimit):
        rt.load(importing([b"x%d" % number for number in range(100_000)]))
    wasm = importing([b"y" * 2_000 + b"%d" % number for number in range(10_000)])
    error, found = refusal(rt, wasm), rt.inspect(wasm)
    assert sum(group.total for group in error.groups) == 10_000
    for text in (str(error), error.details, str(found), object_cards.inspection_card(found).html()):
        assert len(text) < 20_000
    loaded = rt.load(wasm, name="many", unknown_imports="trap")
    assert len(object_cards.plugin_card(loaded).html()) < 20_000


# --- files that are no modules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "way"),
    [
        (b"\x1f\x8b\x08", "gunzip"),
        (b"BZh9", "bunzip2"),
        (b"\xfd7zXZ\0", "unxz"),
        (b"<!doctype html><p>404", "download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"AGFzbQEAAAA=", "base64.b64decode"),
        (b"\x7fELF\x02\x01\x01\x00", "native"),
        (b"!<arch>\n", "wasm-ld"),
    ],
)
def test_a_file_that_is_no_module_has_a_way_out_where_there_is_one(rt: jn.Runtime, data: bytes, way: str) -> None:
    with pytest.raises(jn.InvalidModule, match=re.escape(way)):
        rt.load(data)


def test_a_module_that_wasmtime_compiled_is_named(rt: jn.Runtime) -> None:
    with wasmtime.Engine() as engine:
        compiled = bytes(wasmtime.Module(engine, "(module)").serialize())
    with pytest.raises(jn.InvalidModule, match=r"Wasmtime compiled \(\.cwasm\)"):
        rt.load(compiled)
