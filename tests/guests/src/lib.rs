//! Guests for the host's tests, one component for each file in `examples/`: most of them
//! do what a hostile or a broken plugin would do, and each says which `error_type` it must
//! get for that. There is nothing in the library itself.
