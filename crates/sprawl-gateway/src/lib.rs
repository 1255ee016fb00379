//! How is a node watched over HTTP? Liveness, readiness and metrics, and nothing that changes data.
//!
//! - `/healthz`: 200 as long as the process answers.
//! - `/readyz`: 200 once clients are served, 503 with the reason before and while stopping.
//! - `/metrics`: Prometheus text.
//!
//! At most [`CONNECTION_COUNT_MAX`] connections are held; one that sends nothing for
//! [`CONNECTION_IDLE_MAX`] is closed.

mod error;
mod listen;
mod metrics;
mod routes;

pub use error::GatewayError;
pub use listen::{CONNECTION_COUNT_MAX, CONNECTION_IDLE_MAX};
pub use metrics::{Metrics, UPKEEP_PAUSE};
pub use routes::{Gateway, Readiness};
