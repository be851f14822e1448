(component
  (core module $m (func $start (loop $again (br $again))) (start $start))
  (core instance $i (instantiate $m))
  (instance $e)
  (export "hothouse:agent/discovery@0.1.0" (instance $e)))
