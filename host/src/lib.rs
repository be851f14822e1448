//! Hothouse.
pub mod bus;
pub mod event;
pub mod failure;
pub mod sandbox;
