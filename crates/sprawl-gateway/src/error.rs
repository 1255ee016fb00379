//! What can go wrong while setting up or serving HTTP.

use std::io;

/// Why the gateway cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A metrics recorder was installed before, or a bucket list is empty.
    #[error("metrics recorder: {0}")]
    Metrics(String),
    /// The listening socket failed.
    #[error("http listener: {0}")]
    Listen(#[from] io::Error),
}
