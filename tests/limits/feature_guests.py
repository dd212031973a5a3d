"""A guest for each feature that a load can switch on: all that it does, it does by way of that feature."""

from __future__ import annotations

from dataclasses import dataclass

from judicia_notebook.engine.compiler import assemble
from judicia_notebook.languages.wat import compile_wat


@dataclass(frozen=True)
class Parts:
    """What is another for each feature; ``$use`` gives back the number that it gets."""

    use: str
    spin: str = """(loop $next
      (br_if $next (local.tee $left (i32.sub (call $use (local.get $left)) (i32.const 1)))))"""
    grow: str = "(if (i32.eq (memory.grow (call $use (i32.const 100))) (i32.const -1)) (then unreachable))"
    widen: str = "(table.grow $table (ref.null func) (call $use (i32.const 100)))"
    down: str = "(i32.add (i32.const 1) (call $down (call $use (local.get 0))))"


EXCEPTIONS = Parts(
    """(tag $number (param i32)) (tag $pair (param exnref exnref)) (tag $nothing)
(table $kept 4 exnref)
(func $use (param i32) (result i32) (local exnref)
  (block $caught (result i32 exnref)
    (try_table (catch_ref $number $caught) (throw $number (local.get 0)))
    unreachable)
  (local.set 1)
  (table.set $kept (i32.const 1) (local.get 1)))
(func $pair (param exnref exnref) (result exnref)
  (block $caught (result exnref)
    (try_table (catch_all_ref $caught) (throw $pair (local.get 0) (local.get 1)))
    unreachable))
(func (export "throw") (throw $nothing))
(func (export "forget") (result i32) (local $left i32)
  (local.set $left (i32.const 200000))
  (loop $next (br_if $next (local.tee $left (i32.sub (call $use (local.get $left)) (i32.const 1)))))
  (i32.const 1))
(func $deep (param $levels i32) (local $mine exnref)
  (local.set $mine (call $pair (ref.null exn) (ref.null exn)))
  (if (local.get $levels) (then (call $deep (i32.sub (local.get $levels) (i32.const 1)))))
  (throw_ref (local.get $mine)))
(func (export "deep_throws")
  (loop $next (block $caught (try_table (catch_all $caught) (call $deep (i32.const 1000)))) (br $next)))""",
    # A handler of whatever there is: were a limit an exception, the guest would go on behind it.
    spin="""(block $caught (try_table (catch_all $caught) (loop $next
      (br_if $next (local.tee $left (i32.sub (call $use (local.get $left)) (i32.const 1)))))))
      (i32.store (i32.const 0) (i32.const 7))""",
    grow="(loop $next (local.set $list (call $pair (local.get $list) (local.get $list))) (br $next))",
    widen="(table.grow $kept (ref.null exn) (call $use (i32.const 100)))",
    down="""(block $caught (try_table (catch_all $caught)
      (return (i32.add (i32.const 1) (call $down (call $use (local.get 0))))))) (i32.const -1)""",
)
TAIL_CALLS = Parts(
    """(type $number (func (param i32) (result i32)))
(elem (table $table) (i32.const 0) func $identity)
(func $identity (param i32) (result i32) (local.get 0))
(func $direct (param i32) (result i32) (return_call $identity (local.get 0)))
(func $use (param i32) (result i32)
  (return_call_indirect $table (type $number) (call $direct (local.get 0)) (i32.const 0)))
(func $for_ever (param i32 i64 f64) (return_call $and_on (f64.const 1) (local.get 1) (local.get 0)))
(func $and_on (param f64 i64 i32) (return_call $for_ever (local.get 2) (local.get 1) (local.get 0)))""",
    spin="(call $for_ever (call $use (i32.const 1)) (i64.const 2) (f64.const 3))",
)
MEMORY64 = Parts(
    """(memory $big i64 1)
(table $many i64 10 funcref)
(func $use (param i32) (result i32)
  (i32.store $big (i64.const 65532) (local.get 0)) (i32.load $big (i64.const 65532)))""",
    grow="(if (i64.eq (memory.grow $big (i64.const 100)) (i64.const -1)) (then unreachable))",
    widen="(i32.wrap_i64 (table.grow $many (ref.null func) (i64.const 100)))",
)
RELAXED_SIMD = Parts(
    """(func $use (param i32) (result i32)
  (i32x4.extract_lane 0 (i32x4.relaxed_laneselect
    (i32x4.splat (local.get 0)) (i32x4.splat (i32.const 0)) (i32x4.splat (i32.const -1)))))"""
)
WIDE_ARITHMETIC = Parts(
    """(func $use (param i32) (result i32)
  (i64.add128 (i64.extend_i32_u (local.get 0)) (i64.const 0) (i64.const 0) (i64.const 1)) (drop) (i32.wrap_i64))"""
)
PARTS = {
    "exceptions": EXCEPTIONS,
    "tail_calls": TAIL_CALLS,
    "memory64": MEMORY64,
    "relaxed_simd": RELAXED_SIMD,
    "wide_arithmetic": WIDE_ARITHMETIC,
}

DEEP = "[" * 20 + "]" * 20
WIDE = "a" * 2000
MARK = "(drop (call $use (i32.const 5)))"


def text_of(feature: str) -> str:
    """The guest, as the cells of a notebook would have it; its functions are those of `test_every_quota`."""
    parts = PARTS[feature]
    return rf"""
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
(memory (export "memory") 2)
(table $table 10 funcref)
{parts.use}
(data (i32.const 1040) "\01\00\00\00\00\00\00\00\00\e1\f5\05")
(data (i32.const 2048) "{DEEP}")
(data (i32.const 4096) "\22{WIDE}\22")
(func (export "use") (param i32) (result i32) (call $use (local.get 0)))
(func (export "echo") (param i32 i32) (result i64) {MARK} (call $reply (local.get 0) (local.get 1)))
(func (export "log") (param i32 i32) (result i64) {MARK} (call $judicia:log.write (local.get 0) (local.get 1)))
(func (export "deep") (param i32 i32) (result i64) {MARK} (call $reply (i32.const 2048) (i32.const {len(DEEP)})))
(func (export "wide") (param i32 i32) (result i64) {MARK} (call $reply (i32.const 4096) (i32.const {len(WIDE) + 2})))
(func (export "nap") (param i32 i32) (result i64) {MARK}
  (drop (call $poll (i32.const 1024) (i32.const 512) (i32.const 1) (i32.const 600))) (i64.const 0))
(func (export "spin") (param i32 i32) (result i64) (local $left i32)
  (local.set $left (i32.const 400000000)) {parts.spin} (i64.const 0))
(func (export "grow") (param i32 i32) (result i64)
  {"(local $list exnref)" if feature == "exceptions" else ""} {parts.grow} (i64.const 0))
(func (export "widen") (result i32) {parts.widen})
(func $down (export "down") (param i32) (result i32) {parts.down})
(func (export "ask") (param i32 i32) (result i64) (local $left i32)
  (local.set $left (i32.const 40))
  (loop $next
    (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (br_if $next (local.tee $left (i32.sub (call $use (local.get $left)) (i32.const 1)))))
  (i64.const 0))
"""


def bare_text_of(feature: str) -> str:
    """A module of the same parts that imports nothing."""
    parts = PARTS[feature]
    return f"""(module (memory (export "memory") 1) (table $table 10 funcref) {parts.use}
      (func (export "use") (param i32) (result i32) (call $use (local.get 0)))
      (func (export "spin") (result i32) (local $left i32)
        (local.set $left (i32.const 400000000)) {parts.spin} (i32.const 0)))"""


WASM = {feature: assemble(compile_wat(text_of(feature))) for feature in PARTS}
