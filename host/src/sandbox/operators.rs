//! What components may be made of, and what each operator costs. Both are said in full, so that
//! neither changes with a release of Wasmtime.

use wasmparser::WasmFeatures;
use wasmtime::{OperatorCost, VariableOperatorCost};

/// The proposals that components may use; every other one is off. Several memories are there for
/// the adapters between the parts of a composed component.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

macro_rules! costs {
    ($( @$proposal:ident $operator:ident $({ $($field:ident: $type:ty),* })?
        => $visit:ident ($($rest:tt)*) )*) => {
        /// One unit of fuel for each operator that does something, and one for each byte or
        /// element of those that do as much as they are told.
        pub(super) fn costs() -> OperatorCost {
            OperatorCost {
                $( $operator: cost(stringify!($operator)), )*
                variable: VARIABLE,
            }
        }
    };
}

wasmparser::for_each_operator!(costs);

fn cost(operator: &str) -> u8 {
    match operator {
        "Nop" | "Drop" | "Block" | "Loop" | "Unreachable" | "Return" | "Else" | "End" => 0,
        _ => 1,
    }
}

const VARIABLE: VariableOperatorCost = VariableOperatorCost {
    memory_copy_per_byte: 1,
    memory_fill_per_byte: 1,
    memory_init_per_byte: 1,
    // A page of 64 KiB, which the kernel is to clear.
    memory_grow_per_page: 255,
    table_copy_per_element: 1,
    table_fill_per_element: 1,
    table_init_per_element: 1,
    table_grow_per_element: 1,
    // No component may use arrays of the garbage collector.
    array_copy_per_element: 1,
    array_fill_per_element: 1,
    array_new_data_per_element: 1,
    array_init_data_per_element: 1,
    array_new_elem_per_element: 1,
    array_init_elem_per_element: 1,
    array_new_default_per_element: 1,
    array_new_per_element: 1,
};
