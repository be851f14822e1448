;; Loops for ever before it can be called: while its module starts.
;;
;; World `agent`. Must fail as `out_of_fuel`.

(core module $main
  (func $start (loop $again (br $again)))
  (start $start)
  (func (export "execute") (param i32) (result i32) unreachable)
  (func (export "post-return") (param i32)))
