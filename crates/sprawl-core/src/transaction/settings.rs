//! Which limits and delays govern every transaction of a broker?
//!
//! Source: Kafka's broker settings of the same meaning; the defaults are Kafka's.

/// Limits and delays of the transaction coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionSettings {
    /// `transaction.max.timeout.ms`.
    pub timeout_ms_max: i32,
    /// `transaction.two.phase.commit.enable`.
    pub two_phase_commit: bool,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_interval_ms: u64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiry_interval_ms: u64,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self {
            timeout_ms_max: 15 * 60 * 1_000,
            two_phase_commit: false,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            abort_interval_ms: 10_000,
            expiry_interval_ms: 60 * 60 * 1_000,
        }
    }
}
