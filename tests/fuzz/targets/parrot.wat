;; The guest that returns what it is told: not a value of the contract, but the bytes of its
;; memory in which the host is to find one.
;;
;; Its event has `~` and an image in hex somewhere. It writes the image to the start of its memory,
;; logs and returns as the image's first four words say: where the result is, and level, address
;; and length of a line to log (none where the level's highest bit is set). Addresses and all
;; that they lead to are the image's alone, right or wrong.
;;
;; PARROT_WORLD and INPUT are put in by guest_output.rs: the world's types and its export, and the
;; place of the event's text in the request.
(component
  (import "hothouse:agent/logging@0.1.0" (instance $logging
    (type $levels (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $levels)))
    (export "log" (func (param "level" $level) (param "message" string)))))
  (core module $memory
    ;; Images have the first page, what the host passes the others.
    (memory (export "memory") 16 16))
  (core instance $its (instantiate $memory))
  (alias core export $its "memory" (core memory $memory))
  (core func $log (canon lower (func $logging "log") (memory $memory)))
  (core module $parrot
    (import "its" "memory" (memory 16 16))
    (import "its" "log" (func $log (param i32 i32 i32)))
    (global $free (mut i32) (i32.const 0x10000))
    ;; Nothing is ever freed: an instance handles one event.
    (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32)
      (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    ;; The value of a hex digit in lower case, or more than 15.
    (func $digit (param $char i32) (result i32)
      (if (result i32) (i32.lt_u (local.get $char) (i32.const 0x61))
        (then (i32.sub (local.get $char) (i32.const 0x30)))
        (else (i32.sub (local.get $char) (i32.const 0x57)))))
    (func (export "run") (param $request i32) (result i32)
      (local $from i32) (local $to i32) (local $high i32)
      (local.set $from (i32.load (i32.add (local.get $request) (i32.const INPUT))))
      ;; There is one: the host put it there.
      (loop $find
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br_if $find (i32.ne (i32.load8_u (i32.sub (local.get $from) (i32.const 1)))
          (i32.const 0x7e))))
      (loop $copy
        (local.set $high (call $digit (i32.load8_u (local.get $from))))
        (if (i32.le_u (local.get $high) (i32.const 15))
          (then
            (i32.store8 (local.get $to) (i32.or
              (i32.shl (local.get $high) (i32.const 4))
              (call $digit (i32.load8_u offset=1 (local.get $from)))))
            (local.set $from (i32.add (local.get $from) (i32.const 2)))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))
            (br $copy))))
      (if (i32.ge_s (i32.load offset=4 (i32.const 0)) (i32.const 0))
        (then (call $log (i32.load offset=4 (i32.const 0)) (i32.load offset=8 (i32.const 0))
          (i32.load offset=12 (i32.const 0)))))
      (i32.load (i32.const 0))))
  (core instance $parrot (instantiate $parrot (with "its" (instance
    (export "memory" (memory $memory))
    (export "log" (func $log))))))
  (type $metadata (record
    (field "event-id" string) (field "event-type" string) (field "timestamp" string)
    (field "correlation-id" string) (field "causation-id" (option string))
    (field "source" (option string)) (field "version" string) (field "attempt" u32)))
  (type $retry (record (field "message" string) (field "delay-ms" (option u64))))
  (type $handler-error (variant
    (case "validation" string) (case "permanent" string) (case "retryable" $retry)))
  PARROT_WORLD)
