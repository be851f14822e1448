;; Grows a table, a thousand elements at a time, until it may not grow any more.
;;
;; World `agent`. Must fail as `memory_limit`.

(core module $main
  (table $table 1 funcref)
  (func (export "execute") (param i32) (result i32)
    (loop $again
      (br_if $again (i32.ne
        (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
    unreachable)
  (func (export "post-return") (param i32)))
