(component
  (core module $m (func (export "run") (param i32 i32) unreachable) (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func $f (param "request" string)
    (canon lift (core func $i "run") (memory $memory) (realloc (core func $i "realloc"))))
  (instance $e (export "execute" (func $f)))
  (export "hothouse:agent/execution@0.1.0" (instance $e)))
