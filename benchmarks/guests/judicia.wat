;; What peers.py calls here and through wasmtime-py: ABI v1, and one import.
;;
;; The allocator is a stack: what is freed last in, first out is used again, so no call makes the memory grow.
(module
  (import "judicia:clock" "now" (func $ask_clock (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{}")
  (global $top (mut i32) (i32.const 1024))

  (func $alloc (export "judicia_alloc") (param $length i32) (result i32)
    (local $at i32) (local $missing i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (local.get $at) (local.get $length)) (i32.const 7)) (i32.const -8)))
    (local.set $missing
      (i32.sub (i32.shr_u (i32.add (global.get $top) (i32.const 0xffff)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (return (i32.const 0))))))
    (local.get $at))

  (func $free (export "judicia_free") (param $at i32) (param $length i32)
    (global.set $top (local.get $at)))

  (func $answer (param $at i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $length))))

  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))

  ;; The answer is the request, where it lies.
  (func (export "echo") (param $at i32) (param $length i32) (result i64)
    (call $answer (local.get $at) (local.get $length)))

  ;; The answer is a copy of the request.
  (func (export "copy") (param $at i32) (param $length i32) (result i64)
    (local $copy i32)
    (local.set $copy (call $alloc (local.get $length)))
    (memory.copy (local.get $copy) (local.get $at) (local.get $length))
    (call $answer (local.get $copy) (local.get $length)))

  ;; The request is a count, 64 bits; the answer is the clock's, when it was asked for the last time.
  (func (export "ask") (param $at i32) (param $length i32) (result i64)
    (local $left i64) (local $told i64)
    (local.set $left (i64.load (local.get $at)))
    (loop $again
      (local.set $told (call $ask_clock (i32.const 16) (i32.const 2)))
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (if (i64.gt_s (local.get $left) (i64.const 0))
        (then
          (call $free (i32.wrap_i64 (i64.shr_u (local.get $told) (i64.const 32))) (i32.wrap_i64 (local.get $told)))
          (br $again))))
    (local.get $told))
  ;; FILLING
)
