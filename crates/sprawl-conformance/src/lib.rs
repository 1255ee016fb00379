//! Foreign clients, unchanged, run against the broker: they decide what "compatible" means.
//!
//! In reading order: [`wait`] and [`server`] run a server as a real process; [`kafka`] and
//! [`sprawl`] are the two kinds; [`setup`] installs everything foreign, pinned, by name, from
//! registries; [`clients`] lists the clients, [`run`] runs them, [`row`] and [`page`] tell what
//! came of it, [`not_yet`] what waits for the broker; [`crash`] kills the server under load and
//! reads back; [`bank`] does the same to transactions, with [`proxy`] holding and doubling
//! requests; [`delay`] does it to delayed records, [`queue`] to share groups, [`rebalance`] to one
//! large group, [`two_phase`] to prepared transactions. `docs/conformance.md` has the results,
//! `conformance/` the client programs and the pins.
//!
//! Invariant: a case must pass against a real Apache Kafka before it may judge Sprawl; in the one
//! drill of what Kafka's client can do and its broker refuses, Kafka must have refused it.
#![allow(
    clippy::disallowed_methods,
    reason = "drives real processes from outside; nothing here runs in the simulator"
)]

pub mod bank;
mod breaches;
pub mod clients;
pub mod crash;
pub mod delay;
pub mod kafka;
pub mod not_yet;
pub mod page;
pub mod proxy;
pub mod queue;
pub mod rebalance;
pub mod row;
pub mod run;
pub mod server;
pub mod setup;
pub mod sprawl;
pub mod two_phase;
pub mod wait;
