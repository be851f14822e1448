(component
  (core module $m (memory 1) (memory 1 2) (table 10 funcref) (func (export "run")
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))))
  (core instance $i (instantiate $m)))
