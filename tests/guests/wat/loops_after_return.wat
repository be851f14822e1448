;; Returns `{}`, and loops for ever when the host tells it that it has read that.
;;
;; World `agent`. Must fail as `out_of_fuel`: a run has ended when its guest has.

(core module $main
  (import "libc" "memory" (memory 1))
  (data (i32.const 0) "{}")
  (func (export "execute") (param i32) (result i32)
    (i32.store (i32.const 28) (i32.const 2))
    (i32.const 16))
  (func (export "post-return") (param i32)
    (loop $again (br $again))))
