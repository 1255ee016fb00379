//! The binary from outside: real processes, real ports, real kills.
//!
//! - `start`: addresses, settings, refusals, clean stops
//! - `verbs`: the command line against a running broker
//! - `groups`: consumer groups, lag and resets
//! - `crash`: kill -9 under load
//! - `tour`: README's five-minute tour

#![allow(
    clippy::disallowed_methods,
    reason = "these tests stand outside the process under test"
)]

mod crash;
mod groups;
mod node;
mod start;
mod tour;
mod verbs;
