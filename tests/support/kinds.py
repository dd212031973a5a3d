"""A guest for each kind of call: bytes, numbers, and a WASI command. Each works as long as it is told."""

from __future__ import annotations

from tests.support.guests import COMMAND

NUMERIC = """(module
  (func (export "spin") (param $turns i32) (result i32)
    (loop $again
      (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
      (br_if $again (local.get $turns)))
    (local.get $turns))
  (func (export "scale") (param f64 i64) (result f64) (f64.mul (local.get 0) (f64.convert_i64_s (local.get 1))))
  (func (export "both") (param i32) (result i32 i32) (local.get 0) (i32.const 7)))"""
"""``spin(turns)``, ``scale(x, n)``, ``both(n)``."""

BYTES = """(module
  (memory (export "memory") 2)
  (global $answered (mut i32) (i32.const 0))
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "xor") (param $at i32) (param $length i32) (result i64)
    (local $round i32) (local $i i32) (local $sum i32)
    (local.set $round (i32.const 1000))
    (loop $again
      (local.set $i (i32.const 0))
      (loop $next
        (local.set $sum (i32.xor (local.get $sum) (i32.load8_u (i32.add (local.get $at) (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (local.get $length))))
      (local.set $round (i32.sub (local.get $round) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $round) (i32.const 1))))
    (i32.store8 (i32.const 64) (local.get $sum))
    (i64.const 0x4000000001)))"""
"""``xor(data)``: the exclusive or of all its bytes as one byte, found 999 times."""

COMMAND_SPIN = f"""(module {COMMAND}
  (memory (export "memory") 1)
  (func $_start (export "_start")
    (local $turns i32) (local $read i32)
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $read (i32.load (i32.const 8)))
    (local.set $turns (i32.add (i32.const 1) (i32.mul (i32.load (i32.const 16)) (i32.const 5000000))))
    (loop $again
      (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
      (br_if $again (local.get $turns)))
    (call $print (i32.const 1) (i32.const 1024) (local.get $read))
    (if (i32.eq (i32.load (i32.const 16)) (i32.const 9)) (then (call $proc_exit (i32.const 3))))))"""
"""Copies up to 4 KiB of its input, after a work of 5 million turns for each argument and its name; 8 exit with 3."""
