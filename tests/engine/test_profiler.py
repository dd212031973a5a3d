"""The guest profiler: where its samples fall, and what they are worth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import profiler as profiler_module
from judicia_notebook.engine import ticks
from judicia_notebook.engine.profiler import INTERVAL, MOST_DEPTH, GuestProfiler, Sampled, fast_ticks, function_name
from judicia_notebook.wasm.symbols import function_starts

Load = Callable[..., jn.Plugin]


def count_to(number: int) -> str:
    return (
        "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))"
        f" (i32.const {number}))))"
    )


THREE_TO_ONE = f"""
(func $long {count_to(90_000)}) (func $short {count_to(30_000)})
(func (export "both") (param i32 i32) (result i64) (local $n i32)
  (loop (call $long) (call $short)
    (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2500))))
  (i64.const 0))
"""
DEEP = """
(func $descend (param i32) (result i32)
  (if (result i32) (local.get 0)
    (then (call $descend (i32.sub (local.get 0) (i32.const 1))))
    (else (call $turn))))
(func $turn (result i32) (local i32)
  (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 30000000))))
  (local.get 0))
(func (export "deep") (param i32 i32) (result i64) (drop (call $descend (i32.const 1000))) (i64.const 0))
"""


def watch(plugin: jn.Plugin, function: str, request: bytes = b"{}", watched: jn.Plugin | None = None) -> Any:
    """One call under the profiler, of `watched` if that is another plugin.

    The guests count so and so far, for as long as a machine takes: under a sanitizer more than the usual second.
    """
    plugin.policy.set_quota(cpu="30s", wall="1min")
    target = plugin._deployment.target(function, plugin.abi)
    linkage = (watched or plugin)._deployment.target(function, plugin.abi).code.linkage
    profiler = GuestProfiler(linkage, plugin.name)

    def body(call: Any) -> None:
        with profiler.watching(call.sandbox):
            call.exchange(request)

    with fast_ticks():
        plugin._begin(target, None, body, size_in=len(request)).run()
    return profiler.finish()


def innermost(samples: tuple[Sampled, ...]) -> Counter[str]:
    return Counter(sample.stack[-1] for sample in samples if sample.stack and not sample.host)


def test_samples_fall_where_the_time_goes(load: Load) -> None:
    found = watch(load(THREE_TO_ONE), "both")
    seen = innermost(found.samples)
    assert seen.total() >= 20
    assert 0.55 < seen["long"] / seen.total() < 0.92  # three quarters of it
    assert all(sample.stack[0] == "both" for sample in found.samples if "long" in sample.stack)


def test_ticks_are_fast_until_the_last_profiler_is_done() -> None:
    usual = ticks.interval()
    with fast_ticks():
        with fast_ticks():
            pass
        assert ticks.interval() == INTERVAL
    assert ticks.interval() == usual
    with fast_ticks():
        assert ticks.interval() == INTERVAL
    assert ticks.interval() == usual


def test_a_host_call_is_measured_under_the_stack_that_made_it(specimen: jn.Plugin) -> None:
    found = watch(specimen, "sleep", b'{"ms": 40}')
    [call] = [sample for sample in found.samples if sample.host]
    assert call.host == "wasi_snapshot_preview1 poll_oneoff"
    assert call.stack[0] == "sleep"
    assert call.host_ns >= 39e6
    assert found.guest_ns < 30e6  # the guest's clock stood still meanwhile


def test_time_in_the_guest_is_the_threads_cpu_time(load: Load) -> None:
    plugin = load(THREE_TO_ONE)
    found = watch(plugin, "both")
    assert plugin.last is not None
    assert 0.5 < found.guest_ns / 1e6 / plugin.last.cpu_ms < 1.1


def test_a_call_that_is_ended_is_profiled_up_to_there(load: Load) -> None:
    plugin = load('(func (export "spin") (param i32 i32) (result i64) (loop (br 0)) (i64.const 0))')
    plugin.call("echo", 1)  # the making of an instance is CPU time of the first call
    target = plugin._deployment.target("spin", plugin.abi)
    profiler = GuestProfiler(target.code.linkage, plugin.name)

    def body(call: Any) -> None:
        with profiler.watching(call.sandbox):
            call.exchange(b"")

    with fast_ticks(), pytest.raises(jn.QuotaExceeded):
        plugin._begin(target, {"cpu": "60ms"}, body).run()
    found = profiler.finish()
    assert set(innermost(found.samples)) == {"spin"}
    assert found.guest_ns >= 50e6


def test_of_a_deep_stack_both_ends_are_kept(load: Load) -> None:
    found = watch(load(DEEP), "deep")
    stack = max((sample.stack for sample in found.samples), key=len)
    assert len(stack) == MOST_DEPTH + 1
    assert stack[0] == "deep"
    assert stack[-1] == "turn"
    assert "… 803 frames …" in stack


def test_other_code_than_the_profiled_is_left_alone(rt: jn.Runtime, load: Load) -> None:
    found = watch(load(THREE_TO_ONE, name="one"), "both", watched=load(f"{THREE_TO_ONE} (func)", name="two"))
    assert found.samples == ()
    assert found.guest_ns == 0


def test_a_profiler_that_is_never_finished_is_freed(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    from judicia_notebook.engine import capi
    from judicia_notebook.engine.finalizers import sweep

    freed: list[int] = []
    delete = capi.guestprofiler_delete

    def note(pointer: int) -> None:
        freed.append(pointer)
        delete(pointer)

    monkeypatch.setattr(capi, "guestprofiler_delete", note)
    profiler = GuestProfiler(load()._deployment.target("echo", "judicia-v1").code.linkage, "guest")
    pointer = profiler._fields.profiler
    del profiler
    sweep()
    assert freed == [pointer]


def test_a_profiler_is_finished_once(load: Load) -> None:
    profiler = GuestProfiler(load()._deployment.target("echo", "judicia-v1").code.linkage, "guest")
    profiler.finish()
    with pytest.raises(RuntimeError):
        profiler.finish()


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("checker::judge::h6b98be1cbe00ab9c", "checker::judge"),
        ("_ZN7checker5judge17h0123456789abcdefE", "checker::judge"),
        ("_RNvCs1234_7checker5parse", "checker::parse"),
        ("<wasm function 7>", "run"),
        ("<wasm function 8>", "function 8"),
        ("main", "main"),
        ("h6b98be1cbe00ab9c", "h6b98be1cbe00ab9c"),
        ("line\nbreak\x1b[31m", "line⏎break\ufffd[31m"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_functions_have_the_names_people_know_them_by(symbol: str, name: str) -> None:
    assert function_name(symbol, {7: "run"}) == name


def named(names: dict[str, str]) -> str:
    """A module with a function for each of these identifiers of WAT, each under its name; `both` calls them all."""
    functions = "\n".join(
        f"(func {one} (@name {json.dumps(name)}) {count_to(2_000_000)})" for one, name in names.items()
    )
    calls = " ".join(f"(call {one})" for one in names)
    return f"""(module (import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
        (memory (export "memory") 1)
        (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "judicia_free") (param i32 i32))
        {functions}
        (func (export "both") (param i32 i32) (result i64) (local $n i32)
          (loop {calls} (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20))))
          (i64.const 0)))"""


LIKE_A_CPP_TYPE = ["a", "i", "f", "v", "z", "Pi", "PKc", "3foo", "St", "Ss", "Sa", "Dn", "ff", "A5_i", "RNvC1a1b"]


def test_a_name_that_reads_like_a_mangled_type_is_shown_as_it_is_written(rt: jn.Runtime) -> None:
    plugin = rt.load(named({f"$f{at}": name for at, name in enumerate(LIKE_A_CPP_TYPE)}), name="named")
    found = innermost(watch(plugin, "both").samples)
    assert set(LIKE_A_CPP_TYPE) <= set(found)
    assert set(found) <= {*LIKE_A_CPP_TYPE, "both"}


def test_a_function_with_an_empty_name_is_shown_by_its_number(rt: jn.Runtime) -> None:
    found = innermost(watch(rt.load(named({"$f": ""}), name="named"), "both").samples)
    assert set(found) <= {"function 3", "both"}
    assert "function 3" in found


def test_mangled_names_of_cpp_and_rust_are_shown_as_their_authors_wrote_them(rt: jn.Runtime) -> None:
    names = {"$cpp": "_Z3addii", "$old": "_ZN7checker5judge17h0123456789abcdefE", "$new": "_RNvCs1234_7checker5parse"}
    found = innermost(watch(rt.load(named(names), name="named"), "both").samples)
    assert {"add(int, int)", "checker::judge", "checker::parse"} <= set(found)


def test_without_the_symbols_of_the_compiled_code_names_are_what_wasmtime_says(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler_module, "function_starts", lambda _: {})
    found = innermost(watch(rt.load(named({"$cpp": "_Z3addii"}), name="named"), "both").samples)
    assert "add(int, int)" in found


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 100, b"\x7fELF\x01\x01" + b"\0" * 58])
def test_what_is_no_compiled_module_has_no_function_starts(data: bytes) -> None:
    assert function_starts(data) == {}
