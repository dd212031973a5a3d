"""Imports that Python functions answer: types, callers, grants, denials, rows."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from tests.support.documents import DOCS, run_examples

NOW = """(module (import "env" "now" (func $now (result f64)))
(func (export "go") (result f64) (call $now))
(func (export "many") (param $n i32) (result f64) (local $last f64)
  (loop $on
    (local.set $last (call $now))
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (br_if $on (local.get $n)))
  (local.get $last)))"""
SAY = """(module (import "env" "say" (func $say (param i32 i32) (result i32)))
(memory (export "memory") 1) (data (i32.const 16) "hello\\00")
(func (export "go") (param i32 i32) (result i32) (call $say (local.get 0) (local.get 1))))"""


def answering(params: str, results: str) -> str:
    """A module whose export hands its numbers to the import ``env.f`` and gives what that returns."""
    count = len(params.split())
    arguments = " ".join(f"(local.get {place})" for place in range(count))
    kind = f"(param {params}) (result {results})"
    return f"""(module (import "env" "f" (func $f {kind}))
        (func (export "go") {kind} (call $f {arguments})))"""


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "seen"),
    [
        ("i32", -1, -1),
        ("i32", 2**32 - 1, -1),
        ("i32", -(2**31), -(2**31)),
        ("i64", 2**63 - 1, 2**63 - 1),
        ("i64", 2**64 - 2, -2),
        ("f32", 1.5, 1.5),
        ("f64", -0.0, -0.0),
        ("f64", math.inf, math.inf),
    ],
)
def test_numbers_arrive_signed_and_go_back(rt: jn.Runtime, kind: str, given: float, seen: float) -> None:
    got: list[float] = []

    def f(number: float) -> float:
        got.append(number)
        return number

    plugin = rt.load(answering(kind, kind), imports={"env.f": f})
    assert plugin.raw("go")(given) == seen
    assert got == [seen]
    assert math.copysign(1, got[0]) == math.copysign(1, seen)


def test_several_results_are_a_tuple(rt: jn.Runtime) -> None:
    plugin = rt.load(answering("i32 f64", "f64 i32 i64"), imports={"env.f": lambda a, b: (b, a, -(2**40))})
    assert plugin.raw("go")(-7, 2.5) == (2.5, -7, -(2**40))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("i32", True), ("i32", np.int64(7)), ("i64", np.uint8(255)), ("f64", 3), ("f32", np.float32(0.5))],
)
def test_what_fits_a_type_is_taken(rt: jn.Runtime, kind: str, value: Any) -> None:
    plugin = rt.load(answering("", kind), imports={"env.f": lambda: value})
    assert plugin.raw("go")() == value


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("i32", "x", "is a text, and i32 takes a whole number"),
        ("i32", 1.5, "is a float, and i32 takes a whole number"),
        ("i32", 2**32, "is not within 32 bits"),
        ("i32", None, "is None, and i32 takes a whole number"),
        ("f64", b"1", "is bytes, and f64 takes a number"),
        ("f32", 1e300, "is not within the range of f32"),
        ("i32 i32", (1,), "returns a tuple of 2 values"),
        ("i32 i32", 1, "returns a tuple of 2 values"),
        ("i32 i32", (1, 2, 3), "returns a tuple of 2 values"),
        ("i32 i32", (1, "x"), "is a text"),
    ],
)
def test_a_result_that_does_not_fit_is_a_host_failure(rt: jn.Runtime, kind: str, value: Any, why: str) -> None:
    plugin = rt.load(answering("", kind), imports={"env.f": lambda: value})
    with pytest.raises(jn.HostFailure, match=why) as failed:
        plugin.raw("go")()
    assert isinstance(failed.value.__cause__, TypeError)
    assert rt.host_calls["decision"].tolist() == ["failed"]


def test_references_are_none_and_null(rt: jn.Runtime) -> None:
    got: list[object] = []

    def f(*numbers: object) -> None:
        got.extend(numbers)

    text = """(module (import "env" "f" (func $f (param i32 externref funcref) (result externref)))
    (func (export "go") (param i32) (result i32)
      (ref.is_null (call $f (local.get 0) (ref.null extern) (ref.null func)))))"""
    plugin = rt.load(text, imports={"env.f": f})
    assert plugin.raw("go")(-559038737) == 1
    assert got == [-559038737, None, None]


def test_a_vector_is_refused_with_the_types_that_are_taken(rt: jn.Runtime) -> None:
    with pytest.raises(jn.AbiMismatch, match="i32, i64, f32, f64 and references"):
        rt.load(answering("v128", "i32"), imports={"env.f": lambda v: 0})
    assert not rt.plugins


# --- the caller -------------------------------------------------------------------------------------------------------


def test_a_function_that_asks_for_it_gets_the_caller(rt: jn.Runtime) -> None:
    seen: list[Any] = []

    def say(caller: jn.Caller, pointer: int, length: int) -> int:
        seen.append((caller.plugin, caller.function, caller.imported, caller.memory.text(pointer), caller.cancelled))
        caller.memory.write(pointer, b"J")
        return len(caller.memory.read(pointer, length))

    plugin = rt.load(SAY, name="talker", imports={"env.say": say})
    assert plugin.raw("go")(16, 5) == 5
    assert plugin.raw("go")(16, 5) == 5
    assert seen == [("talker", "go", "env.say", text, False) for text in ("hello", "Jello")]


class Talker:
    def say(self, caller: jn.Caller, pointer: int, length: int) -> int:
        return int(caller.memory.size)


def test_a_method_with_an_annotation_as_text_gets_it_too(rt: jn.Runtime) -> None:
    assert rt.load(SAY, imports={"env.say": Talker().say}).raw("go")(0, 0) == 65536


def test_a_function_that_does_not_ask_gets_numbers_alone(rt: jn.Runtime) -> None:
    assert rt.load(SAY, imports={"env.say": lambda *numbers: len(numbers)}).raw("go")(0, 0) == 2
    assert rt.load(NOW, imports={"env.now": time.time}).raw("go")() == pytest.approx(time.time(), abs=60)


def test_a_long_function_sees_that_its_call_is_cancelled(rt: jn.Runtime) -> None:
    began = threading.Event()

    def now(caller: jn.Caller) -> float:
        began.set()
        while not caller.cancelled:
            time.sleep(0.001)
        return 1.0

    plugin = rt.load(NOW, imports={"env.now": now})
    handle = plugin.submit("go", numbers=())
    assert began.wait(30)
    handle.cancel()
    with pytest.raises(jn.Cancelled):
        handle.result(30)


def test_a_guest_that_aborts_is_a_trap_with_its_message(rt: jn.Runtime) -> None:
    def say(caller: jn.Caller, pointer: int, length: int) -> int:
        caller.log("about to go", "warning")
        caller.trap(caller.memory.text(pointer))

    plugin = rt.load(SAY, name="talker", imports={"env.say": say})
    with pytest.raises(jn.GuestTrap, match="It said: hello") as trapped:
        plugin.raw("go")(16, 5)
    assert trapped.value.trap == "abort"
    assert trapped.value.backtrace
    assert plugin.logs[["level", "message"]].values.tolist() == [["warning", "about to go"]]


def test_the_log_of_an_import_counts_against_the_quota(rt: jn.Runtime) -> None:
    def say(caller: jn.Caller, pointer: int, length: int) -> int:
        caller.log("x" * length)
        return 0

    plugin = rt.load(SAY, imports={"env.say": say}, quota={"log": "1KiB"})
    plugin.raw("go")(0, 1000)
    with pytest.raises(jn.QuotaExceeded, match="log"):
        plugin.raw("go")(0, 2000)


# --- grants -----------------------------------------------------------------------------------------------------------


def test_what_a_load_supplies_is_granted_to_that_plugin_alone(rt: jn.Runtime) -> None:
    first = rt.load(NOW, name="first", imports={"env.now": lambda: 1.0})
    assert first.policy.granted == {"imports=env.now"}
    with pytest.raises(jn.UnknownImport):
        rt.load(NOW, name="second", grant=["imports=env.now"])
    second = rt.load(NOW, name="second", imports={"env.now": lambda: 2.0})
    assert (first.raw("go")(), second.raw("go")()) == (1.0, 2.0)


def test_a_registered_function_is_granted_to_nobody(rt: jn.Runtime) -> None:
    rt.host.function("env", "now")(lambda: 3.0)
    plugin = rt.load(NOW, name="p")
    assert plugin.policy.granted == frozenset()
    with pytest.raises(jn.CapabilityDenied, match=r"imports=env\.now") as denied:
        plugin.raw("go")()
    assert denied.value.capability == "imports"
    assert denied.value.scope == "env.now"
    plugin.policy.grant("imports=env.now")
    assert plugin.raw("go")() == 3.0
    assert rt.load(NOW, name="q", grant=["imports"]).raw("go")() == 3.0
    assert isinstance(
        rt.load(NOW, name="r", grant=["imports=env.then"]).attempt("go", numbers=()).error, jn.CapabilityDenied
    )


def test_the_capability_that_it_names_allows_it_too(rt: jn.Runtime) -> None:
    @rt.host.function("env", "now", capability="wall_clock")
    def now() -> float:
        return 4.0

    plugin = rt.load(NOW, grant=["wall_clock"])
    assert plugin.raw("go")() == 4.0
    assert rt.host_calls["capability"].tolist() == ["wall_clock"]
    plugin.policy.revoke("wall_clock")
    assert isinstance(plugin.attempt("go", numbers=()).error, jn.CapabilityDenied)
    plugin.policy.grant("imports=env.now")
    assert plugin.raw("go")() == 4.0


def test_registered_anew_the_new_function_answers(rt: jn.Runtime) -> None:
    rt.host.function("env", "now")(lambda: 1.0)
    plugin = rt.load(NOW, grant=["imports=env.now"])
    assert plugin.raw("go")() == 1.0
    rt.host.function("env", "now")(lambda: 2.0)
    assert plugin.raw("go")() == 2.0
    assert rt.audit["what"].tolist().count("function") == 2


def test_a_denied_call_gets_the_value_that_the_user_named(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, imports={"env.now": jn.Import(lambda: 1.0, denied=-1.5)})
    plugin.policy.revoke("imports=env.now")
    assert plugin.raw("many")(1000) == -1.5
    rows = plugin.host_calls
    assert len(rows) == 1000
    assert set(rows["decision"]) == {"denied"}
    assert set(rows["capability"]) == {"imports"}
    assert plugin.last is not None
    assert plugin.last.denied == 1000
    plugin.policy.on_denied = "trap"
    with pytest.raises(jn.CapabilityDenied):
        plugin.raw("go")()


@pytest.mark.parametrize(("kind", "value"), [("i32", -5), ("i64", -(2**40)), ("f32", 0.25), ("f64", 1e300)])
def test_the_value_has_the_imports_type(rt: jn.Runtime, kind: str, value: float) -> None:
    plugin = rt.load(answering("", kind), imports={"env.f": jn.Import(lambda: 0, denied=value)})
    plugin.policy.revoke("imports=env.f")
    assert [plugin.raw("go")() for _ in range(3)] == [value] * 3


def test_a_revoke_in_mid_call_counts_at_the_next_host_call(rt: jn.Runtime) -> None:
    calls = 0

    def now() -> float:
        nonlocal calls
        calls += 1
        if calls == 10:
            plugin.policy.revoke("imports=env.now")
        return float(calls)

    plugin = rt.load(NOW, imports={"env.now": jn.Import(now, denied=-1.0)})
    assert plugin.raw("many")(20) == -1.0
    assert calls == 10
    assert plugin.host_calls["decision"].tolist() == ["allowed"] * 10 + ["denied"] * 10


def test_the_rate_holds(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, imports={"env.now": jn.Import(lambda: 1.0, denied=0.0)}, quota={"host_call_rate": 5})
    plugin.raw("many")(200)
    assert {"allowed", "limited"} == set(plugin.host_calls["decision"])
    other = rt.load(NOW, name="other", imports={"env.now": lambda: 1.0}, quota={"host_call_rate": 5})
    with pytest.raises(jn.QuotaExceeded, match="host_call_rate"):
        other.raw("many")(200)
    with pytest.raises(jn.QuotaExceeded, match="host_calls"):
        plugin.raw("many").__call__(200, quota={"host_calls": 100})


def test_an_exception_is_a_host_failure_with_its_cause(rt: jn.Runtime) -> None:
    def now() -> float:
        raise LookupError("no clock here")

    plugin = rt.load(NOW, imports={"env.now": now})
    with pytest.raises(jn.HostFailure, match="LookupError: no clock here") as failed:
        plugin.raw("go")()
    assert isinstance(failed.value.__cause__, LookupError)


def test_captures_have_what_was_said(rt: jn.Runtime) -> None:
    plugin = rt.load(answering("i32 f64", "i64"), imports={"env.f": lambda a, b: 7})
    story = plugin.trace("go", numbers=(-3, 2.5))
    assert any("-3, 2.5" in step.text for step in story.steps)


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("imports", "why"),
    [
        ({"env.nwo": lambda: 1.0}, "does not import env.nwo. Did you mean 'env.now'"),
        ({"env.now": 7}, "env.now is a function, and a number was supplied"),
        ({"env.now": [1]}, "supplies env.now with a list"),
        ({"env.now": jn.Import(lambda: 1.0, denied=1)}, ""),
        ({7: lambda: 1.0}, "imports names 7"),
        ([("env.now", time.time)], "imports is a dict"),
    ],
)
def test_a_mistake_is_named(rt: jn.Runtime, imports: Any, why: str) -> None:
    if not why:
        rt.load(NOW, imports=imports)
        return
    with pytest.raises(jn.LoadError, match=why):
        rt.load(NOW, imports=imports)
    assert not rt.plugins


def test_a_value_for_a_denied_call_must_fit(rt: jn.Runtime) -> None:
    with pytest.raises(jn.LoadError, match=r"denied= of env\.f is a float"):
        rt.load(answering("", "i32"), imports={"env.f": jn.Import(lambda: 0, denied=0.5)})
    with pytest.raises(jn.LoadError, match="one numeric result"):
        rt.load(answering("", "i32 i32"), imports={"env.f": jn.Import(lambda: (0, 0), denied=0)})


def test_a_name_with_dots_is_found_and_an_ambiguous_one_is_refused(rt: jn.Runtime) -> None:
    text = '(module (import "a.b" "c" (func $f (result i32))) (func (export "go") (result i32) (call $f)))'
    assert rt.load(text, imports={"a.b.c": lambda: 1}).raw("go")() == 1
    assert rt.load(text, imports={("a.b", "c"): lambda: 2}).raw("go")() == 2
    both = '(module (import "a.b" "c" (func (result i32))) (import "a" "b.c" (func (result i32))))'
    with pytest.raises(jn.LoadError, match=r"two imports are called a\.b\.c"):
        rt.load(both, imports={"a.b.c": lambda: 1})


def test_a_name_that_no_grant_could_have_is_encoded(rt: jn.Runtime) -> None:
    text = (
        '(module (import "js" "eval: $x (a) {b}" (func $f (result i32))) (func (export "go") (result i32) (call $f)))'
    )
    plugin = rt.load(text, imports={("js", "eval: $x (a) {b}"): lambda: 1})
    (grant,) = plugin.policy.granted
    assert grant == "imports=js.eval%3A%20%24x%20%28a%29%20%7Bb%7D"
    plugin.policy.revoke(grant)
    assert isinstance(plugin.attempt("go", numbers=()).error, jn.CapabilityDenied)
    plugin.policy.grant(grant)
    assert plugin.raw("go")() == 1


def test_the_platforms_own_functions_cannot_be_supplied(rt: jn.Runtime) -> None:
    clock = '(module (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32))))'
    with pytest.raises(jn.LoadError, match="the platform's own"):
        rt.load(clock, imports={"wasi_snapshot_preview1.random_get": lambda a, b: 0})
    with pytest.raises(jn.PolicyError, match="the platform's own"):
        rt.host.function("judicia:clock", "now")(lambda a, b: 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: jn.Import("no function"),  # type: ignore[arg-type]
        lambda: jn.Import(time.time, denied="x"),  # type: ignore[arg-type]
        lambda: jn.Import(time.time, capability="wall_clok"),
    ],
)
def test_an_import_is_checked_when_it_is_made(make: Callable[[], object]) -> None:
    with pytest.raises(jn.PolicyError):
        make()


async def later() -> float:
    return 1.0


def test_an_async_function_is_refused(rt: jn.Runtime) -> None:
    with pytest.raises(jn.LoadError, match="nothing would await"):
        rt.load(NOW, imports={"env.now": later})
    plugin = rt.load(NOW, imports={"env.now": lambda *_: later()})
    with pytest.raises(jn.HostFailure, match="coroutine"):
        plugin.raw("go")()


# --- loading again ----------------------------------------------------------------------------------------------------


def test_a_reload_keeps_the_functions_and_not_a_grant_that_was_revoked(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, name="p", imports={"env.now": lambda: 1.0})
    plugin.policy.revoke("imports=env.now")
    rt.reload("p")
    assert isinstance(plugin.attempt("go", numbers=()).error, jn.CapabilityDenied)
    rt.load(NOW, name="p", imports={"env.now": lambda: 2.0})
    assert plugin.raw("go")() == 2.0


def test_other_code_under_the_name_may_import_less(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, name="p", imports={"env.now": lambda: 1.0})
    rt.load('(module (func (export "go") (result f64) (f64.const 7)))', name="p")
    assert plugin.raw("go")() == 7.0


def test_what_it_imports_is_told(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, imports={"env.now": lambda: 1.0})
    (imported,) = plugin.inspect().imports
    assert (imported.module, imported.name, imported.capability, imported.known) == ("env", "now", "imports", True)
    assert "env now  (imports)" in str(plugin.inspect())


def test_a_sweep_of_it_says_why_it_cannot_be(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, imports={"env.now": lambda: 1.0})
    with pytest.raises(jn.JudiciaError, match="Python functions"):
        jn.sweep(plugin, "go", numbers=[()])


def test_with_another_metering_the_functions_answer_too(rt: jn.Runtime) -> None:
    plugin = rt.load(NOW, imports={"env.now": lambda: 1.0})
    assert plugin.bench("go", numbers=(), repeats=6, metering="epochs").warm is not None
    with pytest.raises(jn.PolicyError, match="without metering"):
        plugin.bench("go", numbers=(), repeats=6, metering="none")


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_its_examples_print(capsys: pytest.CaptureFixture[str]) -> None:
    run_examples("imports.md", capsys)


def test_the_page_has_every_preset() -> None:
    page = (DOCS / "imports.md").read_text("utf-8")
    assert set(jn.presets.NAMES) == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    made = {name for name, value in vars(jn.presets).items() if name.islower() and isinstance(value, MappingProxyType)}
    assert {name for name in made if not name.startswith("_")} == set(jn.presets.NAMES)
