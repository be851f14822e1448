;; Takes every memory and table that a component may have, writes into every byte and element of
;; them, grown as far as they may, and dies. Its own memory begins with data, so that it is set up
;; in another way than one that begins empty.
;;
;; World `agent`. Must fail as `memory_limit`.

(core module $main
  (memory 2)
  (data (i32.const 0) "dirt from the beginning")
  (data (i32.const 70000) "and on the second page")
  (table $t0 1 10000 funcref)
  (table $t1 1 10000 funcref)
  (table $t2 1 10000 funcref)
  (table $t3 1 10000 funcref)
  (table $t4 1 10000 funcref)
  (table $t5 1 10000 funcref)
  (table $t6 1 10000 funcref)
  (table $t7 1 10000 funcref)
  (elem (table $t0) (i32.const 0) func $run)
  (global $dirt (mut i64) (i64.const 1))
  (func $run (export "execute") (param i32) (result i32)
    (drop (table.grow $t0 (ref.func $run) (i32.const 9999)))
    (table.fill $t0 (i32.const 0) (ref.func $run) (table.size $t0))
    (drop (table.grow $t1 (ref.func $run) (i32.const 9999)))
    (table.fill $t1 (i32.const 0) (ref.func $run) (table.size $t1))
    (drop (table.grow $t2 (ref.func $run) (i32.const 9999)))
    (table.fill $t2 (i32.const 0) (ref.func $run) (table.size $t2))
    (drop (table.grow $t3 (ref.func $run) (i32.const 9999)))
    (table.fill $t3 (i32.const 0) (ref.func $run) (table.size $t3))
    (drop (table.grow $t4 (ref.func $run) (i32.const 9999)))
    (table.fill $t4 (i32.const 0) (ref.func $run) (table.size $t4))
    (drop (table.grow $t5 (ref.func $run) (i32.const 9999)))
    (table.fill $t5 (i32.const 0) (ref.func $run) (table.size $t5))
    (drop (table.grow $t6 (ref.func $run) (i32.const 9999)))
    (table.fill $t6 (i32.const 0) (ref.func $run) (table.size $t6))
    (drop (table.grow $t7 (ref.func $run) (i32.const 9999)))
    (table.fill $t7 (i32.const 0) (ref.func $run) (table.size $t7))
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (memory.fill (i32.const 0) (i32.const 0xdd) (i32.mul (memory.size) (i32.const 65536)))
    (global.set $dirt (i64.const -1))
    unreachable)
  (func (export "post-return") (param i32)))
