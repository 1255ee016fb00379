//! Foreign clients, unchanged, run against the broker.
fn main() {}
