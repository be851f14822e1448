;; Grows two memories by turns, each of which stays below the limit, until one may not grow.
;;
;; World `agent`. Must fail as `memory_limit`: what counts is the sum.

(core module $main
  ;; Grows libc's memory.
  (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  (func (export "execute") (param i32) (result i32)
    (loop $again
      (drop (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1048576)))
      (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    unreachable)
  (func (export "post-return") (param i32)))
