//! One fault each.

mod hosts;
