;; Looks for what an earlier instance may have left: grows its memory as far as it may, reads every
;; byte of it, every element of its table and its globals, and counts what is there and was not put
;; there by the host. Then it writes a secret of its own everywhere, for the next one to find.
;;
;; Outside of what the host passed to it, every word that is not zero counts. In what the host
;; passed (from 4096 to libc's `heap`), the first half of a secret counts, wherever it begins.
;; A secret is that half, "HOTHOUSE", and then input_data as a number.
;;
;; World `agent`. Its input_data is digits. Completes with `{"found":N}`, where N is 10,000,000 and the count.

(core module $main
  (import "libc" "memory" (memory 1))
  (import "libc" "heap" (global $heap (mut i32)))
  (global $first (mut i64) (i64.const 0))
  (global $second (mut i64) (i64.const 0))
  (table $table 1 10000 funcref)
  (elem declare func $run)

  (global $found (mut i32) (i32.const 0))
  (func $count (global.set $found (i32.add (global.get $found) (i32.const 1))))

  ;; "HOTHOUSE", made at run time: the constant itself is in no memory.
  (func $mark (result i64)
    (i64.xor (i64.const 0x0123456789abcdef) (i64.const 0x44701028c1ff82a7)))

  (func $grow
    (loop $again
      (br_if $again (i32.ne (table.grow $table (ref.null func) (i32.const 101)) (i32.const -1))))
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))

  ;; Words from $at to $end that are not zero.
  (func $words (param $at i32) (param $end i32)
    (loop $again
      (if (i32.lt_u (local.get $at) (local.get $end)) (then
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $count)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $again)))))

  ;; Marks that begin at any byte from $at to $end.
  (func $marks (param $at i32) (param $end i32)
    (loop $again
      (if (i32.lt_u (local.get $at) (local.get $end)) (then
        (if (i64.eq (i64.load (local.get $at)) (call $mark)) (then (call $count)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $again)))))

  (func $elements
    (local $at i32)
    (loop $again
      (if (i32.lt_u (local.get $at) (table.size $table)) (then
        (if (i32.eqz (ref.is_null (table.get $table (local.get $at)))) (then (call $count)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $again)))))

  ;; The mark and the number, by turns, from $at to $end.
  (func $write (param $at i32) (param $end i32) (param $number i64)
    (loop $again
      (if (i32.lt_u (local.get $at) (local.get $end)) (then
        (i64.store (local.get $at) (call $mark))
        (i64.store offset=8 (local.get $at) (local.get $number))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $again)))))

  (func $number (param $at i32) (param $length i32) (result i64)
    (local $number i64)
    (loop $again
      (if (local.get $length) (then
        (local.set $number (i64.add
          (i64.mul (local.get $number) (i64.const 10))
          (i64.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $again))))
    (local.get $number))

  (func $run (export "execute") (param $request i32) (result i32)
    (local $end i32) (local $passed i32) (local $number i64) (local $digits i32) (local $rest i32)
    (if (i64.ne (i64.or (global.get $first) (global.get $second)) (i64.const 0))
      (then (call $count)))
    (call $grow)
    (local.set $end (i32.mul (memory.size) (i32.const 65536)))
    (local.set $passed (i32.and
      (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (call $words (i32.const 0) (i32.const 4096))
    (call $marks (i32.const 4096) (local.get $passed))
    (call $words (local.get $passed) (local.get $end))
    (call $elements)

    (local.set $number (call $number
      (i32.load offset=100 (local.get $request)) (i32.load offset=104 (local.get $request))))
    (call $write (i32.const 0) (local.get $end) (local.get $number))
    (global.set $first (call $mark))
    (global.set $second (local.get $number))
    (table.fill $table (i32.const 0) (ref.func $run) (table.size $table))

    ;; {"found":
    (i64.store (i32.const 64) (i64.const 0x22646e756f66227b))
    (i32.store8 (i32.const 72) (i32.const 0x3a))
    ;; The digits from the last one; JSON has no leading zeros, so there are always eight.
    (local.set $rest (i32.add (global.get $found) (i32.const 10000000)))
    (local.set $digits (i32.const 80))
    (loop $again
      (i32.store8 (local.get $digits)
        (i32.add (i32.const 48) (i32.rem_u (local.get $rest) (i32.const 10))))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
      (br_if $again (i32.gt_u (local.get $digits) (i32.const 72))))
    (i32.store8 (i32.const 81) (i32.const 0x7d))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 24) (i32.const 64))
    (i32.store (i32.const 28) (i32.const 18))
    (i32.const 16))
  (func (export "post-return") (param i32)))
