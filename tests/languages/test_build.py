"""Sources become modules: each language with each real compiler, the cache, files, and what a failure leaves."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import build as builds
from judicia_notebook.languages import language_of, languages, toolchain, zig_cache
from tests.languages.compilers import RUST, SOURCES, ZIG, C, need_serde, use

SUFFIX = {"c": ".c", "cpp": ".cpp", "zig": ".zig", "rust": ".rs"}


def fresh(source: str) -> str:
    """The same source, as no run before has compiled it."""
    return f"{source}// {uuid.uuid4()}\n"


# --- modules ---------------------------------------------------------------------------------------------------------


def test_a_source_becomes_a_plugin_and_comes_from_the_cache_the_second_time(rt: jn.Runtime, lang: str) -> None:
    source = fresh(SOURCES[lang])
    first, second = jn.build(source, lang), jn.build(source, lang)
    assert (first.cached, second.cached) == (False, True)
    assert first.wasm == second.wasm
    assert first.lang == lang
    assert list(first.rows) == []
    assert rt.load(first.wasm, name="p").call("seven") == 7


def test_every_level_compiles_and_is_kept_apart(rt: jn.Runtime, lang: str) -> None:
    source = fresh(SOURCES[lang])
    for level in ("-O0", "-O2", "-Oz"):
        built = jn.build(source, lang, level)
        assert not built.cached
        assert rt.load(built.wasm, name="p").call("seven") == 7


def test_names_of_functions_stay_for_traps(rt: jn.Runtime, c_compiler: str) -> None:
    crash = "__attribute__((noinline)) static void crash(void) { __builtin_trap(); }\n"
    body = "(const char *p, u32 n) { (void)p, (void)n; crash(); return 0; }\n"
    p = rt.load(jn.build(f'{C}{crash}EXPORT("f") u64 f{body}', "c", "-O0").wasm)
    with pytest.raises(jn.GuestTrap) as caught:
        p.call("f")
    assert caught.value.backtrace == ("crash", "f")


def test_lines_are_kept_where_the_flags_say_so(rt: jn.Runtime, lang: str) -> None:
    source = SOURCES[lang]
    plain, whole = jn.build(source, lang).wasm, jn.build(source, lang, flags="-g").wasm
    assert (b".debug_line" in plain, b".debug_line" in whole) == (False, True)
    assert b"seven" in plain
    assert rt.load(whole, name="p").call("seven") == 7


def test_a_global_of_cpp_is_made_once_and_keeps_its_state(rt: jn.Runtime, c_compiler: str) -> None:
    source = (
        "struct Counter { int count; Counter() : count(40) {} } counter;\n"
        'extern "C" __attribute__((export_name("next"))) int next() { return ++counter.count; }\n'
    )
    p = rt.load(jn.build(source, "cpp").wasm, abi="raw")
    assert [p.raw("next")(), p.raw("next")()] == [41, 42]


def test_deep_recursion_in_c_is_a_trap_and_no_silent_damage(rt: jn.Runtime, c_compiler: str) -> None:
    source = (
        "int precious = 7;\n"
        "__attribute__((noinline)) int deep(volatile char *above) {\n"
        "    volatile char here[4096]; here[0] = above[0]; return deep(here) + here[0];\n}\n"
        '__attribute__((export_name("f"))) int f(void) { char first[1] = {1}; return deep(first) + precious; }\n'
    )
    p = rt.load(jn.build(source, "c", "-O1").wasm, abi="raw")
    with pytest.raises((jn.GuestTrap, jn.QuotaExceeded)) as caught:
        p.raw("f")()
    assert getattr(caught.value, "trap", "") in {"out_of_bounds_memory", "stack_overflow"}


def test_flags_reach_the_compiler_and_are_in_the_key(c_compiler: str) -> None:
    source = fresh('#ifndef N\n#error no N\n#endif\n__attribute__((export_name("f"))) int f(void) { return N; }\n')
    with pytest.raises(jn.BuildError, match="no N"):
        jn.build(source, "c")
    assert not jn.build(source, "c", flags="-DN=3").cached
    assert not jn.build(source, "c", flags=["-DN=4"]).cached
    assert jn.build(source, "c", flags=["-DN=3"]).cached


def test_the_c_library_is_linked_where_the_flags_say_so(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    use("clang", monkeypatch)
    if not Path("/usr/include/wasm32-wasi").is_dir():
        pytest.skip("there is no wasi-libc; enable: apt-get install wasi-libc libclang-rt-14-dev-wasm32")
    wasi = "--target=wasm32-wasi"
    program = '#include <stdio.h>\nint main(int n, char **words) { printf("%d %s", n, words[1]); return 3; }\n'
    result = rt.load(jn.build(program, "c", flags=wasi).wasm, name="main").run(["hi"])
    assert (result.returncode, result.stdout) == (3, b"2 hi")
    reactor = (
        f"#include <stdlib.h>\n{C}"
        "EXPORT(\"f\") u64 f(const char *p, u32 n) { (void)p, (void)n; char *x = malloc(9); *x = '8';"
        " return (u64)(u32)(unsigned long)x << 32 | 1; }\n"
    )
    assert rt.load(jn.build(reactor, "c", flags=wasi).wasm, name="reactor").call("f") == 8


def test_rust_has_the_sdk_and_serde(rt: jn.Runtime) -> None:
    need_serde()
    source = (
        "use judicia_guest::{export, Fail};\n#[derive(serde::Deserialize)]\nstruct Pair { a: i64, b: i64 }\n"
        "fn add(pair: Pair) -> Result<i64, Fail> { Ok(pair.a + pair.b) }\nexport!(add);\n"
    )
    assert rt.load(jn.build(source, "rust").wasm).call("add", {"a": 40, "b": 2}) == 42
    with pytest.raises(jn.BuildError) as caught:
        jn.build(source.replace("pair.b)", "pair.c)"), "rust")
    assert (caught.value.rows[0].line, caught.value.rows[0].column) == (4, 60)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_a_source_by_its_suffix(rt: jn.Runtime, lang: str, tmp_path: Path) -> None:
    path = tmp_path / f"plugin{SUFFIX[lang]}"
    path.write_text(SOURCES[lang])
    assert language_of(path) == lang
    assert rt.load(path).call("seven") == 7
    assert jn.build(str(path)).wasm == jn.build(path).wasm


def test_a_reload_compiles_the_file_again_and_a_mistake_leaves_the_plugin(rt: jn.Runtime, tmp_path: Path) -> None:
    path = tmp_path / "plugin.c"
    path.write_text(C)
    p = rt.load(path, name="one")
    path.write_text(C.replace("'7'", "'8'"))
    rt.reload("one")
    assert p.call("seven") == 8
    path.write_text("int f(void) { return }")
    loads: list[Callable[[], object]] = [lambda: rt.reload("one"), lambda: rt.load(path)]
    for load in loads:
        with pytest.raises(jn.BuildError) as caught:
            load()
        assert caught.value.unchanged == "one"
        assert "one stays as it was loaded before." in str(caught.value)
        assert str(caught.value).startswith("plugin.c: ")
    assert p.call("seven") == 8


def test_a_header_beside_the_file_is_read_each_time(rt: jn.Runtime, tmp_path: Path, c_compiler: str) -> None:
    path, header = tmp_path / "plugin.c", tmp_path / "number.h"
    path.write_text('#include "number.h"\n__attribute__((export_name("f"))) int f(void) { return NUMBER; }\n')
    for number in (1, 2):
        header.write_text(f"#define NUMBER {number}\n")
        built = jn.build(path)
        assert not built.cached
        assert rt.load(built.wasm, abi="raw", name="p").raw("f")() == number


def test_a_mistake_in_a_header_is_told_at_the_line_that_includes_it(tmp_path: Path, c_compiler: str) -> None:
    (tmp_path / "wrong.h").write_text("int a;\nint b\n")
    (tmp_path / "plugin.c").write_text('int x;\n#include "wrong.h"\nint y;\n')
    with pytest.raises(jn.BuildError) as caught:
        jn.build(tmp_path / "plugin.c")
    row = caught.value.rows[0]
    assert (row.line, row.code) == (2, '#include "wrong.h"')
    assert row.message.startswith("wrong.h, line 2: expected ';'")


def test_a_name_that_looks_like_an_option_is_none(tmp_path: Path, c_compiler: str) -> None:
    for name in ("-o plugin.c", "@plugin.c", "-fplugin=x.c"):
        (tmp_path / name).write_text(C)
        assert jn.build(tmp_path / name).wasm[:4] == b"\0asm"


def test_a_wat_file_is_built_and_its_mistake_has_its_place(tmp_path: Path) -> None:
    assert jn.build('(func (export "f") (result i32) (i32.const 7))').lang == "wat"
    with pytest.raises(jn.BuildError) as caught:
        jn.build("(module\n  (func (result i32)\n", "wat")
    assert caught.value.rows[0][:3] == (2, 3, "error")
    assert str(caught.value).splitlines() == [
        "the source: the assembler found 1 error",
        "  line 2, column 3: error: this `(` is never closed",
        "       2 |   (func (result i32)",
        "         |   ^",
    ]
    with pytest.raises(jn.BuildError) as caught:
        jn.build("(module\n  (func (call $nowhere)))", "wat")
    assert (caught.value.rows[0].line, caught.value.rows[0].code) == (2, "  (func (call $nowhere)))")
    for options in ({"level": "-O2"}, {"flags": ["-x"]}):
        with pytest.raises(ValueError, match="no level and no flags"):
            jn.build("(module)", "wat", **options)


def test_what_is_no_source_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no compiler for 'cobol'"):
        jn.build("x", "cobol")
    with pytest.raises(ValueError, match="no level '-O9'"):
        jn.build("int x;\n", "c", "-O9")
    with pytest.raises(jn.LoadError, match="nothing says which language"):
        jn.build("int x;\n")
    with pytest.raises(jn.LoadError, match="no such file"):
        jn.build(tmp_path / "nowhere.c")
    (tmp_path / "latin.c").write_bytes(b"// \xff\n")
    with pytest.raises(jn.LoadError, match="no text in UTF-8"):
        jn.build(tmp_path / "latin.c")
    (tmp_path / "plugin.go").write_text("package main")
    with pytest.raises(jn.LoadError, match="of no language"):
        jn.build(tmp_path / "plugin.go")


def test_every_language_has_a_line_that_brings_its_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("JUDICIA_NOTEBOOK_CLANG", "JUDICIA_NOTEBOOK_ZIG", "RUSTC"):
        monkeypatch.delenv(variable, raising=False)
    for name in ("find_zig", "find_clang", "find_rustc"):
        monkeypatch.setattr(toolchain, name, lambda: None)
    for module in ("c", "zig", "rust"):
        finder = {"c": "find_c", "zig": "find_zig", "rust": "find_rustc"}[module]
        monkeypatch.setattr(f"judicia_notebook.languages.{module}.{finder}", lambda: None)
    for lang in set(languages()) - {"wat"}:
        with pytest.raises(jn.BuildError) as caught:
            jn.build(SOURCES[lang], lang)
        assert caught.value.rows == ()
        assert toolchain.WAYS[lang] in str(caught.value)
    assert set(toolchain.here().values()) - {"part of the package"} == {
        f"none: {toolchain.WAYS[lang]}" for lang in ("c", "zig", "rust")
    }


# --- the cache -------------------------------------------------------------------------------------------------------


def test_another_process_finds_what_this_one_built(lang: str) -> None:
    source = fresh(SOURCES[lang])
    built = jn.build(source, lang)
    program = f"import judicia_notebook as jn; b = jn.build({source!r}, {lang!r}); print(b.cached, hash(b.wasm) != 0)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "True"]
    assert not built.cached


def test_what_depends_on_more_than_its_text_is_not_kept(c_compiler: str) -> None:
    source = fresh(f'{C}__asm__("");\n')
    assert [jn.build(source, "c").cached, jn.build(source, "c").cached] == [False, False]


def test_what_a_flag_names_is_read_each_time(tmp_path: Path, c_compiler: str) -> None:
    source = fresh(C)
    assert [jn.build(source, "c", flags=f"-L{tmp_path}").cached for _ in range(2)] == [False, False]


def test_a_damaged_entry_is_compiled_again(own_cache: Path) -> None:
    source = fresh(C)
    first = jn.build(source, "c")
    latest = max((own_cache / "builds").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    latest.write_bytes(latest.read_bytes()[:-1] + b"!")
    second = jn.build(source, "c")
    assert (second.cached, second.wasm) == (False, first.wasm)


def test_what_zig_keeps_is_emptied_where_it_is_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(zig_cache, "MOST_BYTES", 1000)
    for size, stays in ((999, True), (2000, False)):
        monkeypatch.setattr(zig_cache, "_looks", itertools.count())
        folder = zig_cache.folder()
        assert folder is not None
        (folder / "library").write_bytes(bytes(size))
        assert zig_cache.variables()["ZIG_GLOBAL_CACHE_DIR"] == str(folder)
        assert (folder / "library").exists() is stays
    assert {path.name for path in tmp_path.iterdir()} == {"zig", "temporary"}


def test_a_cell_with_thirty_changes_leaves_a_bounded_cache(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    size = len(jn.build(fresh(C), "c").wasm)
    monkeypatch.setattr(builds, "MOST_CACHE", 8 * size)
    for number in range(30):
        assert not jn.build(f"{C}int n{number} = {number};\n", "c").cached
    kept = [path.stat().st_size for path in (tmp_path / "cache" / "builds").iterdir()]
    assert 0 < sum(kept) <= 8 * size
    assert jn.build(f"{C}int n29 = 29;\n", "c").cached


def test_four_processes_compile_at_once(c_compiler: str) -> None:
    program = "import judicia_notebook as jn\nfor n in range(5): print(len(jn.build(TEXT + f'int a{n};\\n', 'c').wasm))"
    command = [sys.executable, "-c", f"TEXT = {fresh(C)!r}\n{program}"]

    def compiled(_: int) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(compiled, range(4)))
    assert [len(sizes) for sizes in told] == [5] * 4
    assert told == [told[0]] * 4


def test_a_cache_that_cannot_be_used_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "file"))
    source = fresh(C)
    assert [jn.build(source, "c").cached, jn.build(source, "c").cached] == [False, False]


def test_the_folder_that_a_variable_names_stays_fit_for_modules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "new" / "cache"))
    old = os.umask(0)
    try:
        jn.build(fresh(C), "c")
    finally:
        os.umask(old)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "new", tmp_path / "new" / "cache")] == [
        "0o700"
    ] * 2


# --- messages as data ------------------------------------------------------------------------------------------------


def test_diagnostics_are_a_frame_and_travel(c_compiler: str) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build("int ü = 1; int f(void) { return ü + lenght; }\nint g(void) { int n = 1; }\n", "c")
    error = pickle.loads(pickle.dumps(caught.value))
    frame = error.diagnostics
    assert list(frame.columns) == ["line", "column", "severity", "message", "note"]
    assert [str(frame[name].dtype) for name in ("line", "column")] == ["Int64", "Int64"]
    assert list(frame.iloc[0][:3]) == [1, 37, "error"]
    assert str(error) == str(caught.value)
    assert error.rows == caught.value.rows


def test_a_warning_does_not_stop_a_build_and_comes_out_of_the_cache_too(c_compiler: str) -> None:
    source = fresh(C + "static int f(void) { int n; return 1; }\n")
    for cached in (False, True):
        built = jn.build(source, "c")
        assert built.cached is cached
        assert [(row.line, row.severity) for row in built.rows] == [(14, "warning")]
        assert "unused variable 'n'" in built.diagnostics["message"][0]


def test_what_a_source_says_is_inert(c_compiler: str) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build("#error \x1b[31mred\u202e <b>\n", "c")
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert "\x1b" not in caught.value.diagnostics["message"][0]


ODD = {
    "half a character": "int \ud800;",
    "a zero byte": "int a\0b;",
    "a long line": "int " + "clang" * 200_000 + ";x",
    "tabs": "\t\tint x = ü;",
    "another file": '#line 7 "else.c"\nint x y;',
}


@pytest.mark.parametrize("line", ODD.values(), ids=ODD)
def test_odd_text_is_refused_in_time_and_shown(line: str, c_compiler: str) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build(f"{line}\n", "c")
    assert caught.value.rows
    assert all(len(line) < 3000 for line in str(caught.value).splitlines())
    str(caught.value).encode()
    pickle.dumps(caught.value)


def test_many_mistakes_are_five_in_the_cell_and_all_in_the_frame(c_compiler: str) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build("\n".join(f"int f{n}(void) {{ return missing{n}; }}" for n in range(30)), "c")
    assert len(caught.value.diagnostics) == 30
    assert str(caught.value).count("error: use of undeclared identifier") == 5
    assert "25 more in error.diagnostics" in str(caught.value)


def test_a_module_that_will_disappoint_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert jn.build("int f(void) { return 1; }\n", "c").rows[0].message == "the module exports no function"
    bare = '__attribute__((export_name("f"))) unsigned long long f(char *p, unsigned n) { return 0; }\n'
    assert "exports no judicia_alloc, so that f cannot be called" in jn.build(bare, "c").rows[0].message
    use("zig", monkeypatch)
    row = jn.build("extern fn area() u32;\nexport fn f() u32 {\n    return area();\n}\n", "zig").rows[0]
    assert (row.line, "imports={'env.area': ...}" in row.note) == (3, True)  # where it is called


def test_the_smallest_sources_are_what_they_say() -> None:
    assert all(name in RUST and name in ZIG for name in ("judicia_alloc", "judicia_free", "seven"))
