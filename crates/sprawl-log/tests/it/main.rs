//! The log store as its users see it, over a simulated disk and over a real one.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers included")]

mod aborted;
mod compaction;
mod crash;
mod damage;
mod faults;
mod formats;
mod real;
mod store;
mod world;
