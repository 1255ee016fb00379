//! The binary from outside: real processes, real ports, real kills.
//!
//! - `start`: addresses, settings, refusals, clean stops
//! - `verbs`: the command line against a running broker
//! - `administration`: log directories, credentials, access rules, client metrics
//! - `groups`: consumer groups, lag and resets
//! - `share_groups`: share groups, their dead letters and the way back
//! - `transactions`: transactional ids and producers
//! - `log`: checking and printing a stopped data directory
//! - `crash`: kill -9 under load
//! - `delayed`: delayed delivery across kills
//! - `tour`: README's five-minute tour

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests stand outside the process under test and may fail loudly"
)]

mod administration;
mod crash;
mod delayed;
mod groups;
mod log;
mod node;
mod share_groups;
mod start;
mod tour;
mod transactions;
mod verbs;
