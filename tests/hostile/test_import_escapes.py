"""Guests, and functions, that misuse an import which Python answers: each ends in a typed error, and nothing is lost.

The canary is another plugin with state of its own, a counter in the notebook, and the runtime's records.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn

COUNTER = """(module (global $n (mut i32) (i32.const 0))
(func (export "count") (result i32)
  (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"""
GUEST = """(module (import "env" "f" (func $f (param i32 i32) (result i32)))
(memory (export "memory") 1 4) (data (i32.const 16) "hello\\00")
(func (export "go") (param i32 i32) (result i32) (call $f (local.get 0) (local.get 1)))
(func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
(func (export "other") (result i32) (i32.const 9)))"""

ALLOWED = pytest.mark.wall({"judicia_notebook.host.imports.offer:ImportOffer.is_allowed": "lambda *_: True"})
ONE_CALL = pytest.mark.wall({"judicia_notebook.host.imports.caller:Caller.end": "lambda caller: None"})
ONE_THREAD = pytest.mark.wall(
    {"judicia_notebook.host.imports.caller:Caller._present": "lambda caller: (caller._scope, caller._sandbox)"}
)
FITS = pytest.mark.wall({"judicia_notebook.host.imports.offer:ImportCall._result": "lambda call, kind, value: 0"})
SHORT_NAMES = pytest.mark.wall({"judicia_notebook.host.imports.offer:_LONGEST": "10**9"})


@pytest.fixture(autouse=True)
def canary(rt: jn.Runtime) -> Iterator[None]:
    plugin = rt.load(COUNTER, name="canary")
    assert plugin.raw("count")() == 1
    yield
    assert plugin.raw("count")() == 2
    assert rt.plugins["canary"].state == "ready"
    assert set(plugin.calls["outcome"]) == {"ok"}


def load(rt: jn.Runtime, function: Callable[..., Any], **options: Any) -> jn.Plugin:
    return rt.load(GUEST, name="guest", imports={"env.f": function}, **options)


def counting(calls: list[int]) -> Callable[[int, int], int]:
    """A function that notes its calls."""

    def f(pointer: int, length: int) -> int:
        calls.append(pointer)
        return 0

    return f


# --- re-entry ---------------------------------------------------------------------------------------------------------


def test_an_import_that_calls_its_own_plugin_ends_without_a_deadlock(rt: jn.Runtime) -> None:
    def again(pointer: int, length: int) -> int:
        return int(plugin.raw("go")(pointer, length))

    plugin = load(rt, again)
    with pytest.raises(jn.HostFailure) as failed:
        plugin.raw("go")(0, 0)
    assert isinstance(failed.value.__cause__, jn.PluginNotReady)
    assert plugin.raw("other")() == 9


def test_an_import_that_calls_fresh_instances_for_ever_ends(rt: jn.Runtime) -> None:
    def again(pointer: int, length: int) -> int:
        return int(plugin.raw("go")(pointer, length))

    plugin = load(rt, again, instances="fresh", quota={"wall": "5s"})
    with pytest.raises(jn.CallError):
        plugin.raw("go")(0, 0)
    assert plugin.raw("other")() == 9


def test_an_import_that_unloads_its_plugin_ends_its_call_alone(rt: jn.Runtime) -> None:
    def unload(pointer: int, length: int) -> int:
        rt.unload("guest")
        return 1

    plugin = load(rt, unload)
    with pytest.raises(jn.Cancelled):
        plugin.raw("go")(0, 0)
    assert "guest" not in rt.plugins


def test_an_import_that_replaces_its_plugin_does_not_change_the_call(rt: jn.Runtime) -> None:
    def replace(pointer: int, length: int) -> int:
        rt.load('(module (func (export "go") (param i32 i32) (result i32) (i32.const 3)))', name="guest")
        return 5

    plugin = load(rt, replace)
    outcome = plugin.attempt("go", numbers=(0, 0))
    assert outcome.value == 5 or isinstance(outcome.error, jn.CallError)
    assert plugin.raw("go")(0, 0) == 3


# --- exceptions -------------------------------------------------------------------------------------------------------


class Odd(BaseException):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    "raised", [ValueError("x" * 10**6), SystemExit(3), GeneratorExit(), RecursionError(), MemoryError(), Odd()]
)
def test_whatever_an_import_raises_the_guest_does_not_go_on(rt: jn.Runtime, raised: BaseException) -> None:
    def f(pointer: int, length: int) -> int:
        raise raised

    plugin = load(rt, f)
    with pytest.raises((jn.HostFailure, jn.ResourceExhausted)):
        plugin.raw("go")(0, 0)
    assert plugin.raw("other")() == 9
    assert len(rt.host_calls) == 1


def test_an_interrupt_in_an_import_is_an_interrupt(rt: jn.Runtime) -> None:
    def f(pointer: int, length: int) -> int:
        raise KeyboardInterrupt

    plugin = load(rt, f)
    with pytest.raises(KeyboardInterrupt):
        plugin.raw("go")(0, 0)
    assert plugin.raw("other")() == 9


def test_an_error_of_another_plugin_inside_an_import_is_not_the_guests(rt: jn.Runtime) -> None:
    other = rt.load('(module (func (export "f") (unreachable)))', name="inner")
    plugin = load(rt, lambda pointer, length: other.raw("f")())
    with pytest.raises(jn.HostFailure) as failed:
        plugin.raw("go")(0, 0)
    assert failed.value.plugin == "guest"
    assert isinstance(failed.value.__cause__, jn.GuestTrap)


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pointer", "length"), [(0, 65537), (65536, 1), (-1, 1), (-1, 2), (2**31 - 1, 2**31 - 1), (65535, 2)]
)
def test_an_import_cannot_write_or_read_outside_the_guests_memory(rt: jn.Runtime, pointer: int, length: int) -> None:
    def f(caller: jn.Caller, pointer: int, length: int) -> int:
        with pytest.raises(jn.InvalidPayload):
            caller.memory.read(pointer, length & 0xFFFFFFFF)
        with pytest.raises(jn.InvalidPayload):
            caller.memory.text(pointer, length & 0xFFFFFFFF)
        caller.memory.write(pointer, b"\xff" * min(length & 0xFFFFFFFF, 70000))
        return 0

    plugin = load(rt, f)
    with pytest.raises(jn.HostFailure, match="does not lie in the memory"):
        plugin.raw("go")(pointer, length)
    assert plugin.raw("peek")(65535) == 0


kept: list[jn.Caller] = []


@ONE_CALL
def test_a_caller_that_is_kept_refuses_after_its_call(rt: jn.Runtime) -> None:
    def f(caller: jn.Caller, pointer: int, length: int) -> int:
        kept.append(caller)
        return 0

    plugin = load(rt, f)
    kept.clear()
    plugin.raw("go")(0, 0)
    rt.unload("guest")
    for use in (
        lambda: kept[0].memory.read(16, 5),
        lambda: kept[0].memory.write(16, b"x"),
        lambda: kept[0].cancelled,
        lambda: kept[0].log("x"),
        lambda: kept[0].trap("x"),
    ):
        with pytest.raises(jn.PluginNotReady, match="that call is over"):
            use()
    assert "guest.go" in repr(kept[0])


@ONE_CALL
def test_a_caller_that_is_kept_refuses_in_the_next_call(rt: jn.Runtime) -> None:
    def f(caller: jn.Caller, pointer: int, length: int) -> int:
        kept.append(caller)
        return len(kept[0].memory.read(16, 5))

    plugin = load(rt, f)
    kept.clear()
    assert plugin.raw("go")(0, 0) == 5
    with pytest.raises(jn.HostFailure, match="that call is over"):
        plugin.raw("go")(0, 0)


@ONE_THREAD
def test_a_caller_refuses_another_thread(rt: jn.Runtime) -> None:
    seen: list[object] = []

    def f(caller: jn.Caller, pointer: int, length: int) -> int:
        def read() -> None:
            try:
                seen.append(caller.memory.read(16, 5))
            except jn.JudiciaError as error:
                seen.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        return 0

    load(rt, f).raw("go")(0, 0)
    assert isinstance(seen[0], jn.PluginNotReady)


# --- types and names that lie -----------------------------------------------------------------------------------------


@FITS
@pytest.mark.parametrize("value", ["16", 2**32, -(2**31) - 1, 1.0, None, b"\0", [], float("nan"), 10**400])
def test_a_value_that_is_no_i32_never_reaches_the_guest(rt: jn.Runtime, value: Any) -> None:
    with pytest.raises(jn.HostFailure) as failed:
        load(rt, lambda pointer, length: value).raw("go")(0, 0)
    assert isinstance(failed.value.__cause__, TypeError)


def test_a_number_of_the_guest_never_becomes_a_reference(rt: jn.Runtime) -> None:
    text = """(module (import "env" "f" (func $f (param i64) (result externref)))
    (table $t 1 externref)
    (func (export "go") (param i64) (result i32)
      (table.set $t (i32.const 0) (call $f (local.get 0)))
      (ref.is_null (table.get $t (i32.const 0)))))"""
    plugin = rt.load(text, name="guest", imports={"env.f": lambda number: None})
    assert [plugin.raw("go")(number) for number in (1, 2, -1, 0x41414141)] == [1, 1, 1, 1]
    lies = rt.load(text, name="lies", imports={"env.f": lambda number: number})
    assert isinstance(lies.attempt("go", numbers=(7,)).error, jn.HostFailure)


@pytest.mark.parametrize("length", [pytest.param(400, marks=SHORT_NAMES), 10**6])
def test_a_long_name_is_refused_in_few_words(rt: jn.Runtime, length: int) -> None:
    # The loader refuses a name of a megabyte itself, and a grant has a length, too: 400 characters pass these two.
    name = "n" * length
    text = f'(module (import "env" "{name}" (func)))'
    began = time.perf_counter()
    with pytest.raises(jn.LoadError) as refused:
        rt.load(text, name="guest", imports={("env", name): lambda: None})
    assert len(str(refused.value)) < 3000
    with pytest.raises(jn.LoadError):
        rt.load(text, name="guest", imports={f"env.{name}": lambda: None})
    with pytest.raises(jn.LoadError):
        rt.host.function("env", name)(lambda: None)
    assert time.perf_counter() - began < 60
    assert "guest" not in rt.plugins


def test_names_with_controls_are_inert_wherever_they_stand(rt: jn.Runtime) -> None:
    name = "f\\0a\\1b[31m$x{1+1}<script>"
    text = f'(module (import "env" "{name}" (func $f)) (func (export "go") (call $f)))'
    plugin = rt.load(text, name="guest", imports={("env", "f\n\x1b[31m$x{1+1}<script>"): lambda: None})
    plugin.policy.revoke("imports")
    error = plugin.attempt("go", numbers=()).error
    assert isinstance(error, jn.CapabilityDenied)
    for shown in (str(error), repr(rt.host_calls["function"][0]), str(plugin.inspect()), str(plugin.policy.granted)):
        assert "\x1b" not in shown
    assert "imports=env.f%0A%1B%5B31m%24x%7B1%2B1%7D%3Cscript%3E" in str(error)


# --- grants -----------------------------------------------------------------------------------------------------------


@ALLOWED
def test_a_function_that_was_revoked_is_not_called(rt: jn.Runtime) -> None:
    calls: list[int] = []
    plugin = load(rt, counting(calls))
    plugin.policy.revoke("imports=env.f")
    plugin.attempt("go", numbers=(0, 0))
    assert calls == []


@ALLOWED
def test_a_registered_function_is_not_called_without_its_grant(rt: jn.Runtime) -> None:
    calls: list[int] = []
    rt.host.function("env", "f", capability="wall_clock")(counting(calls))
    plugin = rt.load(GUEST, name="guest", grant=["random", "imports=env.g", "imports=env.f.f"])
    plugin.attempt("go", numbers=(0, 0))
    assert calls == []


def test_replaced_code_loses_what_it_was_not_given(rt: jn.Runtime) -> None:
    plugin = load(rt, lambda pointer, length: 1)
    stranger = rt.load(GUEST.replace("i32.const 9", "i32.const 8"), name=None, unknown_imports="trap")
    assert stranger is not plugin
    assert stranger.policy.granted == frozenset()
    assert isinstance(stranger.attempt("go", numbers=(0, 0)).error, jn.GuestTrap)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here; enable: run on Linux or macOS")
def test_a_forked_child_answers_nothing(rt: jn.Runtime) -> None:
    plugin = load(rt, lambda pointer, length: 1)
    assert plugin.raw("go")(0, 0) == 1
    child = os.fork()
    if child == 0:
        try:
            plugin.raw("go")(0, 0)
        except jn.ResourceExhausted:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


# --- grants that could mean two things --------------------------------------------------------------------------------


def test_two_imports_that_read_alike_have_grants_of_their_own(rt: jn.Runtime) -> None:
    text = """(module (import "a" "b.c" (func $x (result i32))) (import "a.b" "c" (func $y (result i32)))
    (func (export "x") (result i32) (call $x)) (func (export "y") (result i32) (call $y)))"""
    rt.host.function("a.b", "c")(lambda: 7)
    plugin = rt.load(text, name="guest", imports={("a", "b.c"): lambda: 1})
    assert plugin.raw("x")() == 1
    assert isinstance(plugin.attempt("y", numbers=()).error, jn.CapabilityDenied)


def test_a_grant_of_a_supplied_function_does_not_become_one_of_a_registered_function(rt: jn.Runtime) -> None:
    rt.host.function("env", "f")(lambda pointer, length: 1234)
    plugin = load(rt, lambda pointer, length: 1)
    rt.load(GUEST, name="guest", imports={})
    assert plugin.policy.granted == frozenset()
    assert isinstance(plugin.attempt("go", numbers=(0, 0)).error, jn.CapabilityDenied)
    rt.load(GUEST, name="guest", grant=["imports=env.f"])
    assert plugin.raw("go")(0, 0) == 1234


@pytest.mark.parametrize("name", ["\N{ROBOT FACE}" * 100, "(" * 200])
def test_what_cannot_be_written_as_a_grant_is_not_answered(rt: jn.Runtime, name: str) -> None:
    with pytest.raises(jn.LoadError):
        rt.load(f'(module (import "env" "{name}" (func)))', imports={("env", name): lambda: None})
    with pytest.raises(jn.LoadError, match="UTF-8"):
        rt.host.function("env", "\ud800")(lambda: None)


def test_a_name_with_stars_is_a_name(rt: jn.Runtime) -> None:
    text = """(module (import "env" "a*b" (func $x (result i32))) (import "env" "aSECRETb" (func $y (result i32)))
    (func (export "x") (result i32) (call $x)) (func (export "y") (result i32) (call $y)))"""
    with pytest.raises(jn.UnknownImport, match="aSECRETb"):
        rt.load(text, name="guest", imports={("env", "a*b"): lambda: 1})
    with pytest.raises(jn.LoadError, match="does not import"):
        rt.load(text, name="guest", imports={("env", "b*"): lambda: 1})


def test_a_scope_of_the_named_capability_is_not_the_capability(rt: jn.Runtime) -> None:
    rt.host.function("env", "f", capability="network_access")(lambda pointer, length: 99)
    plugin = rt.load(GUEST, name="guest", grant=["network_access=https://example.org"])
    assert isinstance(plugin.attempt("go", numbers=(0, 0)).error, jn.CapabilityDenied)
    plugin.policy.grant("network_access")
    assert plugin.raw("go")(0, 0) == 99


def test_an_error_that_names_another_plugin_is_a_failure_of_the_function(rt: jn.Runtime) -> None:
    def f(pointer: int, length: int) -> int:
        raise jn.CapabilityDenied(capability="random", plugin="canary", function="count")

    with pytest.raises(jn.HostFailure) as failed:
        load(rt, f).raw("go")(0, 0)
    assert failed.value.plugin == "guest"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here; enable: run on Linux or macOS")
def test_a_child_that_an_import_forks_does_not_go_on_in_the_guest(rt: jn.Runtime) -> None:
    text = """(module (import "env" "fork" (func $fork (result i32)))
    (func (export "go") (result i32) (local $child i32) (local.set $child (call $fork))
      (if (i32.eqz (local.get $child)) (then (loop $on (br $on)))) (local.get $child)))"""
    plugin = rt.load(text, name="guest", imports={"env.fork": os.fork})
    parent = os.getpid()
    try:
        child = plugin.raw("go")()
    except BaseException:
        if os.getpid() == parent:
            raise
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_registered_anew_the_function_answers_within_the_call(rt: jn.Runtime) -> None:
    text = """(module (import "env" "f" (func $f (result i32))) (import "env" "wait" (func $wait))
    (func (export "go") (result i32)
      (drop (call $f)) (call $wait) (call $f)))"""

    def wait() -> None:
        rt.host.function("env", "f", denied=5, capability="wall_clock")(lambda: 2)
        time.sleep(0.2)

    rt.host.function("env", "f", denied=5)(lambda: 1)
    plugin = rt.load(text, name="guest", imports={"env.wait": wait}, grant=["wall_clock"])
    assert plugin.raw("go")() == 2
