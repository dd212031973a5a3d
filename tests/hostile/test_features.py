"""Guests that use what a load has switched on against the process: its memory, its address space, its Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.compiler import assemble
from tests.limits.feature_guests import PARTS, WASM
from tests.support.guests import load

Survives = Callable[[str], list[str]]

INTERRUPTED = f"""
for feature, wasm in {WASM!r}.items():
    for metering in ("full", "epochs"):
        p = rt.load(wasm, name="p", features=feature, metering=metering, grant=["wall_clock"], isolate_compile=False,
                    quota={{"cpu": "20s", "wall": "20s"}})
        going = threading.Event()
        def send():
            going.wait()
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=send)
        thread.start()
        began = time.monotonic()
        try:
            going.set()
            ended = type(p.attempt("spin").error).__name__
        except KeyboardInterrupt:
            ended = "interrupted"
        thread.join()
        print(feature, ended)
        assert p.call("echo", 1) == 1
alive()
"""


def test_ctrl_c_ends_a_guest_of_each_feature(survives: Survives) -> None:
    assert survives(INTERRUPTED) == [*[f"{feature} interrupted" for feature in PARTS for _ in range(2)], "alive"]


def exceptions(params: int, *functions: str) -> bytes:
    """A guest that throws tags of so many references: ``$hold a b`` holds `a` once, at the end, and else `b`."""
    others = " ".join(["(local.get 1)"] * (params - 1))
    return assemble(f"""(module (tag $wide (param {" ".join(["exnref"] * params)})) (tag $small)
      (table $kept 10 exnref)
      (func $small (result exnref)
        (block $caught (result exnref) (try_table (catch_all_ref $caught) (throw $small)) unreachable))
      (func $hold (param exnref exnref) (result exnref)
        (block $caught (result exnref)
          (try_table (catch_all_ref $caught) (throw $wide {others} (local.get 0))) unreachable))
      {" ".join(functions)})""")


WITHOUT_END = """(func (export "run") (local exnref exnref) (local.set 1 (call $small))
  (loop $next (local.set 0 (call $hold (local.get 0) (local.get 1))) (br $next)))"""
EACH_SECOND = """(func (export "run") (local exnref)
  (loop $next (drop (call $small)) (local.set 0 (call $hold (local.get 0) (ref.null exn)))
    (drop (call $small)) (br $next)))"""
LET_GO_AT_ONCE = """(func (export "run") (local exnref exnref) (local $left i32) (local.set 1 (call $small))
  (loop $again
    (local.set $left (i32.const 3500))
    (loop $next (local.set 0 (call $hold (local.get 0) (local.get 1)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.set 0 (ref.null exn)) (table.set $kept (i32.const 0) (local.get 1)) (br $again)))"""
DEEP = """(func $down (param exnref i32) (local exnref)
    (local.set 2 (call $hold (local.get 0) (local.get 0)))
    (if (local.get 1) (then (call $down (local.get 2) (i32.sub (local.get 1) (i32.const 1)))))
    (throw_ref (local.get 2)))
  (func (export "run") (loop $next
    (block $caught (try_table (catch_all $caught) (call $down (ref.null exn) (i32.const 1500)))) (br $next)))"""
GREEDY = {
    "a list without end": exceptions(2, WITHOUT_END),
    "wide ones without end": exceptions(1000, WITHOUT_END),
    "each second one is kept, so that the heap is full of holes": exceptions(1, EACH_SECOND),
    "a chain of a thousand references each is let go at once": exceptions(1000, LET_GO_AT_ONCE),
    "one is thrown in each frame of a deep recursion": exceptions(100, DEEP),
}
SIZED = f"""
def status(what):
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith(what))
for name, wasm in {GREEDY!r}.items():
    p = rt.load(wasm, name="p", features="exceptions", isolate_compile=False, instances="fresh",
                quota={{"memory": "64MiB", "cpu": "2s", "wall": "10s"}})
    before = status("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")
    error = None
    try:
        p.raw("run")()
    except jn.QuotaExceeded as found:
        error = found
    more = status("VmHWM") - before
    within = "within" if more < 72 << 20 else more >> 20
    print(name, type(error).__name__, within, p.last.memory_peak_bytes <= 64 << 20)
alive()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
def test_exceptions_stay_within_the_quota_of_memory_with_all_that_the_collector_keeps(survives: Survives) -> None:
    """Measured of the whole process: 64 MiB are allowed, and 8 for all else that a call takes."""
    assert survives(SIZED) == [*[f"{name} QuotaExceeded within True" for name in GREEDY], "alive"]


THROWING = """(tag $any)
  (memory (export "memory") 2)
  (global $when (mut i32) (i32.const 0))
  (func (export "judicia_alloc") (param i32) (result i32)
    (if (i32.eq (global.get $when) (i32.const 1)) (then (throw $any))) (i32.const 4096))
  (func (export "judicia_free") (param i32 i32) (if (i32.eq (global.get $when) (i32.const 2)) (then (throw $any))))
  (func (export "ask") (param i32 i32) (result i64)
    (global.set $when (i32.const 1))
    (block $caught (try_table (catch_all $caught) (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))))
    (i64.const 0))
  (func (export "set") (param i32) (global.set $when (local.get 0)))
  (func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))"""


def test_an_exception_of_the_guests_allocator_goes_to_no_handler_of_the_guests(rt: jn.Runtime) -> None:
    """In a host call it leaves the host, with the guest's own frames on both sides."""
    p = load(rt, THROWING, name="p", features="exceptions", isolate_compile=False, grant=["wall_clock"])
    assert isinstance(p.attempt("ask", 1).error, jn.AbiViolation)
    for when, function in ((1, "judicia_alloc"), (2, "judicia_free")):
        p.raw("set")(when)
        error = p.attempt("echo", 1).error
        assert isinstance(error, jn.AbiViolation)
        assert function in str(error)
        assert p.call("echo", 1) == 1


def test_an_exception_at_the_start_is_an_error(rt: jn.Runtime) -> None:
    text = '(module (tag $e) (func $begin (throw $e)) (start $begin) (func (export "f")))'
    p = rt.load(text, name="p", features="exceptions", isolate_compile=False)
    for _ in range(2):
        with pytest.raises(jn.GuestTrap) as caught:
            p.raw("f")()
        assert caught.value.trap == "uncaught_exception"


def test_the_name_of_a_trap_is_not_the_guests_to_choose(rt: jn.Runtime) -> None:
    text = """(module (import "Caused by:\\n    thrown Wasm exception" "f" (func $f (param externref)))
      (func $Caused_by:thrown_Wasm_exception (export "g") (call $f (ref.null extern))))"""
    with pytest.raises(jn.GuestTrap) as caught:
        rt.load(text, name="p", unknown_imports="trap").raw("g")()
    assert caught.value.trap == "unknown_import"


WIDE = """(module (memory (export "memory") i64 1)
  (func (export "load") (param i64) (result i32) (i32.load8_u (local.get 0)))
  (func (export "far") (param i64) (result i32) (i32.load8_u offset=0xffffffffffffffff (local.get 0)))
  (func (export "store") (param i64) (i64.store (local.get 0) (i64.const -1)))
  (func (export "fill") (param i64 i64) (memory.fill (local.get 0) (i32.const 7) (local.get 1)))
  (func (export "copy") (param i64 i64 i64) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))
  (func (export "size") (result i64) (memory.size)))"""


def wide(rt: jn.Runtime, text: str = WIDE, **options: Any) -> jn.Plugin:
    return rt.load(text, name="p", features="memory64", isolate_compile=False, **options)


def test_addresses_of_64_bits_reach_no_further_than_the_memory(rt: jn.Runtime) -> None:
    p = wide(rt)
    assert p.raw("load")(65535) == 0
    beyond = [
        1 << 16,
        (1 << 32) - 1,
        1 << 32,
        (1 << 32) + 16,
        (1 << 33) + 16,
        1 << 47,
        1 << 48,
        (1 << 63) - 1,
        -1,
        -65536,
    ]
    tries: list[tuple[str, tuple[int, ...]]] = [("far", (at,)) for at in (0, 1, 2)]
    tries += [(function, (at,)) for function in ("load", "far", "store") for at in beyond]
    tries.append(("store", (65529,)))
    tries += [("fill", region) for region in ((0, 1 << 32), (0, -1), (-1, 1), (1 << 32, 0), (65537, 0), (0, 65537))]
    tries += [("copy", region) for region in ((0, 1 << 32, 5), (-1, 0, 2), (0, 0, 1 << 63))]
    for function, arguments in tries:
        with pytest.raises(jn.GuestTrap) as caught:
            p.raw(function)(*arguments)
        assert caught.value.trap == "out_of_bounds_memory"


def test_a_memory_of_64_bits_grows_within_its_quota(rt: jn.Runtime) -> None:
    p = wide(rt, quota={"memory": "1MiB"})
    for pages in (1 << 16, 1 << 32, 1 << 47, (1 << 48) - 1, 1 << 48, 1 << 63, -1):
        assert p.raw("grow")(pages) == -1
    assert p.raw("grow")(15) == 1
    assert p.raw("grow")(1) == -1
    assert p.raw("size")() == 16
    assert rt.calls["memory_peak_bytes"].max() == 1 << 20


@pytest.mark.parametrize("pages", [17, 65537, 0x100000, 0x7FFFFFFF, 0x7FFFFFFFFFFF, 0xFFFFFFFFFFFF, 0x1000000000000])
def test_a_memory_that_would_begin_larger_than_any_is_an_error(rt: jn.Runtime, pages: int) -> None:
    text = f'(module (memory (export "memory") i64 {pages}) (func (export "size") (result i64) memory.size))'
    with pytest.raises((jn.QuotaExceeded, jn.GuestTrap, jn.CompileError)):
        wide(rt, text, quota={"memory": "1MiB"}).raw("size")()
    assert wide(rt).raw("size")() == 1


@pytest.mark.parametrize("offset", ["65534", "0x100000000", "-1", "0xffffffff00000010"])
def test_a_data_segment_beyond_a_memory_of_64_bits_is_a_trap(rt: jn.Runtime, offset: str) -> None:
    text = """(module (memory (export "memory") i64 1) (data (i64.const 16) "good") (data (i64.const {}) "bad")
      (func (export "byte") (result i32) (i32.load8_u (i64.const 16))))"""
    assert wide(rt, text.format(0)).raw("byte")() == ord("g")
    with pytest.raises(jn.GuestTrap) as caught:
        wide(rt, text.format(offset)).raw("byte")()
    assert caught.value.trap == "out_of_bounds_memory"


LIAR = """(module (memory (export "memory") i64 2) (global $at (mut i32) (i32.const 1024))
  (func (export "judicia_alloc") (param i32) (result i32) (global.get $at))
  (func (export "judicia_free") (param i32 i32))
  (func (export "echo") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "beyond") (param i32 i32) (result i64) (i64.const 0xfffffff000000010))
  (func (export "behind") (param i32 i32) (result i64) (i64.const 0x0001ffff00000002))
  (func (export "move") (param i32) (global.set $at (local.get 0))))"""


def test_an_exported_memory_of_64_bits_serves_abi_1_and_its_lies_are_errors(rt: jn.Runtime) -> None:
    p = wide(rt, LIAR)
    assert p.call("echo", {"n": [1, 2]}) == {"n": [1, 2]}
    for function in ("beyond", "behind"):
        assert isinstance(p.attempt(function, 1).error, jn.AbiViolation)
    for address in (-1, 0x1FFFF, -65536, 1 << 31):
        p.raw("move")(address)
        assert isinstance(p.attempt("echo", [1, 2, 3]).error, jn.AbiViolation)
    assert p.call("echo", 1) == 1


LOOKED_AT = """(module (import "env" "look" (func $look)) {} (tag $e)
  (func (export "f") (block $caught (try_table (catch_all $caught) (throw $e))) (call $look)))"""


@pytest.mark.parametrize(
    ("memories", "imports", "expected"),
    [
        ("", {}, jn.PluginNotReady),
        ('(memory 1) (data (i32.const 0) "inner")', {}, b"inner"),
        ('(import "env" "memory" (memory 1))', {"env.memory": b"given"}, b"given"),
        ("(memory 0)", {}, jn.InvalidPayload),
        ("(memory 0) (memory 1)", {}, jn.PluginNotReady),
    ],
)
def test_nobody_is_handed_the_engines_heap_for_the_guests_memory(
    rt: jn.Runtime, memories: str, imports: dict[str, Any], expected: Any
) -> None:
    """Its pointers are the collector's: who could write there would write the engine's own objects."""
    seen: list[Any] = []

    def look(caller: jn.Caller) -> None:
        try:
            seen.append(caller.memory.read(0, 5))
        except jn.JudiciaError as error:
            seen.append(type(error))

    imports = {"env.look": look, **imports}
    p = rt.load(LOOKED_AT.format(memories), name="p", imports=imports, features="exceptions", isolate_compile=False)
    p.raw("f")()
    assert seen == [expected]
