;; Has a table of ten million elements from the beginning.
;;
;; World `agent`. Must be refused at load as `plugin_unavailable`.

(core module $main
  (table 10000000 funcref)
  (func (export "execute") (param i32) (result i32) unreachable)
  (func (export "post-return") (param i32)))
