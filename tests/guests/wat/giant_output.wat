;; Returns 100 MB, where its memory limit lets it.
;;
;; World `agent`. Must fail as `output_limit`.

(core module $main
  (import "libc" "memory" (memory 1))
  (func (export "execute") (param i32) (result i32)
    (if (i32.eq (memory.grow (i32.const 1526)) (i32.const -1)) (then unreachable))
    (i32.store (i32.const 24) (i32.const 65536))
    (i32.store (i32.const 28) (i32.const 100000000))
    (i32.const 16))
  (func (export "post-return") (param i32)))
