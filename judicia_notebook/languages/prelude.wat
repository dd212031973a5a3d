;; What compile_wat adds to a cell, in parts that are added only where the cell lacks them.
;; MEMORY and CALLS are replaced. Names begin with $judicia_ so that they do not meet the cell's own.
;;
;; The allocator keeps one list of blocks, by rising address. Before each block's bytes stand 8 bytes of its own:
;; the address of the next block (0 at the end), and its size, a multiple of 8, whose lowest bit says "in use".
;; All blocks lie in pages that $judicia_alloc has grown itself.

;; == alloc
(global $judicia_first_block (mut i32) (i32.const 0))
(global $judicia_last_block (mut i32) (i32.const 0))
(func $judicia_alloc (export "judicia_alloc") (param $size i32) (result i32)
  (local $block i32)
  ;; Beyond 2 GiB the arithmetic below would wrap around.
  (if (i32.gt_u (local.get $size) (i32.const 0x7fff0000)) (then (return (i32.const 0))))
  (local.set $size (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))
  (if (i32.eqz (local.get $size)) (then (local.set $size (i32.const 8))))
  (loop $again
    (local.set $block (call $judicia_find_block (local.get $size)))
    (if (i32.eqz (local.get $block))
      (then
        (br_if $again (call $judicia_grow (local.get $size)))
        (return (i32.const 0)))))
  (call $judicia_cut_block (local.get $block) (local.get $size))
  (i32.store MEMORY offset=4 (local.get $block) (i32.or (i32.load MEMORY offset=4 (local.get $block)) (i32.const 1)))
  (i32.add (local.get $block) (i32.const 8)))
;; The first free block of at least this size, or 0. Free neighbours are joined on the way.
(func $judicia_find_block (param $size i32) (result i32)
  (local $block i32)
  (local.set $block (global.get $judicia_first_block))
  (block $none
    (loop $walk
      (br_if $none (i32.eqz (local.get $block)))
      (if (i32.eqz (i32.and (i32.load MEMORY offset=4 (local.get $block)) (i32.const 1)))
        (then
          (call $judicia_join_block (local.get $block))
          (if (i32.ge_u (i32.load MEMORY offset=4 (local.get $block)) (local.get $size))
            (then (return (local.get $block))))))
      (local.set $block (i32.load MEMORY (local.get $block)))
      (br $walk)))
  (i32.const 0))
;; Joins a free block with the free blocks right behind it. Pages the cell grew in between keep blocks apart.
(func $judicia_join_block (param $block i32)
  (local $next i32)
  (block $done
    (loop $join
      (local.set $next (i32.load MEMORY (local.get $block)))
      (br_if $done (i32.eqz (local.get $next)))
      (br_if $done (i32.and (i32.load MEMORY offset=4 (local.get $next)) (i32.const 1)))
      (br_if $done (i32.ne (local.get $next)
        (i32.add (i32.add (local.get $block) (i32.const 8)) (i32.load MEMORY offset=4 (local.get $block)))))
      (i32.store MEMORY offset=4 (local.get $block)
        (i32.add (i32.add (i32.load MEMORY offset=4 (local.get $block)) (i32.const 8))
                 (i32.load MEMORY offset=4 (local.get $next))))
      (i32.store MEMORY (local.get $block) (i32.load MEMORY (local.get $next)))
      (if (i32.eq (local.get $next) (global.get $judicia_last_block))
        (then (global.set $judicia_last_block (local.get $block))))
      (br $join))))
;; Leaves what a free block has beyond this size as a block of its own, if there is room for one.
(func $judicia_cut_block (param $block i32) (param $size i32)
  (local $rest i32)
  (if (i32.lt_u (i32.sub (i32.load MEMORY offset=4 (local.get $block)) (local.get $size)) (i32.const 16)) (then (return)))
  (local.set $rest (i32.add (i32.add (local.get $block) (i32.const 8)) (local.get $size)))
  (i32.store MEMORY (local.get $rest) (i32.load MEMORY (local.get $block)))
  (i32.store MEMORY offset=4 (local.get $rest)
    (i32.sub (i32.sub (i32.load MEMORY offset=4 (local.get $block)) (local.get $size)) (i32.const 8)))
  (i32.store MEMORY (local.get $block) (local.get $rest))
  (i32.store MEMORY offset=4 (local.get $block) (local.get $size))
  (if (i32.eq (local.get $block) (global.get $judicia_last_block))
    (then (global.set $judicia_last_block (local.get $rest)))))
;; Grows the memory by one free block of at least this size. 0 if that was refused.
(func $judicia_grow (param $size i32) (result i32)
  (local $block i32) (local $pages i32)
  (local.set $pages (i32.shr_u (i32.add (local.get $size) (i32.const 65551)) (i32.const 16)))
  (local.set $block (memory.grow MEMORY (local.get $pages)))
  (if (i32.eq (local.get $block) (i32.const -1)) (then (return (i32.const 0))))
  (local.set $block (i32.shl (local.get $block) (i32.const 16)))
  (local.set $size (i32.sub (i32.shl (local.get $pages) (i32.const 16)) (i32.const 8)))
  ;; Address 0 means "no block", so a memory that was empty begins 8 bytes later.
  (if (i32.eqz (local.get $block))
    (then
      (local.set $block (i32.const 8))
      (local.set $size (i32.sub (local.get $size) (i32.const 8)))))
  (i32.store MEMORY (local.get $block) (i32.const 0))
  (i32.store MEMORY offset=4 (local.get $block) (local.get $size))
  (if (i32.eqz (global.get $judicia_first_block))
    (then (global.set $judicia_first_block (local.get $block)))
    (else (i32.store MEMORY (global.get $judicia_last_block) (local.get $block))))
  (global.set $judicia_last_block (local.get $block))
  (i32.const 1))

;; == free
(func $judicia_free (export "judicia_free") (param $ptr i32) (param $size i32)
  (local $block i32)
  (local.set $block (global.get $judicia_first_block))
  (block $done
    (loop $walk
      (br_if $done (i32.eqz (local.get $block)))
      (if (i32.eq (i32.add (local.get $block) (i32.const 8)) (local.get $ptr))
        (then
          (i32.store MEMORY offset=4 (local.get $block)
            (i32.and (i32.load MEMORY offset=4 (local.get $block)) (i32.const -2)))
          (return)))
      (local.set $block (i32.load MEMORY (local.get $block)))
      (br $walk))))

;; == free_nothing
(func $judicia_free (export "judicia_free") (param $ptr i32) (param $size i32))

;; == reply
(func $reply (param $ptr i32) (param $len i32) (result i64)
  (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

;; == call_host
(func $call_host (param $function i32) (param $ptr i32) (param $len i32) (result i64)
CALLS
  unreachable)
