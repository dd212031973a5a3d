"""What a module looks like: each maker by a small module of its kind, and names that want to be more than names."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
import wasmtime

from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.makers import MAKERS, OTHERS
from judicia_notebook.wasm.recognition import MOST_NAMES, group_imports, recognize
from judicia_notebook.wasm.sections import read_module


def leb(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def name(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return leb(len(data)) + data


def section(number: int, body: bytes) -> bytes:
    return bytes([number]) + leb(len(body)) + body


def custom(title: str, body: bytes = b"") -> bytes:
    return section(0, name(title) + body)


def producers(**fields: Iterable[tuple[str, str]]) -> bytes:
    body = leb(len(fields))
    for field, values in fields.items():
        pairs = list(values)
        body += name(field.replace("_", "-")) + leb(len(pairs))
        body += b"".join(name(tool) + name(version) for tool, version in pairs)
    return custom("producers", body)


def made(wat: str, *customs: bytes) -> ModuleInfo:
    return read_module(bytes(wasmtime.wat2wasm(f"(module {wat})")) + b"".join(customs))


def imports(*names: tuple[str, str], kind: str = "(func)") -> str:
    return " ".join(f'(import "{module}" "{entry}" {kind})' for module, entry in names)


def exports(*names: str) -> str:
    return " ".join(f'(func (export "{entry}"))' for entry in names)


MEMORY = '(memory (export "memory") 1)'
ABORT = '(import "env" "abort" (func (param i32 i32 i32 i32)))'

KINDS: dict[str, tuple[ModuleInfo, str, str]] = {
    # the module, what it looks like, and the way out that is said with that
    "Extism": (made(imports(("extism:host/env", "input_length"))), "an Extism plugin", "sdk/ABI.md"),
    "Extism of old": (made(imports(("env", "extism_input_length"))), "an Extism plugin", "sdk/ABI.md"),
    "Emscripten minified": (
        made(imports(("a", "b"), ("a", "c")) + '(import "a" "a" (memory 1))'),
        "made by Emscripten for a browser",
        "-sSTANDALONE_WASM",
    ),
    "Emscripten with names": (
        made(imports(("env", "emscripten_resize_heap"), ("env", "invoke_vi"), ("env", "__cxa_throw"))),
        "made by Emscripten for a browser",
        "-sSTANDALONE_WASM",
    ),
    "Emscripten minified in env": (
        made(imports(("env", "a"), ("env", "b"), ("env", "ca")) + '(import "env" "memory" (memory 1))'),
        "made by Emscripten for a browser",
        "-sSTANDALONE_WASM",
    ),
    "Emscripten of old": (
        made('(import "env" "STACKTOP" (global i32)) (import "global" "NaN" (global f64))'),
        "made by Emscripten for a browser",
        "-sSTANDALONE_WASM",
    ),
    "Emscripten standalone": (
        made(imports(("env", "emscripten_notify_memory_growth"), kind="(func (param i32))")),
        "made by Emscripten, standalone",
        "jn.presets.emscripten_standalone",
    ),
    "Emscripten standalone by its exports": (
        made(exports("emscripten_stack_get_current", "_initialize")),
        "made by Emscripten, standalone",
        "",
    ),
    "wasm-bindgen": (made(imports(("./x_bg.js", "__wbindgen_throw"))), "wasm-bindgen, which needs JavaScript", ""),
    "wasm-bindgen of old": (made(imports(("wbg", "__wbg_log_1"))), "wasm-bindgen, which needs JavaScript", ""),
    "wasm-bindgen before its tool": (
        made(imports(("__wbindgen_placeholder__", "__wbindgen_describe")), custom("__wasm_bindgen_unstable")),
        "wasm-bindgen, which needs JavaScript",
        "",
    ),
    "wasm-bindgen by its exports": (made(exports("__wbindgen_malloc")), "wasm-bindgen, which needs JavaScript", ""),
    "wasm-bindgen by its producers": (
        made("", producers(processed_by=[("wasm-bindgen", "0.2.92")])),
        "wasm-bindgen, which needs JavaScript",
        "",
    ),
    "Go for JavaScript": (made(imports(("gojs", "runtime.wasmExit"))), "Go for JavaScript", "GOOS=wasip1"),
    "Go for JavaScript of old": (made(imports(("go", "debug"))), "Go for JavaScript", "GOOS=wasip1"),
    "Go": (made(exports("_start") + MEMORY, custom("go:buildid")), "a program of Go", ""),
    "TinyGo for JavaScript": (
        made(imports(("gojs", "runtime.ticks"), ("gojs", "syscall/js.valueGet")) + exports("_start")),
        "TinyGo for JavaScript",
        "-target=wasip1",
    ),
    "TinyGo": (made(exports("tinygo_getCurrentStackPointer")), "made by TinyGo", "-target=wasip1"),
    "TinyGo by its producers": (made("", producers(processed_by=[("TinyGo", "0.31")])), "made by TinyGo", ""),
    "AssemblyScript": (made(ABORT), "made by AssemblyScript", "imports=jn.presets.assemblyscript"),
    "AssemblyScript's random": (
        made('(import "env" "seed" (func (result f64)))'),
        "made by AssemblyScript",
        "imports=jn.presets.assemblyscript",
    ),
    "AssemblyScript by its exports": (made(exports("__new", "__pin")), "made by AssemblyScript", ""),
    "AssemblyScript by its function names": (made("(func $~lib/rt/itcms/__new)"), "made by AssemblyScript", ""),
    "TinyGo by its function names": (made("(func $tinygo_launch)"), "made by TinyGo", ""),
    "Go by its function names": (made("(func $_rt0_wasm_wasip1)"), "a program of Go", ""),
    "proxy-wasm": (made(imports(("env", "proxy_log"))), "a proxy-wasm filter", ""),
    "proxy-wasm by its exports": (made(exports("proxy_abi_version_0_2_1")), "a proxy-wasm filter", ""),
    "waPC": (made(imports(("wapc", "__guest_request"))), "a waPC module", "sdk/ABI.md"),
    "WASI command": (made(exports("_start") + MEMORY), "a WASI command (preview 1)", ""),
    "WASI reactor": (made(exports("_initialize") + MEMORY), "a WASI reactor (preview 1)", ""),
    "WASI imports": (made(imports(("wasi_snapshot_preview1", "sched_yield"))), "imports WASI preview 1", ""),
    "WASIX": (made(imports(("wasix_32v1", "thread_spawn"))), "a WASIX program", "wasm32-wasip1"),
    "WASI threads": (made(imports(("wasi", "thread-spawn"))), "WASI threads", "without threads"),
    "WASI of old": (made(imports(("wasi_unstable", "fd_write"))), "WASI's first snapshot", "wasi_snapshot_preview1"),
    "side module by its section": (made("", custom("dylink.0")), "a side module", "-sSIDE_MODULE"),
    "side module of old": (made("", custom("dylink")), "a side module", "-sSIDE_MODULE"),
    "side module by its imports": (
        made('(import "GOT.mem" "x" (global (mut i32))) (import "env" "__memory_base" (global i32))'),
        "a side module",
        "-sSIDE_MODULE",
    ),
    "tree-sitter": (
        made('(import "env" "__memory_base" (global i32))' + exports("tree_sitter_toml"), custom("dylink.0")),
        "a tree-sitter grammar (a side module)",
        "",
    ),
    "Pyodide": (made(exports("PyInit__x"), custom("dylink.0")), "a Python extension for Pyodide", ""),
    "object file": (
        made('(import "env" "__linear_memory" (memory 1))', custom("linking", b"\2"), custom("reloc.CODE")),
        "an object file (linking section), not linked",
        "link it",
    ),
    "Ruby": (made(imports(("rb-js-abi-host", "eval-js: func(code: string) -> x"))), "rb-js", "without the gem js"),
    "Ruby by its exports": (made(exports("rb-abi-guest: rb-eval")), "rb-js", ""),
    "dprint": (made(imports(("dprint", "host_write_buffer"))), "a dprint plugin", ""),
    "dprint by its exports": (made(exports("dprint_plugin_version_4")), "a dprint plugin", ""),
    "part of a component": (made(imports(("wasi:cli/run@0.2.0", "run"))), "part of a component", "wasm32-wasip1"),
    "part of a component by its section": (made("", custom("component-type:x")), "part of a component", ""),
    "Open Policy Agent": (made(imports(("env", "opa_abort"))), "Open Policy Agent", ""),
    "wasm-opt": (made(imports(("env", "log_execution"))), "instrumented by Binaryen", ""),
    "Node-API": (made(imports(("env", "napi_typeof"))), "Node-API, which needs JavaScript", ""),
    "Kotlin": (made(imports(("js_code", "kotlin.captureStackTrace"))), "Kotlin", "wasmWasi"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_looks_like_what_its_maker_makes(kind: str) -> None:
    module, what, way = KINDS[kind]
    labels = recognize(module).labels
    assert labels, "nothing was recognized"
    assert what in labels[0]
    assert way in labels[0]
    if "Emscripten" not in kind and not kind.startswith(("WASI", "Go", "Pyodide")):
        assert len(labels) == 1, labels


@pytest.mark.parametrize("kind", KINDS)
def test_imports_that_are_not_offered_name_their_maker_and_a_way_out(kind: str) -> None:
    module, *_ = KINDS[kind]
    for group in group_imports(module.imports):
        assert group.whose
        assert group.ways
        assert group.total == len(group.names) <= MOST_NAMES


def test_a_plain_module_looks_like_nothing() -> None:
    module = made(imports(("env", "f"), ("mylib", "go")) + exports("add", "stack", "abort") + MEMORY)
    assert recognize(module).labels == ()
    whose = [group.whose for group in group_imports(module.imports)]
    assert whose == ["declared by the author, or what a C linker did not find", "of no maker known here"]


def test_an_emscripten_module_for_a_browser_is_not_called_standalone_too() -> None:
    module = made(imports(("env", "emscripten_resize_heap")) + exports("emscripten_stack_init"))
    (label,) = recognize(module).labels
    assert "browser" in label


def test_every_import_is_in_a_group_and_functions_can_be_supplied_by_name() -> None:
    text = f"""{ABORT} {imports(("env", "one"), ("env", "two"), ("./m.js", "three"))}
      (import "env" "memory" (memory 1)) (import "env" "t" (table 1 funcref)) (import "env" "g" (global i32))
      (import "env" "e" (tag))"""
    module = made(text)
    groups = group_imports(module.imports)
    assert sum(group.total for group in groups) == len(module.imports) == 8
    ways = {group.kind: group.ways[0] for group in groups}
    assert ways["func"] == 'load it in Python with imports={("./m.js", "three"): function}'
    assert 'load it in Python with imports={"env.one": function, "env.two": function}' in [
        group.ways[0] for group in groups
    ]
    assert 'imports={"env.memory": None}' in ways["memory"]
    assert 'imports={"env.t": None}' in ways["table"]
    assert 'imports={"env.g": 0}' in ways["global"]
    assert "imports=" not in ways["tag"]


def test_a_global_of_references_is_not_to_be_supplied_with_a_number() -> None:
    (group,) = group_imports(made('(import "env" "g" (global externref))').imports)
    assert "imports=" not in "".join(group.ways)


def test_of_many_imports_the_first_are_named_and_the_others_counted() -> None:
    module = made(imports(*(("env", f"f{number}") for number in range(500))))
    (group,) = group_imports(module.imports)
    assert (group.total, len(group.names)) == (500, MOST_NAMES)
    assert group.listed.endswith("env.f19, ... 480 more")
    assert "one for each of the others" in group.ways[0]


def test_an_import_that_stands_there_twice_counts_once() -> None:
    (group,) = group_imports(made(imports(("env", "f"), ("env", "f"))).imports)
    assert group.total == 1


def test_every_pattern_in_the_table_can_be_seen() -> None:
    """A pattern with a group of its own would name the wrong maker."""
    for maker in (*MAKERS, *OTHERS.values()):
        texts = [*(part for sign in maker.imports for part in sign), *maker.exports, *maker.sections, *maker.producers]
        for text in texts:
            assert re.compile(text).groups == 0
        known = {other.name for other in MAKERS} | {"WASI command", "WASI reactor", "WASI module"}
        assert set(maker.hides) <= known


# --- claims ----------------------------------------------------------------------------------------------------------


def test_producers_are_named_with_their_versions() -> None:
    module = made("", producers(language=[("Rust", "")], processed_by=[("rustc", "1.75.0"), ("walrus", "0.20.3")]))
    assert list(map(str, recognize(module).producers)) == ["Rust", "rustc 1.75.0", "walrus 0.20.3"]


def test_target_features_are_those_that_are_used() -> None:
    body = leb(3) + b"+" + name("simd128") + b"-" + name("atomics") + b"=" + name("sign-ext")
    assert recognize(made("", custom("target_features", body))).target_features == ("simd128", "sign-ext")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff\xff\xff\xff\xff",
        leb(1) + name("language") + leb(1 << 31),
        leb(1) + name("language") + leb(1) + leb(1 << 31),
        leb(1 << 30) + (name("x") + leb(0)) * 30_000,
        leb(1) + name(b"\xff\xfe") + leb(1) + name(b"\xff") + name(b""),
    ],
)
def test_a_damaged_section_says_nothing(body: bytes) -> None:
    found = recognize(made("", custom("producers", body), custom("target_features", body)))
    assert (found.producers, found.target_features) == ((), ())


def test_claims_are_bounded_and_printable() -> None:
    evil = "\x1b[31m<script>$\\frac{1}{2}$\u202e" + "x" * 5000
    many = producers(processed_by=[(evil, evil)] * 1000)
    found = recognize(made("", many))
    assert 1 <= len(found.producers) <= 32
    for producer in found.producers:
        assert len(str(producer)) <= 2 * 102
        assert "\x1b" not in str(producer)
        assert "\u202e" not in str(producer)


def test_of_a_thousand_tools_the_first_are_named() -> None:
    module = made("", producers(processed_by=[(f"t{number}", "1") for number in range(1000)]))
    assert [producer.name for producer in recognize(module).producers] == [f"t{number}" for number in range(32)]


# --- names that want to be more than names ---------------------------------------------------------------------------


def raw_imports(*names: tuple[bytes, bytes]) -> ModuleInfo:
    body = leb(len(names)) + b"".join(name(module) + name(entry) + b"\0\0" for module, entry in names)
    return read_module(b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(2, body))


@pytest.mark.parametrize(
    "entry",
    [b"x\x1b[2J", b"x\ny", "\u202egnp.exe".encode(), b'"}); import os; ({"', b"x" * 9000, "раypal".encode()],
    ids=repr,
)
def test_a_name_that_cannot_be_typed_is_in_no_line_to_type(entry: bytes) -> None:
    (group,) = group_imports(raw_imports((b"env", entry)).imports)
    for text in (*group.names, *group.ways, group.whose):
        assert text.isprintable()
        assert len(text) < 400
    if supplied := [way for way in group.ways if "imports=" in way]:
        given = supplied[0].removeprefix("load it in Python with imports=")
        assert list(eval(given, {"function": 1})) in ([f"env.{entry.decode()}"], [("env", entry.decode())])


def test_a_name_with_a_new_line_is_not_taken_for_another_makers() -> None:
    module = raw_imports((b"env", b"x\nfunc"), (b"wapc\nx", b"y"), (b"a\nb", b"c"))
    assert recognize(module).labels == ()


def test_ten_thousand_imports_and_exports_are_judged_in_bounded_text() -> None:
    module = raw_imports(*((b"m%d" % number, b"n" * 150) for number in range(9_999)), (b"wapc", b"__guest_request"))
    assert "waPC" in recognize(module).labels[0]
    groups = group_imports(module.imports)
    assert sum(group.total for group in groups) == 10_000
    assert sum(len(line) for group in groups for line in group.lines()) < 10_000
