;; Logs a line of 60 MiB.
;;
;; World `agent`. Must fail as `output_limit`.

(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "log" (func $log (param i32 i32 i32)))
  (func (export "execute") (param i32) (result i32)
    (drop (memory.grow (i32.const 960)))
    (call $log (i32.const 2) (i32.const 65536) (i32.const 62914560))
    unreachable)
  (func (export "post-return") (param i32)))
