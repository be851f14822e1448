;; A component of world `agent` around the guests in ../wat.
;;
;; The guest's text defines `(core module $main ...)`, which may import what is below as `libc` and
;; `host`, and exports
;;   execute: (param i32) (result i32)   the request's address; the address of the result
;;   post-return: (param i32)            called once the result was read
;;
;; The request's u32 at 64 is the number of the attempt, those at 100 and 104 are the address and
;; the length of input_data. A result is its case (u8: 0 ok, 1 error) and, for ok, at 8 the address
;; and at 12 the length of output_data.
(component
  (import "hothouse:agent/logging@0.1.0" (instance $logging
    (type $level' (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))))

  (core module $libc-module
    (memory (export "memory") 1)
    ;; The end of what the host was given so far: it begins at 4096, and nothing is ever freed.
    (global $heap (export "heap") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $heap (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))))
      (local.get $at)))
  (core instance $libc (instantiate $libc-module))
  (alias core export $libc "memory" (core memory $memory))
  (core func $log (canon lower (func $logging "log") (memory $memory)))
  (core instance $host (export "log" (func $log)))

  (; BODY ;)

  (core instance $main (instantiate $main
    (with "libc" (instance $libc)) (with "host" (instance $host))))

  (type $metadata (record
    (field "event-id" string) (field "event-type" string) (field "timestamp" string)
    (field "correlation-id" string) (field "causation-id" (option string))
    (field "source" (option string)) (field "version" string) (field "attempt" u32)))
  (type $retry (record (field "message" string) (field "delay-ms" (option u64))))
  (type $handler-error (variant
    (case "validation" string) (case "permanent" string) (case "retryable" $retry)))
  (type $execution-request (record
    (field "metadata" $metadata) (field "agent-execution-id" string) (field "agent-type" string)
    (field "phase-number" u32) (field "execution-plan-id" (option string))
    (field "input-data" string) (field "extra" string)))
  (type $execution-result (record (field "output-data" string)))
  (func $execute
    (param "request" $execution-request)
    (result (result $execution-result (error $handler-error)))
    (canon lift (core func $main "execute") (memory $memory)
      (realloc (core func $libc "realloc")) (post-return (core func $main "post-return"))))
  (instance $execution
    (export "metadata" (type $metadata))
    (export "retry" (type $retry))
    (export "handler-error" (type $handler-error))
    (export "execution-request" (type $execution-request))
    (export "execution-result" (type $execution-result))
    (export "execute" (func $execute)))
  (export "hothouse:agent/execution@0.1.0" (instance $execution)))
