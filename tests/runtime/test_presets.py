"""Presets of imports, with modules that import as their toolchains make them."""

from __future__ import annotations

import pytest

import judicia_notebook as jn

TEXT = "Grüße"
UTF16 = "".join(
    f"\\{byte:02x}" for byte in len(TEXT.encode("utf-16-le")).to_bytes(4, "little") + TEXT.encode("utf-16-le")
)
ASSEMBLYSCRIPT = f"""(module
(import "env" "abort" (func $abort (param i32 i32 i32 i32)))
(import "env" "console.log" (func $log (param i32)))
(import "env" "seed" (func $seed (result f64)))
(memory (export "memory") 1) (data (i32.const 96) "{UTF16}")
(func (export "fail") (call $abort (i32.const 100) (i32.const 100) (i32.const 7) (i32.const 3)))
(func (export "wild") (call $abort (i32.const -4) (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "say") (call $log (i32.const 100)))
(func (export "seed") (result f64) (call $seed)))"""
EMSCRIPTEN = """(module
(import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))
(import "env" "_emscripten_memcpy_js" (func $copy (param i32 i32 i32)))
(import "env" "__assert_fail" (func $assert (param i32 i32 i32 i32)))
(memory (export "memory") 1) (data (i32.const 16) "x > 0\\00a.c\\00main\\00")
(func (export "copy") (result i32) (call $grown (i32.const 0))
  (call $copy (i32.const 200) (i32.const 16) (i32.const 5)) (i32.load8_u (i32.const 200)))
(func (export "assert") (call $assert (i32.const 16) (i32.const 22) (i32.const 12) (i32.const 26))))"""
BINDGEN = """(module
(import "./x_bg.js" "__wbindgen_init_externref_table" (func $init))
(import "./x_bg.js" "__wbg_log_ea240990d83e374e" (func $log (param i32)))
(import "./x_bg.js" "__wbg___wbindgen_throw_dd24417ed36fc46e" (func $throw (param i32 i32)))
(memory (export "memory") 1) (data (i32.const 16) "index out of range")
(func (export "start") (call $init))
(func (export "log") (call $log (i32.const 1)))
(func (export "throw") (call $throw (i32.const 16) (i32.const 18)))
(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"""


def said(plugin: jn.Plugin, function: str) -> str:
    error = plugin.attempt(function, numbers=()).error
    assert isinstance(error, jn.GuestTrap)
    assert error.trap == "abort"
    return str(error)


def test_assemblyscript(rt: jn.Runtime) -> None:
    plugin = rt.load(ASSEMBLYSCRIPT, imports=jn.presets.assemblyscript)
    assert plugin.policy.granted == {"imports=env.abort", "imports=env.console.log", "imports=env.seed"}
    assert f"It said: {TEXT} in {TEXT}:7:3" in said(plugin, "fail")
    assert isinstance(plugin.attempt("wild", numbers=()).error, jn.HostFailure)
    plugin.raw("say")()
    assert plugin.logs["message"].tolist() == [TEXT]
    assert plugin.raw("seed")() >= 0
    plugin.policy.revoke("imports=env.seed")
    assert isinstance(plugin.attempt("seed", numbers=()).error, jn.CapabilityDenied)


def test_emscripten(rt: jn.Runtime) -> None:
    plugin = rt.load(EMSCRIPTEN, imports=jn.presets.emscripten_standalone)
    assert plugin.raw("copy")() == ord("x")
    assert "assertion failed: x > 0 in main (a.c:12)" in said(plugin, "assert")


def test_wasm_bindgen(rt: jn.Runtime) -> None:
    plugin = rt.load(BINDGEN, imports=jn.presets.wasm_bindgen_stub)
    plugin.raw("start")()
    assert plugin.raw("add")(2, 3) == 5
    assert "./x_bg.js.__wbg_log_ea240990d83e374e is JavaScript" in said(plugin, "log")
    assert "index out of range" in said(plugin, "throw")


def test_a_preset_can_be_added_to(rt: jn.Runtime) -> None:
    text = ASSEMBLYSCRIPT.replace(
        '(import "env" "seed"', '(import "env" "answer" (func (result i32))) (import "env" "seed"'
    )
    with pytest.raises(jn.UnknownImport):
        rt.load(text, imports=jn.presets.assemblyscript)
    plugin = rt.load(text, imports={**jn.presets.assemblyscript, "env.answer": lambda: 42, "env.seed": lambda: 0.5})
    assert plugin.raw("seed")() == 0.5


def test_a_preset_grants_nothing_that_is_not_imported(rt: jn.Runtime) -> None:
    plugin = rt.load('(module (func (export "f")))', imports=jn.presets.assemblyscript)
    assert plugin.policy.granted == frozenset()
    with pytest.raises(TypeError):
        jn.presets.assemblyscript["env", "abort"] = None  # type: ignore[index]
