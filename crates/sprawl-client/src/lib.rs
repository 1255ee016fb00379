//! SDK: producer, consumer, admin over TCP.
