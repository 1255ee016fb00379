//! Reads, look-ups, retention, waiting: what works without any fault.
