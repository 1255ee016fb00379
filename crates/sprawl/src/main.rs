//! One binary that does the work of a Kafka cluster and everything around it.
fn main() {}
