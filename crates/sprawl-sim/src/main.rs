//! Seeded simulator and checkers that drive the shipped log and broker code.
fn main() {}
