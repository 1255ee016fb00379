//! Reading and changing client quotas.

use std::collections::BTreeMap;

use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use sprawl_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use super::Admin;
use crate::error::ClientError;

/// Whom a quota binds: a name for `user`, `client-id` or `ip`; `None` is the default of all that
/// have no quota of their own.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// The quotas of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityQuotas {
    /// Whose.
    pub entity: QuotaEntity,
    /// How much a second, by the quota's name.
    pub quotas: BTreeMap<String, f64>,
}

impl Admin {
    /// Returns every quota there is.
    pub async fn describe_quotas(&self) -> Result<Vec<EntityQuotas>, ClientError> {
        let request = DescribeClientQuotasRequest::default();
        let response = self.client.any().await?.call(request).await?;
        let message = response.error_message.map(|message| message.to_string());
        ClientError::check_with(|| "quotas".to_owned(), response.error_code, message)?;
        let entries = response.entries.unwrap_or_default().into_iter();
        let entries = entries.map(|entry| EntityQuotas {
            entity: entry
                .entity
                .into_iter()
                .map(|part| {
                    let name = part.entity_name.map(|name| name.to_string());
                    (part.entity_type.to_string(), name)
                })
                .collect(),
            quotas: entry
                .values
                .into_iter()
                .map(|value| (value.key.to_string(), value.value))
                .collect(),
        });
        Ok(entries.collect())
    }

    /// Sets quotas of one entity, or with `None` takes them away; the others stay.
    pub async fn alter_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &BTreeMap<String, Option<f64>>,
    ) -> Result<(), ClientError> {
        let parts = entity.iter().map(|(kind, name)| {
            EntityData::default()
                .with_entity_type(StrBytes::from_string(kind.clone()))
                .with_entity_name(name.clone().map(StrBytes::from_string))
        });
        let ops = changes.iter().map(|(name, value)| {
            OpData::default()
                .with_key(StrBytes::from_string(name.clone()))
                .with_value(value.unwrap_or_default())
                .with_remove(value.is_none())
        });
        let entry = EntryData::default()
            .with_entity(parts.collect())
            .with_ops(ops.collect());
        let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
        let response = self.client.any().await?.call(request).await?;
        for entry in response.entries {
            let message = entry.error_message.map(|message| message.to_string());
            ClientError::check_with(|| "quota".to_owned(), entry.error_code, message)?;
        }
        Ok(())
    }
}
