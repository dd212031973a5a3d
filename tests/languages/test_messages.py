"""What compilers and linkers say, in whatever number and length, as rows at the places they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import compiler_process
from judicia_notebook.languages.linker import read as read_linker
from judicia_notebook.languages.messages import counted
from judicia_notebook.languages.rustc_json import RustcReader
from judicia_notebook.languages.source_code import SourceCode
from judicia_notebook.wasm.sections import read_module
from tests.languages.compilers import use

F = '__attribute__((export_name("f"))) int f(void) { return %s; }\n'


def refused(source: str | Path, lang: str | None = None, flags: str = "") -> jn.BuildError:
    with pytest.raises(jn.BuildError) as caught:
        jn.build(source, lang, flags=flags)
    return caught.value


def test_many_warnings_do_not_hide_the_error_behind_them_and_are_counted(c_compiler: str) -> None:
    warnings = "".join(f"void f{number}(void) {{ int u; }}\n" for number in range(250))
    error = refused(f"{warnings}int g(void) {{ return nope; }}\n", "c")
    assert [(row.line, row.column) for row in error.rows if row.severity == "error"] == [(251, 22)]
    assert counted(error.rows) == "1 error and 250 warnings"
    assert "1 error and 250 warnings" in str(error)
    assert error.rows[-1].message == "and 50 more warnings, not listed"


def test_megabytes_of_warnings_do_not_hide_the_error_behind_them(
    c_compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler_process, "DEFAULTS", compiler_process.CompilerLimits(said_bytes=1000))
    flood = "".join(f"#warning {number}\n" for number in range(300))
    error = refused(f"{flood}int g(void) {{ return nope; }}\n", "c")
    assert [row.line for row in error.rows if row.severity == "error"] == [301]


def test_many_warnings_of_rustc_do_not_hide_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    use("rustc", monkeypatch)
    warnings = "".join(f"fn f{number}() {{ let x = {number}; }}\n" for number in range(250))
    error = refused(f'{warnings}#[no_mangle] pub extern "C" fn g() -> u32 {{ let a: u32 = 1; &a; "n" }}\n', "rust")
    assert [row.line for row in error.rows if row.severity == "error"] == [251]


def test_every_mistake_in_a_header_has_the_place_of_its_include(tmp_path: Path, c_compiler: str) -> None:
    (tmp_path / "wrong.h").write_text("int a(void) { return x1; }\nint b(void) { return x2; }\n")
    (tmp_path / "plugin.c").write_text('int z;\n#include "wrong.h"\nint y(void) { return x3; }\n')
    rows = refused(tmp_path / "plugin.c").rows
    assert [row.line for row in rows] == [2, 2, 3]
    assert [row.message.partition(":")[0] for row in rows[:2]] == ["wrong.h, line 1", "wrong.h, line 2"]


@pytest.mark.parametrize("numbers", [60_000, 130_000])
def test_a_mistake_in_a_line_of_half_a_megabyte_is_told_by_rustc(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    use("rustc", monkeypatch)
    row = refused(f"static T: [u32; {numbers}] = [{'1234567, ' * numbers} oops];\n", "rust").rows[0]
    assert "cannot find value `oops`" in row.message
    assert row.line == 1
    assert row.column is not None
    assert row.code[row.mark - 1 :].startswith("oops")


def test_a_message_of_rustc_that_is_too_long_to_keep_is_told_by_its_beginning() -> None:
    whole = (
        '{"message":"cannot find \\"x\\"","code":null,"level":"error","spans":[{"file_name":"cell.rs","byte_start":9,'
        '"byte_end":10,"line_start":1,"line_end":1,"column_start":10,"column_end":11,"is_primary":true,"text":[{"text":"'
    )
    reader = RustcReader("fn f() { x }", "cell.rs")
    reader.hear(whole + "a" * (1 << 20))
    assert [row[:4] for row in reader.rows()] == [(1, 10, "error", 'cannot find "x"')]
    for cut in range(0, len(whole), 7):
        RustcReader("fn f() { x }", "cell.rs").hear(whole[:cut])


@pytest.mark.parametrize(
    ("lang", "source", "place"),
    [
        ("c", f"// area(2)\nint area(int);\n{F % 'area(2)'}", (3, 56)),
        ("c", f"extern int total;\n{F % 'total'}", (2, 56)),
        ("c", f'extern int total;\nconst char *s = "total";\n{F % "total"}', (3, 56)),
        ("c", f"int area(int);\nint (*g)(int) = area;\n{F % 'g(1)'}", (2, 17)),
        ("cpp", f'namespace geo {{ int area(int); }}\nextern "C" {F % "geo::area(2)"}', (2, 72)),
        ("cpp", f'struct S {{ int area(int) const; }} s;\nextern "C" {F % "s.area(2)"}', (2, 69)),
    ],
)
def test_what_is_used_and_not_defined_is_placed_at_its_use(
    lang: str, source: str, place: tuple[int, int], c_compiler: str
) -> None:
    row = refused(source, lang).rows[0]
    assert "is used and nowhere defined" in row.message
    assert (row.line, row.column) == place


def test_what_a_source_says_of_a_linker_is_no_message_of_a_linker(c_compiler: str) -> None:
    error = refused("#error wasm-ld: error: undefined symbol: ghost\n", "c")
    assert [row.line for row in error.rows] == [1]
    assert "ghost" in error.rows[0].message
    assert read_linker("x.c:1:2: error: wasm-ld: error: undefined symbol: ghost", "") == []


def test_a_function_that_zig_leaves_to_the_host_is_placed_at_its_whole_name(monkeypatch: pytest.MonkeyPatch) -> None:
    use("zig", monkeypatch)
    source = "var input: u32 = 1; // put\nextern fn put(u32) u32;\nexport fn f() u32 {\n    return put(input);\n}\n"
    row = jn.build(source, "zig").rows[0]
    assert (row.message.partition(" ")[0], row.line, row.column) == ("`put`", 4, 12)


def test_code_without_comments_and_strings_keeps_its_places() -> None:
    text = 'a /* b\nc */ "d\\"e" \'f\' // g\n\'static h; r"i" /* j'
    code = SourceCode(text).code
    assert len(code) == len(text)
    assert [index for index, c in enumerate(code) if c == "\n"] == [index for index, c in enumerate(text) if c == "\n"]
    assert code.split() == ["a", "'static", "h;", "r"]
    assert SourceCode("x" * 100_000 + "(" * 100_000).first_use("y") is None
    assert SourceCode("f(" * 200_000).first_use("f") == (1, 1)


@pytest.mark.parametrize(
    ("comment", "names"),
    [("// main() is not here", {"_initialize", "f"}), ('const char *s = "main()";', {"_initialize", "f"})],
)
def test_a_main_in_a_comment_makes_no_command(
    comment: str, names: set[str], monkeypatch: pytest.MonkeyPatch, rt: jn.Runtime
) -> None:
    use("clang", monkeypatch)
    if not Path("/usr/include/wasm32-wasi").is_dir():
        pytest.skip("there is no wasi-libc; enable: apt-get install wasi-libc libclang-rt-14-dev-wasm32")
    for flags in ("--target=wasm32-wasi", "--target wasm32-wasi", "--target=wasm32-wasip1"):
        built = jn.build(f"#include <stdlib.h>\n{comment}\n{F % 'rand() & 0'}", "c", flags=flags)
        p = rt.load(built.wasm, abi="raw", name="p")
        assert p.raw("f")() == 0
        exports = read_module(built.wasm).exports
        assert {export.name for export in exports if export.kind == "func"} == names


@pytest.mark.parametrize("flags", ["-S", "-E", "-c", "-S -emit-llvm"])
def test_options_that_make_no_module_are_told(flags: str, c_compiler: str) -> None:
    error = refused(F % "1", "c", flags)
    assert "wrote something else than a module" in str(error) or "ended" in str(error), error
    assert not str(error).startswith("the source: \0")


def test_options_that_change_the_messages_come_before_ours(c_compiler: str) -> None:
    for flags in ("-fdiagnostics-format=msvc", "-fcolor-diagnostics", "-fcaret-diagnostics"):
        assert refused(F % "nope", "c", flags).rows[0][:2] == (1, 56)
