//! Automation: the CI steps, the house rules.
fn main() {}
