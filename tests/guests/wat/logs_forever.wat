;; Logs an empty line for ever: nearly all of the work is the host's.
;;
;; World `agent`. Must fail as `out_of_fuel`.

(core module $main
  (import "host" "log" (func $log (param i32 i32 i32)))
  (func (export "execute") (param i32) (result i32)
    (loop $again
      (call $log (i32.const 2) (i32.const 0) (i32.const 0))
      (br $again))
    unreachable)
  (func (export "post-return") (param i32)))
