;; Gives the host a value that is none, another one on each attempt:
;;   1  a result of a case that there is not
;;   2  a result at an address outside of its memory
;;   3  a result at an address that no result may have
;;   4  an output that begins outside of its memory
;;   5  an output that ends outside of its memory
;;   6  a log line of a level that there is not
;;   7  a log line outside of its memory
;;   8  a log line that is not UTF-8
;;
;; World `agent`. Must fail as `contract_violation`.

(core module $main
  (import "libc" "memory" (memory 1))
  (import "host" "log" (func $log (param i32 i32 i32)))
  (data (i32.const 0) "\ff\fe\ff")
  (func (export "execute") (param $request i32) (result i32)
    (block $default (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1
      (br_table $default $1 $2 $3 $4 $5 $6 $7 $8 $default
        (i32.load offset=64 (local.get $request))))
      (i32.store8 (i32.const 16) (i32.const 7)) (return (i32.const 16)))
      (return (i32.const 0x7ffffff0)))
      (return (i32.const 17)))
      (i32.store (i32.const 24) (i32.const 0x7ffffff0)) (i32.store (i32.const 28) (i32.const 8))
      (return (i32.const 16)))
      (i32.store (i32.const 24) (i32.const 8)) (i32.store (i32.const 28) (i32.const -1))
      (return (i32.const 16)))
      (call $log (i32.const 99) (i32.const 0) (i32.const 0)) (return (i32.const 16)))
      (call $log (i32.const 2) (i32.const 0x7ffffff0) (i32.const 8)) (return (i32.const 16)))
      (call $log (i32.const 2) (i32.const 0) (i32.const 3)) (return (i32.const 16)))
    unreachable)
  (func (export "post-return") (param i32)))
