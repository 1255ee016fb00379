//! What AlterConfigs and IncrementalAlterConfigs have in common: each resource once, each checked
//! alone, each carried out alone unless checking was all that was asked.
//!
//! Source: `ConfigAdminManager.preprocess`.

use sprawl_core::metadata::MetadataCommand;
use sprawl_protocol::StrBytes;

use super::admin::{Failure, code_and_message, duplicates};
use crate::broker::Broker;

/// A change to one resource's settings, as a request asks for it.
pub(crate) trait ConfigChange {
    /// The type and name of the resource.
    fn resource(&self) -> (i8, &StrBytes);

    /// Checks the change and says what would carry it out.
    fn check(&self, broker: &Broker) -> Result<MetadataCommand, Failure>;
}

/// What came of one change.
pub(crate) struct ConfigChangeResult {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<StrBytes>,
    pub(crate) resource_type: i8,
    pub(crate) resource_name: StrBytes,
}

/// Checks or carries out each change, in order.
pub(crate) async fn apply_all<T: ConfigChange>(
    broker: &Broker,
    mode: Mode,
    changes: &[T],
) -> Vec<ConfigChangeResult> {
    let twice = duplicates(changes.iter().map(ConfigChange::resource));
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let (resource_type, resource_name) = change.resource();
        let altered = if twice.contains(&change.resource()) {
            Err(Failure::invalid_request(
                "expected each resource once, found it twice",
            ))
        } else {
            mode.finish(broker, change.check(broker)).await
        };
        let (error_code, error_message) = code_and_message(&altered);
        results.push(ConfigChangeResult {
            error_code,
            error_message,
            resource_type,
            resource_name: resource_name.clone(),
        });
    }
    results
}

/// Whether a change is carried out or only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    CarryOut,
    Validate,
}

impl From<bool> for Mode {
    fn from(validate_only: bool) -> Self {
        if validate_only {
            Self::Validate
        } else {
            Self::CarryOut
        }
    }
}

impl Mode {
    /// Commits a checked change, unless checking was all that was asked.
    pub(crate) async fn finish(
        self,
        broker: &Broker,
        checked: Result<MetadataCommand, Failure>,
    ) -> Result<(), Failure> {
        let command = checked?;
        if self == Self::CarryOut {
            broker.propose(command).await?;
        }
        Ok(())
    }
}
