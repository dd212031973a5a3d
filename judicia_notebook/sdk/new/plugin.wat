(module
  (@custom "judicia.manifest" "{\"name\": \"@NAME@\", \"version\": \"0.1.0\"}")
  (memory (export "memory") 1)
  (data (i32.const 8) "\"Hello, world!\"")
  (func (export "judicia_alloc") (param $size i32) (result i32)
    (i32.const 1024))                                    ;; one request at a time; the host checks that it fits
  (func (export "judicia_free") (param i32 i32))
  (func (export "hello") (param i32 i32) (result i64)
    (i64.const 0x8_0000000f))                            ;; 15 bytes at 8
  (func (export "add") (param i64 i64) (result i64)      ;; takes numbers, no JSON
    (i64.add (local.get 0) (local.get 1))))
