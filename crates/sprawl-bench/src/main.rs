//! Side-by-side benchmarks against a real Apache Kafka.
fn main() {}
