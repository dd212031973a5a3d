"""What an error has to name so that its reader need look nowhere else: numbers, words, lines, names, the next step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.__main__ import main
from judicia_notebook.languages import compile_source
from judicia_notebook.languages.wat import compile_wat

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
MIXED = '(module (func (export "mixed") (param i64 f32 f64)) (func (export "none")) (func (export "one") (param i32)))'


REPORTS_WITHOUT_MEMORY = compile_wat(r"""
(import "judicia:host" "fail" (func $fail (param i32 i32) (result i64)))
(memory (export "memory") 1)
(data (i32.const 8) "{\"code\":\"full\",\"message\":\"no room for it\"}")
(func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
(func (export "judicia_free") (param i32 i32))
(func (export "echo") (param i32 i32) (result i64)
  (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
(func (export "fails") (param i32 i32) (result i64)
  (drop (memory.grow (i32.const 999)))
  (drop (call $fail (i32.const 8) (i32.const 42)))
  (i64.const 0))
""")


def told(call: Any, kind: type[jn.JudiciaError] = jn.JudiciaError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((1,), "it takes 2 numbers, 1 was given"),
        ((1, 2, 3), "it takes 2 numbers, 3 were given"),
        ((), "it takes 2 numbers, none was given"),
        (("1", 2), "argument 1 is a text"),
        ((None, 2), "argument 1 is None"),
        ((1, b"2"), "argument 2 is bytes"),
        ((1.0, 2), "argument 1 is a float, and i32 takes a whole number"),
        ((2**32, 0), "argument 1 is not within 32 bits"),
        ((0, -(2**31) - 1), "argument 2 is not within 32 bits"),
        ((10**5000, 0), "argument 1 is not within 32 bits"),
    ],
)
def test_numeric_arguments_are_told_in_words(rt: jn.Runtime, arguments: tuple[Any, ...], says: str) -> None:
    text = told(lambda: rt.load(ADD, name="p").raw("add")(*arguments), jn.InvalidPayload)
    assert says in text
    assert not any(word in text for word in ("zip", "struct", "format", "<="))


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("mixed", (2**64, 1, 1), "argument 1 is not within 64 bits"),
        ("mixed", (1, 1e39, 1), "argument 2 is not within the range of f32"),
        ("mixed", (1, 1, 10**400), "argument 3 is not within the range of f64"),
        ("mixed", (1, "x", 1), "argument 2 is a text, and f32 takes a number"),
        ("mixed", (1, 1, 1j), "argument 3 is a complex number"),
        ("none", (1,), "it takes no numbers, 1 was given"),
        ("one", (), "it takes 1 number, none was given"),
    ],
)
def test_every_type_and_count_has_its_words(rt: jn.Runtime, name: str, arguments: tuple[Any, ...], says: str) -> None:
    assert says in told(lambda: rt.load(MIXED, name="p").raw(name)(*arguments), jn.InvalidPayload)


def test_a_row_that_does_not_fit_is_named(rt: jn.Runtime) -> None:
    function = rt.load(MIXED, name="p").raw("one")
    rows: list[Any] = [1, 2, "3"]
    assert "row 2: argument 1 is a text" in told(lambda: function.map(rows), jn.InvalidPayload)


# --- commands --------------------------------------------------------------------------------------------------------

COMMAND = """(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 100) "%s") (data (i32.const 0) "\\64\\00\\00\\00%s")
  (func (export "_start") (drop (call $w (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16))) %s))"""
OUT_OF_MEMORY = """(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (call $exit (i32.const 2))))"""


def command(rt: jn.Runtime, stderr: str, end: str, **options: Any) -> jn.Plugin:
    said = stderr.encode()
    hexed = ("".join(f"\\{byte:02x}" for byte in data) for data in (said, len(said).to_bytes(4, "little")))
    return rt.load(COMMAND % (*hexed, end), name="cmd", **options)


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        ("thread 'main' panicked at 'boom', src/main.rs:3\nnote: run\n", "It said: thread 'main' panicked at 'boom'"),
        ("thread 'main' panicked at src/main.rs:3:5:\nboom\nnote: run\n", "at src/main.rs:3:5: boom"),
        ("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", "It said: panic: boom"),
        ("Traceback (most recent call last):\n  File x\nValueError: no\n", "It said: ValueError: no"),
        ("no line end", "It said: no line end"),
    ],
)
@pytest.mark.parametrize("end", ["unreachable", "(call $exit (i32.const 3))"])
def test_the_last_words_of_a_command_stand_in_its_error(rt: jn.Runtime, stderr: str, says: str, end: str) -> None:
    p = command(rt, stderr, end)
    if end == "unreachable":
        assert says in told(p.run, jn.GuestTrap)
    else:
        assert p.run().returncode == 3
    assert says in rt.calls.iloc[-1]["error"]


def test_last_words_are_made_printable_and_cut(rt: jn.Runtime) -> None:
    text = told(command(rt, "\x1b[31m\u202e" + "x" * 900, "unreachable").run, jn.GuestTrap)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 500


def test_an_sdk_plugins_panic_stands_in_its_error(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    assert "It said: panicked at 'boom'" in told(lambda: p.call("panic", {"message": "boom"}), jn.GuestTrap)


def test_a_command_that_died_of_its_memory_quota_says_so(rt: jn.Runtime) -> None:
    result = command(rt, "", OUT_OF_MEMORY, quota={"memory": "1MiB"}).run(quota={"memory": "512MiB"})
    assert result.returncode == 2
    for text in (result.hint, repr(result), rt.calls.iloc[-1]["error"]):
        assert "Its memory quota of 1 MiB refused it 6.31 MiB." in text
        assert "That is the plugin's own limit: a call's quota of 512 MiB does not raise it." in text
    assert '%plugin quota cmd --memory 8MiB     or  p.policy.set_quota(memory="8MiB")' in result.hint


def test_a_quota_of_the_call_that_holds_is_raised_in_the_call(rt: jn.Runtime) -> None:
    result = command(rt, "", OUT_OF_MEMORY).run(quota={"memory": "1MiB"})
    assert 'p.run(..., quota=jn.Quota(memory="8MiB"))' in result.hint
    assert "own limit" not in result.hint


def test_a_command_that_was_refused_and_went_well_says_nothing(rt: jn.Runtime) -> None:
    result = command(rt, "", "(drop (memory.grow (i32.const 100)))", quota={"memory": "1MiB"}).run()
    assert (result.returncode, result.hint) == (0, "")


@pytest.mark.parametrize("status", [0, 3])
def test_the_denial_hint_stands_in_a_run_result(rt: jn.Runtime, status: int) -> None:
    tick = "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 32)))"
    result = command(rt, "", f"{tick} (call $exit (i32.const {status}))").run()
    assert result.returncode == status
    assert "It was denied before: %plugin grant cmd wall_clock" in result.hint


@pytest.mark.parametrize("kind", ["cpu", "wall", "answer", "host_calls"])
def test_a_larger_quota_of_a_call_is_not_cut_without_a_word(rt: jn.Runtime, kind: str) -> None:
    p = rt.load("example:specimen", quota={"cpu": "20ms"} if kind in {"cpu", "wall"} else None)
    small: dict[str, Any] = {"cpu": "20ms", "wall": "20ms", "answer": 10, "host_calls": 1}
    large: dict[str, Any] = {"cpu": "9s", "wall": "9s", "answer": 1000, "host_calls": 9}
    p.policy.set_quota(**{"cpu": "5s", kind: small[kind]})
    calls = {"answer": ("echo", "x" * 50), "host_calls": ("log", {"count": 5, "level": "info", "message": "x"})}
    function, payload = calls.get(kind, ("spin", {"ms": 3000}))
    if kind == "host_calls":
        function, payload = "call_host", {"service": "clock", "n": 3}
        p.policy.grant("wall_clock")
    text = told(lambda: p.call(function, payload, quota={kind: large[kind]}), jn.QuotaExceeded)
    assert "That is the plugin's own limit: a call's quota of" in text


# --- answers ---------------------------------------------------------------------------------------------------------


def answering(rt: jn.Runtime, pointer: int, length: int) -> jn.Plugin:
    function = (
        f'(func (export "f") (param i32 i32) (result i64) (call $reply (i32.const {pointer}) (i32.const {length})))'
    )
    return rt.load(compile_source("wat", f'(data (i32.const 1024) "hello") {function}'), name="p")


def test_bytes_that_are_no_json_are_shown(rt: jn.Runtime) -> None:
    text = told(lambda: answering(rt, 1024, 5).call("f"), jn.AbiViolation)
    assert "it is b'hello'" in text
    assert "swapped" not in text


def test_a_swapped_pointer_and_length_are_suspected(rt: jn.Runtime) -> None:
    text = told(lambda: answering(rt, 5, 1024).call("f"), jn.AbiViolation)
    assert "its 1024 bytes begin with b'" in text
    assert "its pointer 5 is less than its length 1024: were the two swapped?" in text


def test_a_swapped_answer_above_its_limit_is_suspected(rt: jn.Runtime) -> None:
    p = answering(rt, 5, 1024)
    p.policy.set_quota(answer=100)
    assert "were the two swapped?" in told(lambda: p.call("f"), jn.QuotaExceeded)


# --- modules ---------------------------------------------------------------------------------------------------------

MISTAKES = {
    "flat": ("(module\n (func (result i32)\n  i64.const 1\n  return))", 4),
    "folded": ("(module (func (result i32)\n (i32.add\n  (i64.const 1)\n  (i32.const 2))))", 2),
    "end": ("(module\n(func (drop (i32.const 1)))\n(func (result i64)\n i32.const 3\n))", 5),
    "else": ("(module (func (param i32)\n (if (local.get 0)\n (then)\n (else\n (drop (f32.neg (i32.const 1)))))))", 5),
    "table": ("(module (func (param i32)\n block block local.get 0 br_table 0 1 0 end end\n i64.const 1 i32.eqz))", 3),
    "import": ('(module (import "judicia:host" "fail" (func (param i32 i32) (result i64)))\n (func\n drop))', 3),
    "vector": ("(module (func\n v128.const i32x4 1 2 3 4\n i32.eqz\n drop))", 3),
    "global": ("(module\n\n (global i32 (i64.const 1)))", 3),
    "start": ("(module (func $s (param i32))\n (start $s))", 2),
    "data": ('(module (memory 1)\n (data (i64.const 1) "x"))', 2),
    "memory": ("(module\n (memory i64 1))", 2),
    "export": ('(module\n\n (export "a" (func 7)))', 3),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_the_validator_refuses_has_its_line(rt: jn.Runtime, tmp_path: Path, name: str) -> None:
    text, line = MISTAKES[name]
    (tmp_path / "cell.wat").write_text(text)
    for source in (text, text.encode(), tmp_path / "cell.wat"):
        error = told(lambda source=source: rt.load(source, name="p"), jn.LoadError)
        assert f"line {line}, column" in error
        assert text.split("\n")[line - 1] in error
        assert "at offset" not in error


def test_a_cells_own_line_is_named_behind_its_prelude(rt: jn.Runtime) -> None:
    cell = '\n(func (export "f") (param i32 i32) (result i64)\n  local.get 0\n  i64.add)\n'
    assert "line 4, column 3" in told(lambda: rt.load(compile_source("wat", cell), name="p"), jn.CompileError)


def test_several_forms_of_a_kind_are_all_named(rt: jn.Runtime) -> None:
    text = "(module (global i32 (i32.const 1))\n (global i32\n (i64.const 1)))"
    assert "in one of the lines 1, 2" in told(lambda: rt.load(text, name="p"), jn.CompileError)


def test_a_line_without_end_is_cut_around_the_mistake(rt: jn.Runtime) -> None:
    text = f"(module (func (result i32) {'nop ' * 5000} i64.const 1))"
    error = told(lambda: rt.load(text, name="p"), jn.CompileError)
    assert len(error) < 500
    assert "line 1, column" in error


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("(tag)", '("exceptions",)'),
        ("(func $f return_call $f) (memory i64 1)", '("tail_calls", "memory64")'),
        ("(func (param exnref))", '("exceptions",)'),
    ],
)
def test_a_module_that_uses_a_feature_which_is_off_is_told_how_to_switch_it_on(
    rt: jn.Runtime, text: str, features: str
) -> None:
    error = told(lambda: rt.load(f"(module\n {text})", name="p"), jn.CompileError)
    assert f"features={features} switches it on" in error


@pytest.mark.parametrize(("text", "name"), [("(memory 1 1 shared)", "threads"), ("(type (struct)) (tag)", "gc")])
def test_a_feature_that_cannot_be_switched_on_is_not_suggested(rt: jn.Runtime, text: str, name: str) -> None:
    for features in ((), ("exceptions",)):
        load = lambda features=features: rt.load(f"(module\n {text})", name="p", features=features)  # noqa: E731
        error = told(load, jn.CompileError)
        assert f"It uses {name}, which cannot be switched on: " in error
        assert "features=" not in error


def test_of_a_large_module_only_what_it_declares_is_looked_at(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judicia_notebook.runtime.linking._MOST_CODE", 30)
    assert "features=" not in told(lambda: rt.load("(module (func $f return_call $f))", name="p"), jn.CompileError)
    text = "(module (tag) (func $f return_call $f))"
    assert 'features=("exceptions",) ' in told(lambda: rt.load(text, name="p"), jn.CompileError)


# --- imports ---------------------------------------------------------------------------------------------------------


def test_all_unknown_imports_are_named(rt: jn.Runtime) -> None:
    text = """(module (import "env" "iswspace" (func (param i32) (result i32)))
      (import "env" "iswalpha" (func (param i32) (result i32))) (import "env" "__stack_pointer" (global (mut i32))))"""
    for options in ({}, {"unknown_imports": "trap"}):
        error = told(lambda options=options: rt.load(text, name="p", **options), jn.UnknownImport)
        for name in ("env.iswspace", "env.iswalpha", "env.__stack_pointer (a global)", "side module"):
            assert name in error
        assert 'unknown_imports="trap" loads it anyway' not in error


@pytest.mark.parametrize(
    ("module", "name", "whose"),
    [
        ("./x_bg.js", "__wbindgen_throw", "wasm-bindgen"),
        ("wbg", "__wbg_log", "wasm-bindgen"),
        ("env", "emscripten_memcpy_js", "Emscripten"),
        ("a", "a", "Emscripten"),
        ("gojs", "runtime.wasmExit", "GOOS=wasip1"),
        ("extism:host/env", "input_length", "Extism"),
        ("env", "proxy_log", "proxy-wasm"),
        ("wapc", "__guest_request", "waPC"),
        ("env", "abort", "AssemblyScript"),
        ("env", "iswspace", "C linker"),
        ("GOT.func", "puts", "side module"),
        ("wasi", "thread-spawn", "threads"),
        ("wasi:cli/run@0.2.0", "run", "component"),
    ],
)
def test_whose_imports_these_are(rt: jn.Runtime, module: str, name: str, whose: str) -> None:
    error = told(lambda: rt.load(f'(module (import "{module}" "{name}" (func)))', name="p"), jn.UnknownImport)
    assert whose in error
    assert 'unknown_imports="trap"' in error


def test_an_imported_memory_says_how_to_link(rt: jn.Runtime) -> None:
    error = told(lambda: rt.load('(module (import "env" "memory" (memory 1)))', name="p"), jn.UnknownImport)
    assert "without --import-memory" in error


def test_the_way_around_is_there_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    path = tmp_path / "x.wat"
    path.write_text(ADD.replace("(module", '(module (import "env" "f" (func))'))
    assert main(["run", str(path), "add", "3", "4"]) == 1
    assert "--unknown-imports trap" in capsys.readouterr().err
    assert main(["run", "--unknown-imports", "trap", str(path), "add", "3", "4"]) == 0
    assert capsys.readouterr().out == "7\n"


# --- raw modules -----------------------------------------------------------------------------------------------------

RAW = """(module (memory (export "memory") 1) (global (export "base") i32 (i32.const 16))
  (func (export "add") (param i32 i32) (result i32) (i32.const 1))
  (func (export "mean") (param f64 f64) (result f64) (f64.const 1)))"""


def test_a_raw_module_shows_what_can_be_called(rt: jn.Runtime) -> None:
    from judicia_notebook.notebook import object_cards

    p = rt.load(RAW, name="p")
    inspection = str(p.inspect())
    cards = [str(object_cards.plugin_card(p)), str(object_cards.inspection_card(p.inspect()))]
    for text in (inspection, *cards):
        assert "add(i32, i32) -> i32" in text
        assert "mean(f64, f64) -> f64" in text
    assert "base (global)" in inspection


def test_calling_a_raw_module_says_what_it_lacks_and_not_what_it_has(rt: jn.Runtime) -> None:
    p = rt.load(RAW, name="p")
    error = told(lambda: p.call("add"), jn.AbiMismatch)
    assert "it lacks exports that ABI 1 needs: judicia_alloc (i32) -> i32, judicia_free" in error
    assert "memory" not in error
    assert "Did you mean 'mean'" in told(lambda: p.call("maen"), jn.NoSuchFunction)


# --- and the rest ----------------------------------------------------------------------------------------------------


def test_a_missing_file_names_the_folder(rt: jn.Runtime, tmp_path: Path) -> None:
    assert f"in {tmp_path}" in told(lambda: rt.load(tmp_path / "no.wasm"), jn.LoadError)
    assert "which is no folder" in told(lambda: rt.load(tmp_path / "no" / "no.wasm"), jn.LoadError)


def test_no_wasi_command_says_what_is_missing(rt: jn.Runtime) -> None:
    assert "it exports no _start" in told(lambda: rt.load("(module)", abi="wasi"), jn.AbiMismatch)
    wrong = '(module (memory (export "memory") 1) (func (export "_start") (param i32)))'
    assert "its _start is (i32) -> ()" in told(lambda: rt.load(wrong, abi="wasi"), jn.AbiMismatch)
    bare = '(module (func (export "_start")))'
    assert "it exports no memory" in told(lambda: rt.load(bare, abi="wasi"), jn.AbiMismatch)


def test_a_report_after_a_refused_grow_names_the_refusal_also_in_a_kept_instance(rt: jn.Runtime) -> None:
    p = rt.load(REPORTS_WITHOUT_MEMORY, name="reports", quota={"memory": "1MiB"})
    for _ in range(2):  # Python makes the first call, since there is no instance yet, and the core the second
        text = told(lambda: p.call("fails"), jn.GuestError)
        assert "no room for it" in text
        assert "Its memory quota of 1 MiB refused it 62.5 MiB." in text
    p.call("echo", 1)
    assert rt.calls["instance_id"].nunique() == 1
