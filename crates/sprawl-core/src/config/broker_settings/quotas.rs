//! How client quotas are measured.

use super::values::Values;
use crate::config::error::ConfigError;
use crate::quota::QuotaWindows;

/// How client quotas are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaSettings {
    /// `quota.window.num`, `quota.window.size.seconds`
    pub windows: QuotaWindows,
    /// `controller.quota.window.num`, `controller.quota.window.size.seconds`
    pub mutation_windows: QuotaWindows,
}

impl QuotaSettings {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            windows: windows(values, "quota.window.num", "quota.window.size.seconds")?,
            mutation_windows: windows(
                values,
                "controller.quota.window.num",
                "controller.quota.window.size.seconds",
            )?,
        })
    }
}

fn windows(
    values: &Values<'_>,
    count: &'static str,
    size: &'static str,
) -> Result<QuotaWindows, ConfigError> {
    let seconds: u64 = values.unsigned(size)?;
    Ok(QuotaWindows {
        count: values.unsigned(count)?,
        window_ms: seconds.saturating_mul(1000),
    })
}
