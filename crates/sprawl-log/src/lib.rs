//! The durable log: journal, segments, state store, hot queue, recovery, retention.
