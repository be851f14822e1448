(component
  (import "wasi:sockets/tcp@0.2.0" (instance (export "tcp-socket" (type (sub resource)))))
  (import "alone" (func (param "x" string)))
  (import "evil:backdoor/shell@1.0.0" (instance (export "run" (func (param "command" string))))))
