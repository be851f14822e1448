;; Has four memories, more than the pool has for one component.
;;
;; World `agent`. Must be refused at load as `plugin_unavailable`.

(core module $memory (memory (export "memory") 1))
(core instance $second (instantiate $memory))
(core instance $third (instantiate $memory))
(core instance $fourth (instantiate $memory))
(core module $main
  (func (export "execute") (param i32) (result i32) unreachable)
  (func (export "post-return") (param i32)))
