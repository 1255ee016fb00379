//! Streams groups: scenarios of one rule each, and random lives of groups.
//!
//! - [`topology`]: what topics a topology needs, and what happens while they are not there.
//! - [`heartbeat`]: joining, leaving, being given up, refusals.
//! - [`reconcile`]: tasks change hands.
//! - [`delays`]: when an assignment waits.
//! - [`types`]: classic and streams groups under one id; offsets; deletion.
//! - [`random`]: no active task ever has two owners, and everything settles.

mod client;
mod delays;
mod heartbeat;
mod random;
mod reconcile;
mod topology;
mod types;
