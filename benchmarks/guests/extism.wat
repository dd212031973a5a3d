;; The functions of judicia.wat for Extism: a guest reads its request from Extism's memory and leaves its answer there.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/user" "now" (func $ask_clock (param i64) (result i64)))
  (memory (export "memory") 1)

  ;; Two numbers of 32 bits in, their sum out, in 64 bits: there are no calls but those with bytes.
  (func (export "add") (result i32)
    (local $numbers i64) (local $sum i64)
    (local.set $numbers (call $input_load_u64 (i64.const 0)))
    (local.set $sum (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $sum)
      (i64.extend_i32_u (i32.add
        (i32.wrap_i64 (local.get $numbers))
        (i32.wrap_i64 (i64.shr_u (local.get $numbers) (i64.const 32))))))
    (call $output_set (local.get $sum) (i64.const 8))
    (i32.const 0))

  (func (export "echo") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (i32.const 0))

  ;; As Extism's plugin kits do it: into the guest's own memory eight bytes at a time, and out of it again.
  (func (export "copy") (result i32)
    (local $length i32) (local $words i32) (local $at i32) (local $answer i64) (local $missing i32)
    (local.set $length (i32.wrap_i64 (call $input_length)))
    (local.set $missing
      (i32.sub (i32.shr_u (i32.add (local.get $length) (i32.const 0xffff)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (drop (memory.grow (local.get $missing)))))
    (local.set $words (i32.and (local.get $length) (i32.const -8)))
    (block $read (loop $more
      (br_if $read (i32.ge_u (local.get $at) (local.get $words)))
      (i64.store (local.get $at) (call $input_load_u64 (i64.extend_i32_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br $more)))
    (block $read (loop $more
      (br_if $read (i32.ge_u (local.get $at) (local.get $length)))
      (i32.store8 (local.get $at) (call $input_load_u8 (i64.extend_i32_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $more)))
    (local.set $answer (call $alloc (i64.extend_i32_u (local.get $length))))
    (local.set $at (i32.const 0))
    (block $written (loop $more
      (br_if $written (i32.ge_u (local.get $at) (local.get $words)))
      (call $store_u64 (i64.add (local.get $answer) (i64.extend_i32_u (local.get $at))) (i64.load (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br $more)))
    (block $written (loop $more
      (br_if $written (i32.ge_u (local.get $at) (local.get $length)))
      (call $store_u8 (i64.add (local.get $answer) (i64.extend_i32_u (local.get $at))) (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $more)))
    (call $output_set (local.get $answer) (i64.extend_i32_u (local.get $length)))
    (i32.const 0))

  (func (export "ask") (result i32)
    (local $left i64) (local $request i64) (local $told i64)
    (local.set $left (call $input_load_u64 (i64.const 0)))
    (local.set $request (call $alloc (i64.const 2)))
    (call $store_u8 (local.get $request) (i32.const 0x7b))
    (call $store_u8 (i64.add (local.get $request) (i64.const 1)) (i32.const 0x7d))
    (loop $again
      (local.set $told (call $ask_clock (local.get $request)))
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (if (i64.gt_s (local.get $left) (i64.const 0))
        (then (call $free (local.get $told)) (br $again))))
    (call $output_set (local.get $told) (call $length (local.get $told)))
    (i32.const 0))
  ;; FILLING
)
