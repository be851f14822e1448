(component
  (core module $m (memory 1) (func $start unreachable) (start $start)
    (data (i32.const 65530) "too much for it"))
  (core instance $i (instantiate $m))
  (instance $e)
  (export "hothouse:agent/handling@0.1.0" (instance $e)))
