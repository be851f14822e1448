;; Writes into every byte of two memories, grown as far as they may, and into every element of two
;; tables, and traps. Its memories begin with data of their own, so that they are set up in another
;; way than those that begin empty.
;;
;; World `agent`. Must fail as `trap`, or as `memory_limit` where it was denied memory.

(core module $main
  (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (memory 2)
  (data (i32.const 0) "dirt from the beginning")
  (data (i32.const 70000) "and on the second page")
  (table $one 10 funcref)
  (table $two 10 funcref)
  (elem (table $one) (i32.const 0) func $run)
  (global $dirt (mut i64) (i64.const 1))
  (func $run (export "execute") (param i32) (result i32)
    ;; libc's memory, a little.
    (drop (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 300000)))
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (loop $again
      (br_if $again (i32.ne (table.grow $one (ref.func $run) (i32.const 100)) (i32.const -1))))
    (loop $again
      (br_if $again (i32.ne (table.grow $two (ref.func $run) (i32.const 100)) (i32.const -1))))
    (memory.fill (i32.const 0) (i32.const 0xdd) (i32.mul (memory.size) (i32.const 65536)))
    (table.fill $one (i32.const 0) (ref.func $run) (table.size $one))
    (table.fill $two (i32.const 0) (ref.func $run) (table.size $two))
    (global.set $dirt (i64.const -1))
    unreachable)
  (func (export "post-return") (param i32)))
