//! The broker: connections, dispatch, one file per API, coordinators' tasks.
//!
//! A record's path: [`connection`] reads a frame, [`dispatch`] decodes it and picks the handler,
//! `api::produce` validates and appends through [`replicated_log`], and the response leaves once
//! the log says `Durable`. Rules live in `sprawl-core`, bytes in `sprawl-protocol`, durability in
//! `sprawl-log`; here they meet.

mod api;
mod authorized_operations;
mod background;
mod broker;
mod connection;
mod coordinator;
mod decoded;
mod delay;
mod dispatch;
mod features;
mod fetch;
mod listener;
mod metrics;
mod options;
mod outgoing;
mod partition;
mod partitions;
mod producer_ids;
mod quotas;
mod replicated_log;
mod share;
mod start;
mod telemetry;
mod transaction;
mod transaction_marker;
mod validate;
mod wire_error;

pub use options::BrokerOptions;
pub use start::{RunningBroker, StartError};
