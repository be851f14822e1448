(component
  (core module (func (result v128) v128.const i32x4 1 2 3 4)
    (func (param f32) (result i32) local.get 0 i32.trunc_sat_f32_s)
    (func (param externref) (result externref) local.get 0)
    (func (result i32 i64) i32.const 1 i64.const 2)
    (global (mut i64) (i64.const -1)) (table 1 externref) (memory 0 65536)))
