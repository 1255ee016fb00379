//! SDK: administration, producing and consuming over the Kafka protocol.
//!
//! [`Client`] knows the brokers and routes requests; [`admin`], [`Producer`], [`Consumer`] and
//! [`GroupConsumer`] are built on it. Nothing is retried without an end: every call has a deadline
//! from [`ClientOptions`], every queue a named limit.
//!
//! Invariants: records of one partition stay in the order in which they were sent, because one
//! batch a partition is on its way at a time; a record is reported as written only after the broker
//! said so.
//!
//! Left out: transactions, the group protocol of KIP-848, fetch sessions (KIP-227).

pub mod admin;
mod call;
mod client;
mod connection;
mod consumer;
mod error;
mod group;
mod partitioner;
mod producer;
mod versions;

pub use call::Call;
pub use client::{AutoCreate, Client, ClientOptions, Cluster, Leader, PartitionView, TopicView};
pub use connection::{Connection, RESPONSE_BYTES_MAX};
pub use consumer::{ConsumedRecord, Consumer, ConsumerOptions, Header, StartOffset};
pub use error::ClientError;
pub use group::{GroupConsumer, GroupOptions, Membership};
pub use partitioner::{murmur2, partition_for_key};
pub use producer::{Acks, Delivered, Delivery, Producer, ProducerOptions, Record};
pub use sprawl_model::compression::Codec;
pub use sprawl_protocol::ErrorCode;
