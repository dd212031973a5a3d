"""The mistakes that people make in their first plugins: each is found where it stands, in words that help."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

import judicia_notebook as jn
from tests.languages.compilers import ZIG, C, need_serde, use


class Mistake(NamedTuple):
    """A source, what is first said of it, and where: the line and the column, or None where there is no place."""

    lang: str
    source: str
    place: tuple[int, int] | None
    message: str
    note: str = ""
    flags: tuple[str, ...] = ()
    level: str = "-Oz"


SDK = '#include "judicia.h"\n'
HELLO = "JUDICIA_EXPORT(hello) {\n"
CRATE = "use judicia_guest::{export, Fail};\nexport!(hello);\n"
ZIG_SDK = 'const judicia = @import("judicia");\ncomptime {\n    judicia.exports(.{ .hello = hello });\n}\n'
FUNCTION = '__attribute__((export_name("f"))) int f(int n) {\n'
NEW = f"""int *g(int n) {{
    return new int(n);
}}
extern "C" {FUNCTION}    return *g(n);
}}
"""
MISTAKES = {
    "c: a forgotten semicolon": Mistake("c", f"{FUNCTION}    int x = 1\n    return x;\n}}\n", (2, 14), "expected ';'"),
    "c: a missing brace": Mistake("c", f"{FUNCTION}    return n;", (2, 14), "expected '}'", r"to match this '\{'"),
    "c: an undeclared name": Mistake("c", f"{FUNCTION}    return m;\n}}\n", (2, 12), "undeclared identifier 'm'"),
    "c: a name that is nearly right": Mistake(
        "c", f"{FUNCTION}    int total = n;\n    return totl;\n}}\n", (3, 12), "did you mean 'total'", "declared here"
    ),
    "c: an undeclared function": Mistake("c", f"{FUNCTION}    return area(n);\n}}\n", (2, 12), "function 'area'"),
    "c: an undefined function": Mistake(
        "c", f"int area(int);\n{FUNCTION}    return area(n);\n}}\n", (3, 12), "`area` is used and nowhere defined",
        "import_module",
    ),
    "c: a missing include": Mistake("c", f'#include "nowhere.h"\n{C}', (1, 10), "'nowhere.h' file not found"),
    "c: a header of the C library": Mistake(
        "c", "#include <stdio.h>\n", (1, 10), "'stdio.h' file not found", "--target=wasm32-wasi"
    ),
    "c: a header that is beside no cell": Mistake(
        "c", '#include "mine.h"\n', (1, 10), "'mine.h' file not found", "no other file beside it"
    ),
    "c: a function of the C library": Mistake(
        "c", f"void *malloc(unsigned long);\n{FUNCTION}    return *(int *)malloc(n);\n}}\n", (3, 20), "`malloc`",
        "C library",
    ),
    "c: a wrong type": Mistake("c", f'{FUNCTION}    return "n";\n}}\n', (2, 12), "incompatible pointer to integer"),
    "c: a wrong signature": Mistake(
        "c", f"int g(int, int);\n{FUNCTION}    return g(n);\n}}\n", (3, 15), "too few arguments", "'g' declared here"
    ),
    "c: no answer": Mistake("c", f"{FUNCTION}    if (n) return 1;\n}}\n", (3, 1), "non-void function"),
    "c: checks for undefined behaviour": Mistake(
        "c", f"{FUNCTION}    return n + n;\n}}\n", None, "__ubsan_handle_add_overflow", "-fsanitize-trap=undefined",
        ("-fsanitize=undefined",), "-O0",
    ),
    "c: a comparison that compilers call": Mistake(
        "c", f"int memcmp(const void *, const void *, unsigned long);\n{FUNCTION}    return memcmp(&n, &f, n);\n}}\n",
        (3, 12), "`memcmp`", "judicia.h",
    ),
    "c: a name of the header that is nearly right": Mistake(
        "c", f'#include "judicai.h"\n{HELLO}}}\n', (1, 10), "'judicai.h' file not found", 'header is "judicia.h"'
    ),
    "c: malloc without the C library": Mistake(
        "c", f"{SDK}{HELLO}    char *x = malloc(9);\n}}\n", (3, 15), "function 'malloc'$", "C library.*not linked"
    ),
    "c: a string where the SDK has texts": Mistake(
        "c", f'{SDK}{HELLO}    jn_put_text(answer, "hi");\n}}\n', (3, 25), "'jn_text'", "jn_text_of"
    ),
    "c: two definitions": Mistake("c", "int f(void) { return 1; }\nint f(void) { return 2; }\n", (2, 5), "redefi"),
    "c: an unknown option": Mistake("c", C, None, "-fno-such-option", flags=("-fno-such-option",)),
    "cpp: an exception": Mistake("cpp", "int f(int n) {\n    throw n;\n}\n", (2, 5), "exceptions disabled"),
    "cpp: a header of the C++ library": Mistake(
        "cpp", "#include <string>\n", (1, 10), "'string' file not found", r"the C\+\+ library"
    ),
    "cpp: new": Mistake("cpp", NEW, None, "operator new", "the C\\+\\+ library"),
    "zig: a missing semicolon": Mistake(
        "zig", "export fn f() u32 {\n    const x = 1\n    return x;\n}\n", (2, 16), "expected ';'"
    ),
    "zig: an undeclared name": Mistake("zig", "export fn f() u32 {\n    return m;\n}\n", (2, 12), "undeclared"),
    "zig: a wrong type": Mistake("zig", 'export fn f() u32 {\n    return "n";\n}\n', (2, 12), "expected type 'u32'"),
    "zig: an unused name": Mistake("zig", "export fn f() void {\n    const n = 1;\n}\n", (2, 11), "unused local"),
    "zig: two parameters": Mistake(
        "zig", f"{ZIG_SDK}fn hello(n: i64, m: i64) i64 {{\n    return n + m;\n}}\n", (5, 1), "expected 2 argument",
        "takes one struct",
    ),
    "zig: a missing file": Mistake(
        "zig", f'const x = @import("nowhere.zig");\n{ZIG}comptime {{\n    _ = x;\n}}\n', (1, 19), "nowhere.zig"
    ),
    "zig: a type that the SDK does not read": Mistake(
        "zig", 'const judicia = @import("judicia");\ncomptime {\n    judicia.exports(.{ .f = f });\n}\n'
        "fn f(r: struct { t: []u8 }) usize {\n    return r.t.len;\n}\n", (3, 20), "judicia.zig, line .*expected type",
    ),
    "rust: a missing semicolon": Mistake("rust", "fn f() -> u32 {\n    let x = 1\n    x\n}\n", (2, 14), "expected `;`"),
    "rust: an undeclared name": Mistake("rust", "fn f() -> u32 {\n    m\n}\n", (2, 5), "cannot find value `m`"),
    "rust: a wrong type": Mistake("rust", 'fn f() -> u32 {\n    "n"\n}\n', (2, 5), "mismatched types.*expected `u32`"),
    "rust: a value that has moved": Mistake(
        "rust", "pub fn f(s: String) -> (String, String) {\n    (s, s)\n}\n", (2, 9), "use of moved value: `s`"
    ),
    "rust: a missing brace": Mistake("rust", "fn f() {", (1, 9), "unclosed delimiter"),
    "rust: an unknown crate": Mistake(
        "rust", "use rand::random;\n", (1, 5), "unresolved import|undeclared crate", "no other crates"
    ),
}  # fmt: skip
WITH_SERDE = {
    "rust: no result": Mistake(
        "rust", f"{CRATE}fn hello(n: i64) -> i64 {{\n    n\n}}\n", (2, 1), "type mismatch|expected", "Ok\\(value\\)"
    ),
    "rust: a type that is not read": Mistake(
        "rust", f"{CRATE}struct A {{ n: i64 }}\nfn hello(a: A) -> Result<i64, Fail> {{\n    Ok(a.n)\n}}\n", (2, 1),
        "Deserialize", r"^#\[derive\(serde::Deserialize\)\]",
    ),
    "rust: a name that is nearly right": Mistake(
        "rust", f"{CRATE.replace('hello', 'helo')}fn hello(n: i64) -> Result<i64, Fail> {{\n    Ok(n)\n}}\n", (2, 9),
        "cannot find value `helo`", "similar name exists: `hello`",
    ),
}  # fmt: skip


def judged(mistake: Mistake) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build(f"\n{mistake.source}", mistake.lang, mistake.level, mistake.flags)
    rows = [row for row in caught.value.rows if row.severity == "error"]
    row = next((row for row in rows if re.search(mistake.message, row.message)), rows[0])
    line, column = mistake.place or (None, None)
    assert re.search(mistake.message, row.message), caught.value
    assert (row.line, row.column) == (line and line + 1, column), caught.value
    assert re.search(mistake.note, row.note), row
    if line is not None:
        assert row.code == mistake.source.split("\n")[line - 1]
        assert f"line {line + 1}, column {column}: error: " in str(caught.value)


C_FAMILY = [name for name, mistake in MISTAKES.items() if mistake.lang in {"c", "cpp"}]


@pytest.mark.parametrize("name", C_FAMILY)
def test_a_mistake_in_c_and_cpp(name: str, c_compiler: str) -> None:
    judged(MISTAKES[name])


@pytest.mark.parametrize("name", WITH_SERDE)
def test_a_mistake_in_rust_with_the_crate_of_the_sdk(name: str) -> None:
    need_serde()
    judged(WITH_SERDE[name])


def test_the_header_that_was_forgotten_is_named_once_and_at_an_error(c_compiler: str) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build(f"{HELLO}    jn_put_int(answer, 7);\n}}\n", "c")
    told = [row.severity for row in caught.value.rows if '#include "judicia.h" declares it' in row.note]
    assert told == ["error"]


def test_checks_that_are_not_there_are_one_mistake(c_compiler: str) -> None:
    source = f"{SDK}{HELLO}    int n = 1;\n    jn_put_int(answer, n + n);\n}}\n"
    with pytest.raises(jn.BuildError) as caught:
        jn.build(source, "c", "-O0", "-fsanitize=undefined")
    (row,) = (row for row in caught.value.rows if row.severity == "error")
    assert re.search(r"`__ubsan_handle_\w+`, `__ubsan_handle_\w+`( and \d+ more)? are used", row.message)


@pytest.mark.parametrize("lang", ["c", "cpp"])
def test_a_module_whose_only_exports_are_the_sdks_says_that_it_has_no_function(lang: str, c_compiler: str) -> None:
    (row,) = jn.build(f"{SDK}int seven(void) {{ return 7; }}\n", lang).rows
    assert row.message == "the module exports no function"
    assert "JUDICIA_EXPORT(f)" in row.note


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in C_FAMILY])
def test_a_mistake_in_zig_and_rust(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use({"zig": "zig", "rust": "rustc"}[MISTAKES[name].lang], monkeypatch)
    judged(MISTAKES[name])
