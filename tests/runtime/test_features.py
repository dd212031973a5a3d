"""Features of WebAssembly that a load switches on: by name, off by default, kept, audited and shown."""

from __future__ import annotations

from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.features import OPTIONAL, REFUSED
from judicia_notebook.notebook.object_cards import plugin_card
from judicia_notebook.wasm.features import FEATURES

TAGGED = """(module (tag $e (param i32)) (memory (export "memory") 1) (data (i32.const 16) "hello")
  (func (export "room") (result i32) (i32.load8_u (i32.const 16)))
  (func (export "caught") (result i32)
    (block $h (result i32) (try_table (result i32) (catch $e $h) (throw $e (i32.const 42)))))
  (func (export "uncaught") (throw $e (i32.const 42))))"""
PLAIN = '(module (func (export "one") (result i32) (i32.const 1)))'


def load(rt: jn.Runtime, name: str, **options: Any) -> jn.Plugin:
    return rt.load(TAGGED, name=name, isolate_compile=False, **options)


@pytest.mark.parametrize(
    "features",
    ["exceptions", ("exceptions",), ["exceptions"], {"exceptions"}, iter(["exceptions", "exceptions"])],
)
def test_names_come_in_any_form(rt: jn.Runtime, features: Any) -> None:
    plugin = load(rt, "p", features=features)
    assert plugin.features == ("exceptions",)
    assert [plugin.raw(name)() for name in ("room", "caught")] == [ord("h"), 42]
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.raw("uncaught")()
    assert caught.value.trap == "uncaught_exception"


def test_they_are_off_by_default_and_stay_as_they_were_loaded(rt: jn.Runtime) -> None:
    with pytest.raises(jn.CompileError, match=r'features=\("exceptions",\) switches it on'):
        load(rt, "p")
    assert not rt.plugins
    plugin = load(rt, "p", features=("tail_calls", "exceptions"))
    assert plugin.features == ("exceptions", "tail_calls")
    assert load(rt, "p", metering="epochs").features == ("exceptions", "tail_calls")
    assert rt.reload("p").features == ("exceptions", "tail_calls")
    assert plugin.raw("caught")() == 42
    with pytest.raises(jn.CompileError):
        load(rt, "p", features=())
    assert plugin.features == ("exceptions", "tail_calls")
    assert rt.load(PLAIN, name="p", features=()).features == ()
    with pytest.raises(jn.CompileError):
        load(rt, "p")


def test_a_file_that_claims_the_name_does_not_get_them(rt: jn.Runtime) -> None:
    manifest = {"name": "p"}
    first = rt.load(TAGGED, manifest=manifest, features="exceptions", isolate_compile=False, abi="raw")
    assert (first.name, first.features) == ("p", ("exceptions",))
    other = rt.load(PLAIN, manifest=manifest, abi="raw")
    assert (other.name, other.features) == ("p-2", ())


def test_the_audit_the_card_and_the_inspection_name_them(rt: jn.Runtime) -> None:
    plugin = load(rt, "p", features=("tail_calls", "exceptions"))
    load(rt, "p", features="exceptions")
    first, second = rt.audit["detail"]
    assert first.endswith("; with exceptions, tail_calls")
    assert second == "tail_calls switched off"
    assert plugin.inspect().features == ("exceptions",)
    assert "features    exceptions" in str(plugin.inspect())
    assert "exceptions" in str(plugin_card(plugin))
    assert rt.inspect(PLAIN).features == ()
    assert "features" not in str(plugin_card(rt.load(PLAIN, name="plain")))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("exeptions", "no feature 'exeptions' to switch on. Did you mean 'exceptions'?"),
        ("threads", "threads cannot be switched on: a shared memory would bypass the account"),
        (["exceptions", "gc"], "gc cannot be switched on: its collector"),
        ("legacy_exceptions", "wasm-opt --translate-to-exnref"),
        (["x" * 1_000_000], "xxx"),
        ("\x1b[2Jexceptions", "no feature '\N{REPLACEMENT CHARACTER}[2J"),
        ([7], "no feature int"),
        (7, "features is a tuple of names"),
        (b"exceptions", "not bytes"),
        ({"exceptions": True}, "not dict"),
    ],
)
def test_what_is_no_such_feature_is_refused_and_nothing_is_loaded(rt: jn.Runtime, features: Any, message: str) -> None:
    with pytest.raises(jn.PolicyError) as caught:
        rt.load(PLAIN, name="p", features=features)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)
    assert not rt.plugins
    assert rt.audit.empty


def test_each_feature_has_the_name_by_which_modules_are_told_to_use_it() -> None:
    assert set(OPTIONAL) <= set(FEATURES)
    assert not set(OPTIONAL) & set(REFUSED)
    assert set(REFUSED) - {"stack_switching"} <= set(FEATURES)


def test_a_bench_and_a_sweep_of_the_plugin_have_them(rt: jn.Runtime) -> None:
    plugin = load(rt, "p", features="exceptions")
    for metering in ("epochs", "none"):
        assert plugin.bench("caught", numbers=(), repeats=1, warmup=0, metering=metering).metering == metering
    frame = jn.sweep(plugin, "caught", numbers=[()], metering=("full", "none"), repeats=1, progress=False)
    assert set(frame["outcome"]) == {"ok"}


def test_the_type_externref_is_on(rt: jn.Runtime) -> None:
    plugin = rt.load("""(module (table $held (export "held") 8 externref) (memory 0) (memory 1)
      (data (memory 1) (i32.const 16) "hello")
      (func (export "grow") (param i32) (result i32) (table.grow $held (ref.null extern) (local.get 0)))
      (func (export "byte") (result i32) (i32.load8_u 1 (i32.const 16)))
      (func (export "room") (result i32) (table.size $held)))""", name="p", quota={"table_elements": 100})  # fmt: skip
    assert [plugin.raw(name)() for name in ("room", "byte")] == [8, ord("h")]
    assert plugin.raw("grow")(93) == -1
    assert plugin.raw("grow")(92) == 8
    assert rt.calls["memory_bytes"].max() == 65536, "the heap behind the references stays empty"


def test_what_is_supplied_beside_a_heap_of_references_gets_its_own_data(rt: jn.Runtime) -> None:
    text = """(module (import "env" "held" (table $held 4 externref)) (import "env" "empty" (memory $empty 0))
      (import "env" "memory" (memory $given 1)) (memory $own 1) (data (memory $own) (i32.const 0) "own")
      (tag $e (param i32))
      (func (export "given") (result i32) (i32.load8_u $given (i32.const 0)))
      (func (export "own") (result i32) (i32.load8_u $own (i32.const 0)))
      (func (export "empty") (result i32) (memory.size $empty))
      (func (export "room") (result i32) (table.size $held))
      (func (export "caught") (result i32)
        (block $h (result i32) (try_table (result i32) (catch $e $h) (throw $e (i32.const 42))))))"""
    imports = {"env.held": None, "env.empty": None, "env.memory": b"given"}
    p = rt.load(text, name="p", imports=imports, features="exceptions", isolate_compile=False)
    answers = {name: p.raw(name)() for name in ("given", "own", "empty", "room", "caught")}
    assert answers == {"given": ord("g"), "own": ord("o"), "empty": 0, "room": 4, "caught": 42}
    assert rt.reload("p").features == ("exceptions",)
    assert p.raw("given")() == ord("g")
