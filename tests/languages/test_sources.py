"""What is a source, a path, a language and an option; and clear words for what is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.languages import language_named

F = '__attribute__((export_name("f"))) int f(void) { return 1; }\n'
CPP = f'extern "C" {F}'


@pytest.mark.parametrize(
    ("name", "lang", "source"),
    [
        ("up.C", None, F),
        ("up.Cpp", None, CPP),
        ("plain.txt", "c", F),
        ("plain.c", "cpp", CPP),
        ("none", "c", F),
        ("up.CC", "c", F),
    ],
)
def test_a_file_is_compiled_in_the_language_that_was_said(
    name: str, lang: str | None, source: str, tmp_path: Path, c_compiler: str
) -> None:
    (tmp_path / name).write_text(source)
    assert jn.build(tmp_path / name, lang).wasm[:4] == b"\0asm"
    (tmp_path / name).write_text(f"{source}int g(void) {{ return nope; }}\n")
    with pytest.raises(jn.BuildError) as caught:
        jn.build(tmp_path / name, lang)
    assert (caught.value.rows[0].line, caught.value.source) == (2, name)


def test_a_text_with_braces_is_no_path_whatever_it_ends_with(c_compiler: str) -> None:
    assert jn.build("int f(void) { return 1; } // plugin.c", "c").wasm[:4] == b"\0asm"
    assert jn.build("int f; // plugin.c", "c").wasm[:4] == b"\0asm"
    with pytest.raises(jn.LoadError, match="no such file"):
        jn.build("nowhere.c", "c")


def test_languages_have_the_names_that_people_write() -> None:
    assert [language_named(name) for name in ("C++", "c++", "C", "Zig", "WAT")] == ["cpp", "cpp", "c", "zig", "wat"]
    assert jn.build(CPP, "C++").lang == "cpp"
    for wrong in ("cobol", "", "c+++", 3):
        with pytest.raises(ValueError, match=r"no compiler for|a language is text"):
            jn.build(F, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"level": 2}, "a level is text"),
        ({"level": None}, "a level is text"),
        ({"level": "fast"}, "no level 'fast'"),
        ({"flags": None}, "flags are text"),
        ({"flags": [3]}, "flags are text"),
        ({"flags": 3}, "flags are text"),
        ({"flags": "-D'x"}, "cannot be told apart"),
        ({"flags": ["-DN=\0"]}, "a character that no option has"),
    ],
)
def test_options_that_are_none_are_refused_in_words(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        jn.build(F, "c", **options)


@pytest.mark.parametrize("lang", ["c", "cpp", "zig", "rust", "wat"])
def test_half_a_character_is_refused_at_its_place(lang: str) -> None:
    with pytest.raises(jn.BuildError) as caught:
        jn.build("first line\nsecond \ud800 line\n", lang)
    assert caught.value.rows[0][:3] == (2, 8, "error")
    assert "half a character (U+D800)" in str(caught.value)
    str(caught.value).encode()


def test_half_a_character_in_wat_is_no_reason_for_another_error(rt: jn.Runtime) -> None:
    with pytest.raises(jn.LoadError, match="half a character"):
        rt.load('(module (func (export "f\ud800")))')


@pytest.mark.parametrize(
    ("variable", "lang"),
    [
        ("JUDICIA_NOTEBOOK_CLANG", "c"),
        ("JUDICIA_NOTEBOOK_CLANG", "cpp"),
        ("JUDICIA_NOTEBOOK_ZIG", "zig"),
        ("RUSTC", "rust"),
    ],
)
def test_a_variable_that_names_no_compiler_is_named(
    variable: str, lang: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, os.fspath(tmp_path / "nowhere"))
    with pytest.raises(jn.BuildError) as caught:
        jn.build("int x;\n", lang)
    assert variable in str(caught.value)
    assert "nowhere" in str(caught.value)


# --- WAT -------------------------------------------------------------------------------------------------------------

GREET = '(func (export "f") (param i32 i32) (result i64) (call $reply (i32.const 0) (i32.const 0)))'
WRONG = {
    '(module\n  (func (export "f")\n    (i32.cons 1)))': (3, 6, "unknown operator"),
    "(module\n  (func (result i32)\n    (i64.const 1)))": (3, 18, "expected i32, found i64"),
    "(module\n  (func $f)\n  (func $f))": (3, 9, "duplicate func"),
    '(module\n  (export "f" (func 77)))': (2, 1, "f names func 77"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_in_wat_has_its_line_and_column_whoever_finds_it(text: str) -> None:
    line, column, message = WRONG[text]
    with pytest.raises(jn.BuildError) as caught:
        jn.build(text, "wat")
    row = caught.value.rows[0]
    assert message in row.message
    assert (row.line, row.column, row.code) == (line, column, text.split("\n")[line - 1])


def test_a_feature_that_a_load_can_switch_on_is_no_mistake(rt: jn.Runtime) -> None:
    built = jn.build("(module (tag $t) (func (throw $t)))", "wat")
    assert built.wasm[:4] == b"\0asm"
    with pytest.raises(jn.BuildError):
        jn.build("(module (memory 1 1 shared))", "wat")


def test_a_file_of_wat_is_a_whole_module_and_a_cell_may_leave_parts_out(rt: jn.Runtime, tmp_path: Path) -> None:
    path = tmp_path / "cell.wat"
    path.write_text(GREET)
    assert rt.load(jn.build(GREET, "wat").wasm, name="p").exports
    with pytest.raises(jn.InvalidModule, match=r"\$reply"):
        rt.load(path)
    with pytest.raises(jn.BuildError, match="A file is a whole module"):
        jn.build(path)
    path.write_text('(module (func (export "f") (result i32) (i32.const 7)))')
    assert rt.load(jn.build(path).wasm, name="built").digest == rt.load(path, name="file").digest


@pytest.mark.parametrize("wrong", ["(i32.cons 7)", "(i64.const 7)", "(i32.const 7"])
def test_a_reload_of_wat_with_a_mistake_says_what_stays(wrong: str, rt: jn.Runtime, tmp_path: Path) -> None:
    path = tmp_path / "cell.wat"
    text = '(module (func (export "f") (result i32) (i32.const 7)))'
    path.write_text(text)
    plugin = rt.load(path, name="seven")
    path.write_text(text.replace("(i32.const 7)", wrong))
    with pytest.raises(jn.LoadError) as caught:
        rt.reload("seven")
    assert "seven stays as it was loaded before." in str(caught.value)
    assert plugin.raw("f")() == 7
