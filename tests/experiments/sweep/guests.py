"""Two versions of a plugin whose counts are known by hand: a walk of n steps, which the slow one makes twice."""

from __future__ import annotations

_WALK = """(module
  (memory 1)
  (func $nothing)
  (func $trap unreachable)
  (start $nothing)
  (func $step (param i32) (result i32)
    (if (i32.lt_s (local.get 0) (i32.const 0)) (then unreachable))
    (i32.store (i32.const 64) (local.get 0))
    (i32.sub (local.get 0) (i32.const 1)))
  (func (export "walk") (param $n i32) (result i32)
    (local $left i32)
    {turns}
    (i32.load (i32.const 64))))"""
_TURN = """(local.set $left (local.get $n))
    (loop $again (br_if $again (local.tee $left (call $step (local.get $left)))))"""
VERSIONS = {"slow": _WALK.format(turns=f"{_TURN}\n    {_TURN}"), "fast": _WALK.format(turns=_TURN)}
