//! What can go wrong between a caller and the brokers.

use std::time::Duration;

use sprawl_protocol::ErrorCode;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// No broker could be reached: start one, or pass another address.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The connection broke; the request may or may not have been carried out.
    #[error("connection to {address} lost: {reason}")]
    Disconnected {
        /// The broker.
        address: String,
        /// What was seen.
        reason: String,
    },
    /// No answer in time; the request may or may not have been carried out.
    #[error("no answer to {what} within {} ms", waited.as_millis())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// The broker answered with an error code.
    #[error("{what}: {}{}", error_name(*code), detail(message))]
    Broker {
        /// What was asked, and of which topic, partition or group.
        what: String,
        /// Kafka's error code.
        code: i16,
        /// The broker's own words, if any.
        message: Option<String>,
    },
    /// The broker does not speak a version this client can use.
    #[error("{api}: this client speaks versions {ours}, the broker {theirs}")]
    Version {
        /// The API.
        api: String,
        /// Our range.
        ours: String,
        /// The broker's range.
        theirs: String,
    },
    /// The broker sent something that is not the Kafka protocol.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The request cannot be made this way.
    #[error("{0}")]
    Invalid(String),
    /// The producer or client was closed before this was done.
    #[error("closed before the record was written")]
    Closed,
}

impl ClientError {
    /// Makes an error from a broker's code, or nothing from code 0.
    pub(crate) fn check(what: impl FnOnce() -> String, code: i16) -> Result<(), Self> {
        Self::check_with(what, code, None)
    }

    /// As [`Self::check`], with the broker's message.
    pub(crate) fn check_with(
        what: impl FnOnce() -> String,
        code: i16,
        message: Option<String>,
    ) -> Result<(), Self> {
        if code == 0 {
            return Ok(());
        }
        Err(Self::Broker {
            what: what(),
            code,
            message,
        })
    }

    /// Returns the broker's error code, where the broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => ErrorCode::from_number(*code),
            _ => None,
        }
    }

    /// Says whether the same call may succeed a moment later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Disconnected { .. } | Self::TimedOut { .. } => true,
            Self::Broker { .. } => self.code().is_some_and(ErrorCode::is_retriable),
            Self::Version { .. } | Self::Malformed(_) | Self::Invalid(_) | Self::Closed => false,
        }
    }
}

fn error_name(code: i16) -> String {
    match ErrorCode::from_number(code) {
        Some(code) => format!("{} ({})", code.message(), code.name()),
        None => format!("error code {code}"),
    }
}

fn detail(message: &Option<String>) -> String {
    message
        .as_ref()
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}
